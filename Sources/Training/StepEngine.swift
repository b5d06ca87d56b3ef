import Collectives
import Kernels
import Optimization
import Recurrent

/// One rank's part in a training step: the gradient of its streams, the sum over all ranks, the update. `TrainingStep`
/// makes the decisions, which are the same on all ranks.
final class StepEngine {
    let store: ParameterStore
    let model: Network
    private let exchange: any GradientExchange
    private let signals: SignalSum
    private let clock: PhaseClock

    /// Collective.
    /// - Parameter streams: those of this rank.
    /// - Throws: `KernelError`, `ShardError`, `CollectiveFailure`, transport errors.
    init(_ options: TrainingOptions, streams: Range<Int>, communicator: any Communicator, clock: PhaseClock) throws {
        if let shards = options.reproducibleShards {
            exchange = try ShardExchange(options, shards: shards, communicator: communicator, clock: clock)
        } else {
            exchange = try OverlappedExchange(options, streams: streams, communicator: communicator, clock: clock)
        }
        store = exchange.store
        let steps = options.unroll.maximumLength
        model = try Network(
            options.model, parameters: store.parameters, sums: try exchange.makeSums(steps: steps), batch: streams.count,
            steps: steps, firstStream: streams.lowerBound, clock: clock)
        signals = SignalSum(losses: options.reproducibleShards ?? 1, of: communicator)
        self.clock = clock
    }

    /// The loss of a batch; the gradient of its sum is kept for `reduce`.
    func lossAndGradient(_ batch: Batch, _ context: StepContext) throws -> LossSum {
        if batch.startsAfresh { model.resetState() }
        try model.forward(batch.inputs, steps: batch.steps, starts: batch.starts, context: context)
        return try model.lossAndBackward(batch.targets, observer: exchange.observer)
    }

    /// Collective. Sums all ranks' gradients, each rank its part, and signals.
    /// - Returns: the same on every rank.
    func reduce(_ own: StepSignals, of batch: Batch) throws -> (signals: StepSignals, norm: GradientNorm) {
        clock.enter(.exchange)
        exchange.publish(UnsafeBufferPointer(start: batch.inputs, count: batch.steps * model.batch), model.touchedByHead)
        try exchange.finishStarted()
        // Also the place where the ranks wait for one another's gradients.
        clock.enter(.wait)
        let total = try signals.sum(own, shardLosses: model.shardLosses)
        clock.enter(.exchange)
        try exchange.run()
        clock.enter(.update)
        exchange.measure()
        clock.enter(.wait)
        let norm = try exchange.norm()
        clock.enter(.update)
        return (total, norm)
    }

    /// Collective. Updates the parameters; afterwards every rank sees all of them.
    func update(learningRate: Double, scale: Float, limit: Float?, update: Int, iterates: Int) throws {
        try store.update(
            with: exchange.sum, learningRate: learningRate, scale: scale, limit: limit, update: update, iterates: iterates)
    }

    /// Called instead of `update`: discards the gradient. The carried state keeps the effect of the batch.
    func discardGradient() { store.clearSparse(of: exchange.sum) }

    /// Called instead of `update`: the first tensor of this rank's own gradient that is not finite. The sum has replaced the
    /// gradient, so it is computed once more.
    func nonFiniteTensor(of batch: Batch, _ context: StepContext) throws -> String? {
        discardGradient()
        model.rewind()
        try model.forward(batch.inputs, steps: batch.steps, starts: batch.starts, context: context)
        _ = try model.lossAndBackward(batch.targets)
        return exchange.nonFiniteTensor
    }
}
