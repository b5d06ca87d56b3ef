import Kernels

/// `y = W x + b` over the rows of a chunk, as torch.nn.Linear has it, with the gradients of W and b.
struct AffineMap {
    let weights: Matrix  // [out, in]
    let bias: Matrix  // [1, out]
    private let sums: GradientSums?
    private let weightGradients: [Matrix]  // one for each node of the sums
    private let biasGradients: [Matrix]
    private let product: PackedProduct  // [rows, in] x W^T

    /// Values of four bytes of its packed weights.
    static func packed(inputs: Int, outputs: Int) -> Double { PackedProduct.count(inputs: inputs, outputs: outputs) }

    /// - Parameters:
    ///   - weight, bias: the parameters' names.
    ///   - chunk: whose rows it maps.
    ///   - sums: where gradients go; nil for evaluation.
    /// - Throws: `VectorsError`; transport errors, the same on all ranks.
    init(weight: String, bias: String, _ chunk: ChunkShape, parameters: Arena, sums: GradientSums?) throws {
        weights = parameters.matrix(weight)
        self.bias = parameters.matrix(bias)
        self.sums = sums
        weightGradients = sums?.gradients(of: weight) ?? []
        biasGradients = sums?.gradients(of: bias) ?? []
        product = try PackedProduct(
            rows: chunk.rows, inputs: weights.columns, outputs: weights.rows, transposed: true, accumulate: false,
            packing: chunk.packers.packing)
    }

    /// Call it after every change of the parameters.
    func pack() { product.pack(weights.base) }

    /// `W x` of every row of `input` [N, in], without b.
    /// - Throws: `KernelError`.
    func multiply(_ input: Matrix, into result: UnsafeMutablePointer<Float>) throws {
        try product.run(input.base, into: result, rows: input.rows)
    }

    /// The gradients of W and b (overwritten), from dL/dy [N, out] and x [N, in].
    /// - Throws: `KernelError`.
    func differentiate(_ deltas: Matrix, of input: Matrix) throws {
        guard let sums else { preconditionFailure("a model made for evaluation") }
        try sums.multiply(deltas, by: input, into: weightGradients)
        sums.sumRows(deltas, into: biasGradients)
    }
}
