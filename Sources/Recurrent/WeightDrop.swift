import Kernels

/// DropConnect (Wan et al. 2013) on a layer's recurrent weights U, as the weight drop of Merity et al. 2018: in a training step each weight
/// is zero with probability p, else divided by 1 - p, for all streams and times alike. The mask is a function of seed, step, layer
/// and the weight's place, so that it is the same on all ranks. docs/mathematics.md (29d) and (29e).
final class WeightDrop {
    private let rate: Float
    private let site: Int
    private let weights: Matrix  // U [G, H]
    private let dropped: Buffer  // what is left of U, [G, H]
    /// That of the step at hand; nil where nothing is dropped.
    private var mask: Dropout?
    private var context: StepContext?
    private var isCurrent = false

    private static func isNeeded(_ shape: LayerShape) -> Bool { shape.chunk.training && shape.model.dropout.weights > 0 }

    /// Values that it allocates.
    /// - Parameter rows: G.
    static func values(_ shape: LayerShape, rows: Int) -> Double { isNeeded(shape) ? Double(rows) * Double(shape.hidden) : 0 }

    /// Nil where nothing is dropped.
    init?(_ shape: LayerShape, weights: Matrix) {
        guard WeightDrop.isNeeded(shape) else { return nil }
        rate = shape.model.dropout.weights
        site = (shape.isReverse ? DropoutPlan.reverseWeightSite : DropoutPlan.weightSite) + shape.index
        self.weights = weights
        dropped = Buffer(count: weights.rows * weights.columns)
    }

    /// Call it after every change of the weights.
    func weightsChanged() { isCurrent = false }

    /// What a step's products multiply, [G, H]: without a step, all of U.
    /// - Returns: nil if that is what the last call returned.
    func weights(in context: StepContext?) -> Matrix? {
        if isCurrent, context == self.context { return nil }
        isCurrent = true
        self.context = context
        mask = context.map { Dropout(rate: rate, seed: $0.seed, step: $0.step) }
        guard let mask else { return weights }
        let result = Matrix(dropped.base, rows: weights.rows, columns: weights.columns)
        mask.apply(weights, into: result, site: site, batch: 1, firstStream: 0)
        return result
    }

    /// Multiplies `deltas` [T*B, G], which nothing else needs any more, by the factor 1 / (1 - p) of the gradient of U. Row by row, since
    /// a factor of the sum over rows would be rounded differently for each way to share out the rows.
    func scale(_ deltas: Matrix) {
        guard let mask else { return }
        for row in 0..<deltas.rows {
            let values = Row(deltas.row(row))
            for j in LaneBlocks(deltas.columns) { values[j] = values[j] * mask.scale }
        }
    }

    /// Clears what the step has dropped from the gradients of U, one [G, H] for each node of the sums.
    func clearDropped(of gradients: [Matrix]) {
        guard let mask else { return }
        for gradient in gradients { mask.withoutScale.apply(gradient, into: gradient, site: site, batch: 1, firstStream: 0) }
    }
}
