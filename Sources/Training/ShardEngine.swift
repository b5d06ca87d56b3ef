import Collectives
import Kernels
import Optimization
import Recurrent

/// The same bytes for any number of ranks, on any machines: nothing that is computed has a shape or an order that depends
/// on them.
///
/// The S streams form K shards. A shard's gradient is always computed by itself, with the same shapes. Gradients are summed
/// along one tree (`ShardTree`): a rank sums the nodes within its own shards while it runs one shard after another, with
/// one model whose carried state is swapped; then each rank finishes its part of the sum from all ranks' nodes. Losses and
/// squares are added in double precision in one order: each number comes from one rank, and the sum over ranks of it and
/// zeros is exact. The embedding is summed as a whole. docs/exactness.md has the promise and the cost.
final class ShardEngine: StepEngine {
    let parameters: Arena
    let optimizer: Optimizer
    private(set) var carriedState: [Buffer]  // [B, H] each
    /// The state after the chunk; `update` makes it the carried one.
    private var nextState: [Buffer]

    private let plan: ShardPlan
    private let own: Range<Int>
    private let nodes: [Range<Int>]
    private let streams: Int  // B
    private let hidden: Int
    private let communicator: any Communicator
    private let machines: Machines
    private let clock: PhaseClock
    private let model: LanguageModel
    /// The gradient of the shard at work; with one shard a rank also its node's sum.
    private let gradients: Arena
    private let exchange: NodeExchange
    private let partialSums: [Buffer]
    private let inputs: UnsafeMutablePointer<Int32>  // [T, B/shards]
    private let targets: UnsafeMutablePointer<Int32>
    private var ownLosses: [LossSum]
    /// Losses of all shards, then tokens, stop and save.
    private let signals: UnsafeMutableBufferPointer<Double>

    /// Collective. - Throws: `ShardError`, `KernelError`, transport errors.
    init(_ options: TrainingOptions, shards: Int, communicator: any Communicator, clock: PhaseClock) throws {
        plan = try ShardPlan(streams: options.streams, shards: shards, ranks: communicator.size)
        self.communicator = communicator
        self.clock = clock
        own = plan.owned(by: communicator.rank)
        nodes = plan.nodes(of: communicator.rank)
        streams = own.count * plan.width
        hidden = options.model.hidden
        let layout = ParameterLayout(options.model)
        machines = try communicator.machines()
        try machines.requireArenas(
            1 + options.optimizer.name.slots.count, beside: nodes.count * layout.count, layout, communicator)
        parameters = try machines.sharedArena(layout)
        optimizer = Optimizer(
            options.optimizer, slots: try options.optimizer.name.slots.map { [machines] _ in try machines.sharedArena(layout) })
        exchange = try NodeExchange(plan, layout: layout, machines: machines, communicator: communicator)
        gradients = plan.isOneEach ? exchange.sum : Arena(layout)
        let steps = options.unroll.maximumLength
        model = try LanguageModel(
            options.model, parameters: parameters, gradients: gradients, batch: plan.width, steps: steps, clock: clock)
        partialSums = (0..<(nodes.map(ShardTree.partialSums).max() ?? 0)).map { _ in Buffer(count: layout.count) }
        let (rows, width) = (streams, hidden)
        carriedState = model.state.map { _ in Buffer(count: rows * width) }
        nextState = model.state.map { _ in Buffer(count: rows * width) }
        inputs = .allocate(capacity: steps * plan.width)
        targets = .allocate(capacity: steps * plan.width)
        ownLosses = Array(repeating: LossSum(), count: own.count)
        signals = .allocate(capacity: shards + 3)
        signals.initialize(repeating: 0)
    }

    deinit {
        inputs.deallocate()
        targets.deallocate()
        signals.deallocate()
    }

    var isReplicated: Bool { machines.across.size > 1 }
    var fillsParameters: Bool { machines.here.rank == 0 }

    func resetState() { for buffer in carriedState { buffer.fill(0) } }
    func packWeights() throws { try model.packWeights() }

    // MARK: This rank's shards

    func lossAndGradient(_ chunk: LocalChunk) throws -> LossSum {
        for (place, node) in nodes.enumerated() { try sum(node, of: chunk, into: exchange.node(place), level: 0) }
        return ownLosses.reduce(into: LossSum()) { $0 += $1 }
    }

