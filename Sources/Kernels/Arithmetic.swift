import CProducts

/// Sets up the arithmetic of this process.
package enum Arithmetic {
    /// Call it once at the start of each rank, on the thread that computes.
    /// - Parameter threads: threads that share a product, at most 256; 1 under `mpirun`, where every core has its own rank. Results do not
    ///   depend on it.
    /// - Throws: `VectorsError`.
    package static func prepare(threads: Int) throws {
        _ = try Vectors.chosen
        use(threads: threads)
        lockstep_flush_denormals()
    }

    package static func use(threads: Int) { lockstep_use_threads(threads) }

    /// The number of threads that share a product.
    package static var threads: Int { lockstep_threads() }

    /// The instructions that compute the products on this processor.
    package static var products: String { "lockstep's kernels, \((try? Vectors.chosen)?.name ?? "none")" }
}
