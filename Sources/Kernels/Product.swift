import CProducts
import Diagnostics

/// A product found no memory for its workspace.
package struct KernelError: DiagnosedError {
    package let operation: String

    package var kind: FailureKind { .internal }
    package var diagnosis: Diagnosis {
        Diagnosis(
            "out of memory in \(operation)", expected: "2 MiB for each thread that computes",
            remedy: "reduce the model or the streams per rank, or use a machine with more memory")
    }
}

/// `c = op(a) op(b)`, or `c += op(a) op(b)`, in single precision: for products whose operands are all used once.
///
/// Each element is one chain of fused multiply-adds over k in ascending order, starting from 0 or from the old element
/// (docs/products.md). Shapes after transposition: a [m, k], b [k, n], c [m, n]. A wrong shape is a programmer's mistake
/// and traps.
/// - Throws: `VectorsError`, `KernelError`.
package func multiply(
    _ a: Matrix, aTransposed: Bool = false, by b: Matrix, bTransposed: Bool = false,
    into c: Matrix, accumulate: Bool = false
) throws {
    try multiply(
        a, aTransposed: aTransposed, by: b, bTransposed: bTransposed, into: c, accumulate: accumulate, using: Vectors.chosen)
}

/// The same with instructions of the caller's choice, which this processor must have.
package func multiply(
    _ a: Matrix, aTransposed: Bool, by b: Matrix, bTransposed: Bool, into c: Matrix, accumulate: Bool, using vectors: Vectors
) throws {
    let (m, k) = aTransposed ? (a.columns, a.rows) : (a.rows, a.columns)
    let (kb, n) = bTransposed ? (b.columns, b.rows) : (b.rows, b.columns)
    precondition(k == kb && c.rows == m && c.columns == n, "shapes do not fit: [\(m),\(k)] [\(kb),\(n)] -> [\(c.rows),\(c.columns)]")
    guard let kernels = vectors.kernels else { preconditionFailure("a processor without \(vectors)") }
    precondition(k > 0)
    if m == 0 || n == 0 { return }
    guard
        lockstep_multiply(
            kernels, m, n, k, a.base, a.stride, aTransposed, b.base, b.stride, bTransposed, c.base, c.stride, accumulate)
    else { throw KernelError(operation: "the product [\(m),\(k)] x [\(k),\(n)]") }
}

/// `c = a^T b` for some rows of c: the same units in each block of rows, for which b is packed once.
/// - Parameters:
///   - a: [k, m], whose columns are the rows of c; `b`: [k, n]; `c`: [m, n].
/// - Throws: `VectorsError`, `KernelError`.
package func multiply(_ a: Matrix, _ slices: Slices, by b: Matrix, into c: Matrix) throws {
    precondition(a.rows == b.rows && c.rows == a.columns && c.columns == b.columns && slices.width == c.rows)
    if slices.isEmpty { return }
    var shape = lockstep_slices(count: slices.blocks, stride: slices.stride)
    guard
        lockstep_multiply_slices(
            try Vectors.chosen.kernels, slices.units.count, c.columns, a.rows, &shape, a.base + slices.units.lowerBound, a.stride,
            b.base, b.stride, c.row(slices.units.lowerBound), c.stride)
    else { throw KernelError(operation: "the product [\(slices.units.count * slices.blocks),\(a.rows)] x [\(b.rows),\(b.columns)]") }
}

/// How ranks that have the same weights pack them together: each some panels of every matrix, in memory that all of them see.
package struct Packing {
    /// Which of `parts` parts of the panels this rank packs.
    let part: Int
    let parts: Int
    /// Gives all of them the same memory.
    let buffer: (_ count: Int) throws -> Buffer

    package init(part: Int, of parts: Int, buffer: @escaping (_ count: Int) throws -> Buffer) {
        (self.part, self.parts, self.buffer) = (part, parts, buffer)
    }

    /// A rank that packs everything for itself.
    package static var alone: Packing { Packing(part: 0, of: 1) { Buffer(count: $0) } }
}