    private func sum(
        _ node: Range<Int>, of chunk: LocalChunk, into sum: UnsafeMutablePointer<Float>, level: Int
    ) throws {
        let count = gradients.buffer.count
        if node.count == 1 {
            try run(node.lowerBound, of: chunk)
            clock.enter(.exchange)
            if sum != gradients.buffer.base { copy(gradients.buffer.base, to: sum, count: count) }
            return
        }
        let (left, right) = ShardTree.children(of: node)
        try self.sum(left, of: chunk, into: sum, level: level)
        if right.count == 1 {
            try run(right.lowerBound, of: chunk)
            clock.enter(.exchange)
            addUp(sum, gradients.buffer.base, into: sum, count: count)
        } else {
            let partial = partialSums[level]
            try self.sum(right, of: chunk, into: partial.base, level: level + 1)
            addUp(sum, partial.base, into: sum, count: count)
        }
    }

    /// Leaves the shard's gradient in `gradients`.
    private func run(_ shard: Int, of chunk: LocalChunk) throws {
        let width = plan.width
        let first = (shard - own.lowerBound) * width
        for t in 0..<chunk.steps {
            (inputs + t * width).update(from: chunk.inputs + t * streams + first, count: width)
            (targets + t * width).update(from: chunk.targets + t * streams + first, count: width)
        }
        for (buffer, all) in zip(model.state, carriedState) {
            copy(all.base + first * hidden, to: buffer.base, count: width * hidden)
        }
        model.firstStream = shard * width
        try model.forward(inputs, steps: chunk.steps, dropout: chunk.dropout)
        ownLosses[shard - own.lowerBound] = try model.lossAndBackward(targets)
        for (buffer, all) in zip(model.state, nextState) {
            copy(buffer.base, to: all.base + first * hidden, count: width * hidden)
        }
    }

    // MARK: All ranks

    func reduce(_ own: StepSignals, of chunk: LocalChunk) throws -> (signals: StepSignals, norm: GradientNorm) {
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

    /// Also the place where the ranks wait for one another's gradients.
    private func sum(_ own: StepSignals) throws -> StepSignals {
        let shards = plan.shards
        signals.update(repeating: 0)
        for (shard, loss) in zip(self.own, ownLosses) { signals[shard] = loss.total }
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
        optimizer.step(learningRate: learningRate, scale: scale, limit: limit, update: update)
            .apply(to: parameters, gradients: exchange.sum, range: exchange.part)
        swap(&carriedState, &nextState)
        clearForeignRows()
        clock.enter(.wait)
        try machines.here.barrier()
        clock.enter(.update)
    }

    func discardGradient() { clearForeignRows() }

    func nonFiniteTensor(of chunk: LocalChunk) throws -> String? {
        clearForeignRows()
        for shard in own {
            try run(shard, of: chunk)
            if let tensor = GradientNorm(gradients).nonFinite { return tensor }
        }
        return nil
    }

    /// Where the sum was written over the model's own gradient: of the embedding the model clears only rows that it has
    /// read itself.
    private func clearForeignRows() {
        guard plan.isOneEach, !model.configuration.tied else { return }
        let rows = gradients.layout.entries[0].range.clamped(to: exchange.part)
        (gradients.buffer.base + rows.lowerBound).update(repeating: 0, count: rows.count)
    }
}

extension Machines {
    /// Collective among all ranks. Shows that there is room for `arenas` shared arenas and, of each rank, `own` floats.
    /// - Throws: `CollectiveFailure` on all ranks alike; transport errors.
    func requireArenas(_ arenas: Int, beside own: Int, _ layout: ParameterLayout, _ communicator: any Communicator) throws {
        let (here, arenas) = (here, here.rank == 0 ? arenas * layout.count : 0)
        // One machine's want must not leave the others waiting for it.
        try communicator.together("sharing memory") { try here.requireSharedMemory(own + arenas) }
    }

    /// Collective among the ranks of a machine. Memory that exists once for all of them, zero at first.
    func sharedArena(_ layout: ParameterLayout) throws -> Arena {
        let memory = try here.shareMemory(here.rank == 0 ? layout.count : 0)
        return Arena(layout, in: Buffer(memory.part(of: 0), of: memory))
    }
}
