import Collectives
import Kernels
import Optimization
import Recurrent

/// One rank's part in a training step: the gradient of its streams, the sum over all ranks, the update. `TrainingStep`
/// makes the decisions, which are the same on all ranks.
protocol StepEngine: AnyObject {
    var parameters: Arena { get }
    var optimizer: Optimizer { get }
    /// Whether parameters exist more than once and must stay the same.
    var isReplicated: Bool { get }
    /// Whether this rank must fill in parameters and slots.
    var fillsParameters: Bool { get }

    /// The carried state of this rank's streams, as `Network.state`.
    var carriedState: [Buffer] { get }
    func resetState()
    /// Call after every change of the parameters.
    func packWeights() throws

    /// The loss of this rank's streams; the gradient of its sum is kept for `reduce`.
    func lossAndGradient(_ chunk: LocalChunk) throws -> LossSum
    /// Collective. Sums all ranks' gradients, each rank its part, and signals.
    /// - Returns: the same on every rank.
    func reduce(_ own: StepSignals, of chunk: LocalChunk) throws -> (signals: StepSignals, norm: GradientNorm)
    /// Collective. Updates the parameters; afterwards every rank sees all of them.
    func update(learningRate: Double, scale: Float, limit: Float?, update: Int) throws
    /// Called instead of `update`: discards the gradient. The carried state keeps the effect of the chunk.
    func discardGradient()
    /// Called instead of `update`: the first tensor of this rank's own gradient that is not finite. The sum has replaced the
    /// gradient, so it is computed once more.
    func nonFiniteTensor(of chunk: LocalChunk) throws -> String?
}

/// The chunk that a rank trains in a step.
struct LocalChunk {
    let inputs: UnsafePointer<Int32>  // [T, B]
    let targets: UnsafePointer<Int32>  // [T, B]
    let steps: Int  // T
    let context: StepContext
}

/// Computes all of the rank's streams at once, which is fastest. The last digits of the sum depend on the number of ranks.
final class StreamEngine: StepEngine {
    private let replica: Replica
    private let model: Network

    /// Collective. - Throws: `KernelError`, transport errors.
    init(_ options: TrainingOptions, communicator: any Communicator, streams: Range<Int>, clock: PhaseClock) throws {
        let steps = options.unroll.maximumLength
        replica = try Replica(
            options.model, rule: options.optimizer, tokens: steps * streams.count, exchange: options.exchange,
            communicator: communicator, clock: clock)
        model = try Network(
            options.model, parameters: replica.parameters, gradients: replica.gradients, batch: streams.count, steps: steps,
            firstStream: streams.lowerBound, clock: clock)
    }

    var parameters: Arena { replica.parameters }
    var optimizer: Optimizer { replica.optimizer }
    var isReplicated: Bool { replica.isReplicated }
    var fillsParameters: Bool { replica.fillsParameters }
    var carriedState: [Buffer] { model.state }

    func resetState() { model.resetState() }
    func packWeights() throws { try model.packWeights() }

    func lossAndGradient(_ chunk: LocalChunk) throws -> LossSum {
        try model.forward(chunk.inputs, steps: chunk.steps, context: chunk.context)
        return try model.lossAndBackward(chunk.targets, observer: replica.observer)
    }

    func reduce(_ own: StepSignals, of chunk: LocalChunk) throws -> (signals: StepSignals, norm: GradientNorm) {
        try replica.reduce(own, inputs: chunk.inputs, count: chunk.steps * model.batch)
    }

    func update(learningRate: Double, scale: Float, limit: Float?, update: Int) throws {
        try replica.update(learningRate: learningRate, scale: scale, limit: limit, update: update)
    }

    func discardGradient() { replica.clearTouchedRows() }

    func nonFiniteTensor(of chunk: LocalChunk) throws -> String? {
        replica.clearTouchedRows()
        model.rewind()
        try model.forward(chunk.inputs, steps: chunk.steps, context: chunk.context)
        _ = try model.lossAndBackward(chunk.targets)
        return GradientNorm(replica.gradients).nonFinite
    }
}
