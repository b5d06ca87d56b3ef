import CProducts
import Synchronization

/// How the arithmetic of this thread is set up. Call once at the start of each rank.
public enum Arithmetic {
    /// - Parameter threads: cores that one product may use; 1 under `mpirun`, where every core has its own rank.
    /// - Throws: `VectorsError`.
    public static func prepare(threads: Int) throws {
        _ = try Vectors.chosen
        Arithmetic.count.store(max(1, threads), ordering: .relaxed)
        lockstep_flush_denormals()
    }

    private static let count = Atomic<Int>(1)

    /// Cores that one product may use.
    public static var threads: Int { count.load(ordering: .relaxed) }

    /// What computes the products on this processor.
    public static var products: String { "lockstep's kernels, \((try? Vectors.chosen)?.name ?? "none")" }
}
