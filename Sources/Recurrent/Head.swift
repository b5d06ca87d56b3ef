import Kernels

/// What stands at the top of a network: from the uppermost layer's output to a loss and its gradient, or to the probabilities of
/// what may come next. It owns its parameters' products and writes their gradients.
protocol Head: AnyObject {
    /// What a head of this model needs. `init` allocates just the plan's values.
    static func plan(_ model: ModelConfiguration, _ chunk: ChunkShape) -> LayerPlan

    /// - Parameter sums: where gradients go; nil for evaluation.
    /// - Throws: `KernelError`.
    init(_ model: ModelConfiguration, _ chunk: ChunkShape, parameters: Arena, sums: GradientSums?, clock: PhaseClock) throws

    /// Packs the weights; call after every change of the parameters.
    func packWeights() throws

    /// - Parameters:
    ///   - hidden: [N, H].
    ///   - targets: [N]; -1 where nothing is predicted.
    ///   - each: called with (row, nats) of every prediction, in order.
    func loss(_ hidden: Matrix, targets: UnsafePointer<Int32>, each: ((Int, Double) -> Void)?) throws -> LossSum

    /// The loss, dL/d(hidden) into `hiddenGradient` [N, H], and the gradients of the head's parameters (overwritten).
    /// - Parameters:
    ///   - context: the step, of which everything random is a function.
    ///   - each: as for `loss`; nil where gradients are summed by shards.
    func lossAndGradient(
        _ hidden: Matrix, targets: UnsafePointer<Int32>, hiddenGradient: Matrix, context: StepContext, each: ((Int, Double) -> Void)?
    ) throws -> LossSum

    /// The loss of each shard in the last `lossAndGradient`, nats; empty without shards.
    var shardLosses: [Double] { get }

    /// The blocks of its sparse parameters (`SparseRows`) that have a gradient in the last `lossAndGradient`; the others' is zero.
    var touched: UnsafeBufferPointer<Int32> { get }

    /// Logits [V] of one row [H]; valid until the next call.
    func logits(of hidden: UnsafeMutablePointer<Float>) throws -> UnsafeMutableBufferPointer<Float>
}

extension Head {
    var touched: UnsafeBufferPointer<Int32> { UnsafeBufferPointer(start: nil, count: 0) }
}

/// Negative log likelihood, summed over `tokens` predictions, in nats.
package struct LossSum: Sendable, Equatable {
    package var total: Double
    package var tokens: Int

    package init(total: Double = 0, tokens: Int = 0) {
        self.total = total
        self.tokens = tokens
    }

    package static func += (sum: inout LossSum, term: LossSum) {
        sum.total += term.total
        sum.tokens += term.tokens
    }

    /// Nats per token; 0 if nothing was scored.
    package var mean: Double { tokens == 0 ? 0 : total / Double(tokens) }
}
