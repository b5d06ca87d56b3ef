import Collectives
import Kernels
import Optimization
import Recurrent

/// The same bytes for any number of ranks, on any machines: nothing that is computed has an order that depends on them.
///
/// All of a rank's streams run forward and backward together, since a row's results do not depend on the rows beside it.
/// Only where rows are added up, in the gradients of weights, biases and embedding, the S streams are K shards: each shard's
/// rows are one sum, and the shards are added up along one tree. A rank computes the nodes of the tree that lie within its
/// own shards (`GradientSums`); then each rank finishes its part of the tree from all ranks' nodes (`NodeExchange`). Losses
/// and squares are added in double precision in one order: each number comes from one rank, and the sum over ranks of it
/// and zeros is exact. docs/exactness.md has the promise and the cost.
final class ShardEngine: StepEngine {
    let parameters: Arena
    let optimizer: Optimizer

    private let plan: ShardPlan
    private let own: Range<Int>
    private let communicator: any Communicator
    private let machines: Machines
    private let clock: PhaseClock
    private let model: Network
    private let exchange: NodeExchange
    /// The losses of all shards, then tokens, stop and save.
    private let signals: UnsafeMutableBufferPointer<Double>

    /// Collective. - Throws: `ShardError`, `KernelError`, transport errors.
    init(_ options: TrainingOptions, shards: Int, communicator: any Communicator, clock: PhaseClock) throws {
        plan = try ShardPlan(streams: options.streams, shards: shards, ranks: communicator.size)
        self.communicator = communicator
        self.clock = clock
        own = plan.owned(by: communicator.rank)
        let layout = ParameterLayout(options.model)
        machines = try communicator.machines()
        try machines.requireArenas(
            1 + options.optimizer.name.slots.count,
            beside: plan.nodes(of: communicator.rank).count * NodeExchange.nodeLength(options.model), layout, communicator)
        parameters = try machines.sharedArena(layout)
        optimizer = Optimizer(
            options.optimizer, slots: try options.optimizer.name.slots.map { [machines] _ in try machines.sharedArena(layout) })
        let steps = options.unroll.maximumLength
        exchange = try NodeExchange(
            plan, options.model, tokens: steps * own.count * plan.width, machines: machines, communicator: communicator)
        let sums = try GradientSums(options.model, nodes: exchange.ownNodes, width: plan.width, steps: steps)
        model = try Network(
            options.model, parameters: parameters, sums: sums, batch: own.count * plan.width, steps: steps,
            firstStream: own.lowerBound * plan.width, clock: clock)
        signals = .allocate(capacity: shards + 3)
        signals.initialize(repeating: 0)
    }

    deinit { signals.deallocate() }

    var isReplicated: Bool { machines.across.size > 1 }
    var fillsParameters: Bool { machines.here.rank == 0 }
    var carriedState: [Buffer] { model.state }

    func resetState() { model.resetState() }
    func packWeights() throws { try model.packWeights() }

    func lossAndGradient(_ chunk: LocalChunk) throws -> LossSum {
        try model.forward(chunk.inputs, steps: chunk.steps, context: chunk.context)
        return try model.lossAndBackward(chunk.targets)
    }

    func reduce(_ own: StepSignals, of chunk: LocalChunk) throws -> (signals: StepSignals, norm: GradientNorm) {
        clock.enter(.exchange)
        exchange.publish(chunk.inputs, count: chunk.steps * model.batch)
        clock.enter(.wait)
        let total = try sum(own)
        clock.enter(.exchange)
        try exchange.run()
        clock.enter(.update)
        exchange.measure()
        clock.enter(.wait)
        let norm = try exchange.norm()
        clock.enter(.update)
        return (total, norm)
    }

    /// Also the place where ranks wait for each other's gradients.
    private func sum(_ own: StepSignals) throws -> StepSignals {
        let shards = plan.shards
        signals.update(repeating: 0)
        for (shard, loss) in zip(self.own, model.shardLosses) { signals[shard] = loss }
        signals[shards] = Double(own.loss.tokens)  // exact up to 2^53
        signals[shards + 1] = Double(own.stop)
        signals[shards + 2] = Double(own.save)
        try communicator.sum(signals)
        var total = StepSignals(loss: LossSum(total: signals[..<shards].reduce(0, +), tokens: Int(signals[shards])))
        total.stop = Int(signals[shards + 1])
        total.save = Int(signals[shards + 2])
        return total
    }

    func update(learningRate: Double, scale: Float, limit: Float?, update: Int) throws {
        let step = optimizer.step(learningRate: learningRate, scale: scale, limit: limit, update: update)
        exchange.forEachRangeToUpdate(skippingUntouched: optimizer.rule.leavesUntouchedAlone) {
            step.apply(to: parameters, gradients: exchange.sum, range: $0)
        }
        exchange.clearTouchedRows()
        clock.enter(.wait)
        try machines.here.barrier()
        clock.enter(.update)
    }

    func discardGradient() { exchange.clearTouchedRows() }

    func nonFiniteTensor(of chunk: LocalChunk) throws -> String? {
        exchange.clearTouchedRows()
        model.rewind()
        try model.forward(chunk.inputs, steps: chunk.steps, context: chunk.context)
        _ = try model.lossAndBackward(chunk.targets)
        return exchange.ownNodes.lazy.compactMap(\.nonFinite).first
    }
}

extension Machines {
    /// Collective among all ranks. Checks that there is memory for `arenas` shared arenas and for `own` floats of each rank.
    /// - Throws: `CollectiveFailure`, the same on all ranks; transport errors.
    func requireArenas(_ arenas: Int, beside own: Int, _ layout: ParameterLayout, _ communicator: any Communicator) throws {
        let (here, arenas) = (here, here.rank == 0 ? arenas * layout.count : 0)
        // If one machine has too little, the ranks of the others must stop as well.
        try communicator.together("sharing memory") { try here.requireSharedMemory(own + arenas) }
    }

    /// Collective among the ranks of a machine. Memory that exists once for all of them, initially zero.
    func sharedArena(_ layout: ParameterLayout) throws -> Arena {
        let memory = try here.shareMemory(here.rank == 0 ? layout.count : 0)
        return Arena(layout, in: Buffer(memory.part(of: 0), of: memory))
    }
}

extension GradientSums.Node {
    /// The first tensor that is not finite.
    fileprivate var nonFinite: String? {
        let tensor = GradientNorm(gradients).nonFinite
        // Kept apart from the arena with tied weights: an infinity there shows in the first tensor, which is the embedding.
        let apart = (0..<embedding.rows).contains { !sumOfSquares(embedding.row($0), count: embedding.columns).isFinite }
        return apart ? gradients.layout.embedding.name : tensor
    }
}
