import COneDNN
import COneDNNShim
import Diagnostics
import Synchronization

/// oneDNN refused an operation. Shapes are validated long before, so this means memory ran out or the library and the
/// processor do not fit together.
public struct KernelError: DiagnosedError {
    public let operation: String
    public let status: Int32

    public var kind: FailureKind { .internal }
    public var diagnosis: Diagnosis {
        Diagnosis(
            "oneDNN refused \(operation)", expected: "status 0",
            found: status == 1 ? "out of memory" : "dnnl_status_t \(status)",
            remedy: "reduce the model or the streams per rank; if memory is ample, update oneDNN (libdnnl)")
    }
}

/// `c = op(a) op(b)`, or `c += op(a) op(b)`, in single precision: for products whose operands are all used once.
///
/// Shapes after transposition: a [m, k], b [k, n], c [m, n]. A wrong shape is a programmer's mistake and traps.
/// - Throws: `KernelError` when oneDNN runs out of memory.
public func multiply(
    _ a: Matrix, aTransposed: Bool = false, by b: Matrix, bTransposed: Bool = false,
    into c: Matrix, accumulate: Bool = false
) throws {
    let (m, k) = aTransposed ? (a.columns, a.rows) : (a.rows, a.columns)
    let (kb, n) = bTransposed ? (b.columns, b.rows) : (b.rows, b.columns)
    precondition(k == kb && c.rows == m && c.columns == n, "shapes do not fit: [\(m),\(k)] [\(kb),\(n)] -> [\(c.rows),\(c.columns)]")
    if m == 0 || n == 0 { return }
    let letter = { (transposed: Bool) in CChar(bitPattern: UInt8(ascii: transposed ? "T" : "N")) }
    let status = dnnl_sgemm(
        letter(aTransposed), letter(bTransposed), dnnl_dim_t(m), dnnl_dim_t(n), dnnl_dim_t(k), 1, a.base,
        dnnl_dim_t(a.stride), b.base, dnnl_dim_t(b.stride), accumulate ? 1 : 0, c.base, dnnl_dim_t(c.stride))
    guard status == dnnl_success else { throw KernelError(operation: "sgemm [\(m),\(k)] x [\(k),\(n)]", status: Int32(status.rawValue)) }
}

/// A product `c = a W` (or `c += a W`) whose weights are packed once after each change, into the layout that oneDNN finds
/// best for the shape. It serves many products (the recurrent product T time steps), and it spares large ones the
/// orientation in which `multiply` is slow (weights stored transposed). A `single` row reads the weights where they are.
public final class PackedProduct {
    /// Nil for a single row on one thread, which needs no packing.
    private let handle: OpaquePointer?
    private let packed: Buffer
    private let scratch: Buffer
    private let rows: Int
    private let inputs: Int
    private let outputs: Int
    private let inputStride: Int
    private let outputStride: Int
    private let transposed: Bool
    private let accumulate: Bool
    /// The weights last packed, for numbers of rows that want another packing.
    private var weights: UnsafePointer<Float>?

    /// - Parameters:
    ///   - rows: m, rows of `a` [m, k] and `c` [m, n]; the most that `run` will be asked for.
    ///   - inputs: k. `inputStride`: distance between rows of `a`, default k.
    ///   - outputs: n. `outputStride`: distance between rows of `c`, default n.
    ///   - transposed: the weights are stored as [n, k] (PyTorch's layout, forward) instead of [k, n] (backward).
    ///   - accumulate: add to `c` instead of overwriting it.
    ///   - single: one row, transposed weights, and each product with other weights than the last: bound by memory.
    /// - Throws: `KernelError`.
    public init(
        rows: Int, inputs: Int, outputs: Int, inputStride: Int? = nil, outputStride: Int? = nil, transposed: Bool,
        accumulate: Bool, single: Bool = false
    ) throws {
        self.rows = rows
        self.inputs = inputs
        self.outputs = outputs
        self.inputStride = inputStride ?? inputs
        self.outputStride = outputStride ?? outputs
        self.transposed = transposed
        self.accumulate = accumulate
        if single, Arithmetic.threads == 1 {
            precondition(rows == 1 && transposed)
            handle = nil
            packed = Buffer(count: 0)
            scratch = Buffer(count: 0)
            return
        }
        var product: OpaquePointer?
        let status = lockstep_product_create(
            &product, Int64(rows), Int64(inputs), Int64(outputs), Int64(self.inputStride), Int64(self.outputStride),
            transposed ? 1 : 0, accumulate ? 1 : 0)
        guard status == 0, let product else {
            throw KernelError(operation: "a packed product [\(rows),\(inputs)] x [\(inputs),\(outputs)]", status: status)
        }
        handle = product
        packed = Buffer(count: (lockstep_product_packed_size(product) + 3) / 4)
        scratch = Buffer(count: (lockstep_product_scratch_size(product) + 3) / 4)
    }

    deinit { if let handle { lockstep_product_destroy(handle) } }

    /// Bytes that the packed weights and scratch take.
    public var bytes: Int { (packed.count + scratch.count) * MemoryLayout<Float>.stride }

    private var shape: String { "a packed product [\(rows),\(inputs)] x [\(inputs),\(outputs)]" }

    /// - Parameter weights: must stay where they are, unchanged, until they are packed anew.
    public func pack(_ weights: UnsafePointer<Float>) throws {
        self.weights = weights
        guard let handle else { return }
        let status = lockstep_product_pack(handle, weights, packed.base)
        guard status == 0 else { throw KernelError(operation: "packing for \(shape)", status: status) }
    }

    /// - Parameter rows: of `a` and `c`, when fewer than the product was made for.
    public func run(_ a: UnsafePointer<Float>, into c: UnsafeMutablePointer<Float>, rows: Int? = nil) throws {
        let rows = rows ?? self.rows
        guard let handle else {
            guard let weights else { preconditionFailure("run before pack") }
            return multiplyRow(a, by: weights, inputs: inputs, outputs: outputs, into: c, accumulate: accumulate)
        }
        let status = lockstep_product_run(handle, Int64(rows), a, packed.base, c, scratch.base)
        if status == 0 { return }
        guard status == LOCKSTEP_OTHER_PACKING, let weights else { throw KernelError(operation: shape, status: status) }
        let plain = Matrix(
            UnsafeMutablePointer(mutating: weights), rows: transposed ? outputs : inputs,
            columns: transposed ? inputs : outputs)
        try multiply(
            Matrix(UnsafeMutablePointer(mutating: a), rows: rows, columns: inputs, stride: inputStride), by: plain,
            bTransposed: transposed, into: Matrix(c, rows: rows, columns: outputs, stride: outputStride),
            accumulate: accumulate)
    }
}

/// How the arithmetic of this thread is set up. Call once at the start of each rank.
public enum Arithmetic {
    /// - Parameter threads: cores that one product may use; 1 under `mpirun`, where every core has its own rank.
    public static func prepare(threads: Int) {
        lockstep_set_threads(Int32(clamping: max(1, threads)))
        Arithmetic.count.store(max(1, threads), ordering: .relaxed)
        lockstep_flush_denormals()
    }

    private static let count = Atomic<Int>(1)

    /// Cores that one product may use.
    public static var threads: Int { count.load(ordering: .relaxed) }

    /// What computes the products: library, version and instructions in use.
    public static var products: String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { text in
            lockstep_describe(text.baseAddress!, text.count)
            return String(cString: text.baseAddress!)
        }
    }
}
