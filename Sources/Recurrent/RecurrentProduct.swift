import Kernels

/// Recurrent weights U [G, H], or some rows of them, packed for the products of single time steps: `U h` in the forward pass and
/// `dL/d(U h) U` in the backward pass.
struct RecurrentProduct {
    /// G.
    let rows: Int
    private let product: SlicedProduct  // [B, H] x U^T, of each gate this rank's units
    private let backwardProduct: SlicedProduct?  // [B, G] x U, this rank's units

    /// Adds what the product needs.
    /// - Parameters:
    ///   - rows: G.
    ///   - times: products in a backward pass, if it is not that of every step but the first.
    static func extend(_ plan: inout LayerPlan, _ shape: LayerShape, rows: Int, backward times: Int? = nil) {
        let (chunk, h) = (shape.chunk, shape.hidden)
        plan.products += [
            ProductPlan(.recurrence, chunk.batch, rows, h, times: chunk.steps),
            ProductPlan(.recurrenceBackward, chunk.batch, h, rows, times: times ?? chunk.steps - 1),
            ProductPlan(.weightGradients, rows, h, chunk.rows),
        ]
        plan.packed += SlicedProduct.count(inputs: h, outputs: shape.slices(ofBlocks: rows / h))
        if chunk.training { plan.packed += SlicedProduct.count(inputs: rows, outputs: shape.slices(ofBlocks: 1)) }
    }

    /// - Parameters:
    ///   - rows: G.
    ///   - stride: distance between rows of `U h` and of its gradient, if it is not G.
    ///   - accumulate: add `U h` to its place instead of overwriting that.
    /// - Throws: `VectorsError`; transport errors, the same on all ranks.
    init(_ shape: LayerShape, rows: Int, stride: Int? = nil, accumulate: Bool) throws {
        let (chunk, h) = (shape.chunk, shape.hidden)
        self.rows = rows
        product = try SlicedProduct(
            rows: chunk.batch, inputs: h, outputs: shape.slices(ofBlocks: rows / h), outputStride: stride, transposed: true,
            accumulate: accumulate, packing: chunk.packers.packing)
        backwardProduct =
            chunk.training
            ? try SlicedProduct(
                rows: chunk.batch, inputs: rows, outputs: shape.slices(ofBlocks: 1), inputStride: stride, transposed: false,
                accumulate: false, packing: chunk.packers.packing) : nil
    }

    /// - Parameter weights: U, [G, H]; read only during this call.
    func pack(_ weights: Matrix) {
        product.pack(weights)
        backwardProduct?.pack(weights)
    }

    /// From h [rows, H] to `U h` [rows, G].
    /// - Throws: `KernelError`.
    func forward(_ hidden: UnsafePointer<Float>, into result: UnsafeMutablePointer<Float>, rows: Int) throws {
        try product.run(hidden, into: result, rows: rows)
    }

    /// From `dL/d(U h)` [rows, G] to dL/dh [rows, H].
    /// - Throws: `KernelError`.
    func backward(_ deltas: UnsafePointer<Float>, into result: UnsafeMutablePointer<Float>, rows: Int) throws {
        guard let backwardProduct else { preconditionFailure("a layer made for evaluation") }
        try backwardProduct.run(deltas, into: result, rows: rows)
    }
}

extension [RecurrentProduct] {
    /// Packs the products of a cell, which have U's rows in order.
    /// - Parameter weights: U, or what a step leaves of it, [G, H].
    func pack(_ weights: Matrix) {
        var row = 0
        for product in self {
            product.pack(weights.rows(row, count: product.rows))
            row += product.rows
        }
    }
}