/// A product `c = a W` (or `c += a W`) whose weights are packed once after each change and then serve any number of
/// products of any number of rows: the recurrent product of T time steps, or one large product.
///
/// Elements are the same chains as those of `multiply`: a row's results do not depend on the rows beside it.
package final class PackedProduct {
    private let kernels: OpaquePointer
    private let packed: Buffer
    /// The panels that this rank packs.
    private let panels: Range<Int>
    private let rows: Int
    private let inputs: Int
    private let outputs: Int
    private let inputStride: Int
    private let outputStride: Int
    private let transposed: Bool
    private let accumulate: Bool
    /// Whether the next product goes through the panels backwards.
    private(set) var backwards = false

    /// - Parameters:
    ///   - rows: m, rows of `a` [m, k] and `c` [m, n], unless `run` gets another number.
    ///   - inputs: k. `inputStride`: distance between rows of `a`, default k.
    ///   - outputs: n. `outputStride`: distance between rows of `c`, default n.
    ///   - transposed: the weights are stored as [n, k] (PyTorch's layout, forward) instead of [k, n] (backward).
    ///   - accumulate: add to `c` instead of overwriting it.
    ///   - packing: who packs the weights.
    /// - Throws: `VectorsError`; what `packing` throws.
    package convenience init(
        rows: Int, inputs: Int, outputs: Int, inputStride: Int? = nil, outputStride: Int? = nil, transposed: Bool,
        accumulate: Bool, packing: Packing = .alone
    ) throws {
        try self.init(
            rows: rows, inputs: inputs, outputs: outputs, inputStride: inputStride, outputStride: outputStride,
            transposed: transposed, accumulate: accumulate, packing: packing, using: Vectors.chosen)
    }

    /// The same with instructions of the caller's choice, which this processor must have.
    package init(
        rows: Int, inputs: Int, outputs: Int, inputStride: Int? = nil, outputStride: Int? = nil, transposed: Bool,
        accumulate: Bool, packing: Packing = .alone, using vectors: Vectors
    ) throws {
        guard let kernels = vectors.kernels else { preconditionFailure("a processor without \(vectors)") }
        precondition(rows > 0 && inputs > 0 && outputs > 0)
        self.kernels = kernels
        self.rows = rows
        self.inputs = inputs
        self.outputs = outputs
        self.inputStride = inputStride ?? inputs
        self.outputStride = outputStride ?? outputs
        self.transposed = transposed
        self.accumulate = accumulate
        packed = try packing.buffer(lockstep_packed_count(kernels, inputs, outputs))
        let count = lockstep_panel_count(kernels, outputs)
        panels = count * packing.part / packing.parts..<count * (packing.part + 1) / packing.parts
    }

    /// Floats that packed weights take. In floating point, where no size overflows.
    package static func count(inputs: Int, outputs: Int) -> Double {
        let kernels = (try? Vectors.chosen)?.kernels ?? Vectors.portable.kernels
        return Double(lockstep_packed_count(kernels, 1, outputs)) * Double(inputs)
    }

    /// Packs this rank's panels. Products need those of all ranks.
    /// - Parameter weights: [k, n], or [n, k] if `transposed`, without gaps between rows; read only during this call.
    package func pack(_ weights: UnsafePointer<Float>) { pack(weights, stride: transposed ? inputs : outputs) }

    /// The same for weights that may be some columns of a wider matrix.
    package func pack(_ weights: Matrix) { pack(weights.base, stride: weights.stride) }

    private func pack(_ weights: UnsafePointer<Float>, stride: Int) {
        lockstep_pack(kernels, weights, stride, transposed, inputs, outputs, panels.lowerBound, panels.upperBound, packed.base)
    }

    /// - Parameter rows: rows of `a` and `c`, if different from those that the product was created for.
    /// - Throws: `KernelError`.
    package func run(_ a: UnsafePointer<Float>, into c: UnsafeMutablePointer<Float>, rows: Int? = nil) throws {
        let rows = rows ?? self.rows
        defer { backwards.toggle() }
        guard
            lockstep_multiply_packed(
                kernels, rows, outputs, inputs, a, inputStride, packed.base, c, outputStride, accumulate, backwards)
        else { throw KernelError(operation: "a packed product [\(rows),\(inputs)] x [\(inputs),\(outputs)]") }
    }
}
