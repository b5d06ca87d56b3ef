import Collectives
import Kernels
import Optimization
import Recurrent

/// The sum in the order that is fastest: the last digits depend on the number of ranks.
///
/// The ranks of a machine add up their gradients, or those of their teams, in shared memory, in place and in order. Between machines, ranks with
/// the same part all-reduce it, and each layer's share starts as soon as the backward pass has completed it. Of sparse parameters
/// (`SparseRows`), only the blocks that the step has touched are summed and sent.
final class OverlappedExchange: GradientExchange, BackwardObserver {
    let store: ParameterStore
    /// This rank's own gradient; after `run`, in this rank's part, the sum over all ranks.
    let sum: Arena

    private let machines: MachineGroups
    private let clock: PhaseClock
    private let options: ExchangePlan
    /// B.
    private let batch: Int
    /// The gradients of the teams on this machine.
    private let sources: UnsafeMutableBufferPointer<UnsafePointer<Float>>
    /// Between machines: one sum for each range of this rank's part, followed, where touched blocks are summed, by one for them.
    private var sums: [any PersistentSum] = []
    /// The touched blocks side by side, for the exchange between machines.
    private var packedBlocks = Buffer(count: 0)
    private let squares: UnsafeMutableBufferPointer<Double>  // one of each tensor
    /// Of the only team.
    private let teamSquares: TeamSquares?
    /// Whether this rank says what its team has touched.
    private let isSpeaker: Bool

    /// Collective.
    /// - Parameters:
    ///   - streams: those of this rank, or of its team.
    ///   - teams: a team has one gradient, of which each of its ranks computes a part.
    /// - Throws: `CollectiveFailure`, transport errors.
    init(
        _ options: TrainingOptions, streams: Range<Int>, _ teams: TeamsHere, _ machines: MachineGroups, communicator: any Communicator,
        clock: PhaseClock
    ) throws {
        let model = options.model
        let layout = ParameterLayout(model)
        self.machines = machines
        self.clock = clock
        self.options = options.exchange
        batch = streams.count
        store = try ParameterStore(
            model, rule: options.optimizer, part: Self.part(layout, options.exchange, machines),
            gradients: teams.isSpeaker ? layout.count : 0, listed: Self.listed(options, streams: streams.count),
            buffers: options.sharedBuffers(of: teams, here: machines.here, ranks: communicator.size), machines: machines,
            communicator: communicator, clock: clock)
        let here = machines.here
        let memory = store.gradients
        sum = Arena(layout, in: Buffer(memory.part(of: teams.own), of: memory))
        sources = .allocate(capacity: teams.first.count)
        for (index, place) in teams.first.enumerated() {
            sources.initializeElement(at: index, to: UnsafePointer(memory.part(of: place).baseAddress!))
        }
        isSpeaker = teams.isSpeaker
        teamSquares = teams.place.count == 1 && here.size > 1 ? try TeamSquares(layout, of: here) : nil
        if machines.across.size > 1 {
            let lengths = store.part.ranges.map(\.count) + (store.touched == nil ? [] : [0])
            sums = try lengths.map { [machines] in try machines.across.makeSum(upTo: $0, wire: options.exchange.wire) }
        }
        squares = .allocate(capacity: layout.entries.count)
        squares.initialize(repeating: 0)
    }

    deinit {
        sources.deallocate()
        squares.deallocate()
    }

    /// This rank's share of each part of `ParameterLayout.backwardOrder`; on one machine, where nothing is sent, a single range.
    private static func part(
        _ layout: ParameterLayout, _ options: ExchangePlan, _ machines: MachineGroups
    ) -> ParameterStore.Part {
        let here = machines.here
        let isSparse = layout.sparseRows.count > 0 && options.sparse
        var parts = layout.backwardOrder.map { isSparse ? $0.dense : $0.range }
        if parts.last!.isEmpty || layout.embedding.isFrozen { parts.removeLast() }  // the embedding
        if machines.across.size == 1 { parts = [parts.last!.lowerBound..<parts[0].upperBound] }
        // Full cache lines, so that no two ranks write to the same one.
        let ranges = parts.map { part in
            let (first, lines) = (part.lowerBound / 16, part.count / 16)
            let cut = { rank in 16 * (first + lines * rank / here.size) }
            return cut(here.rank)..<cut(here.rank + 1)
        }
        // Every m-th of m ranks, since frequent tokens, which are touched most, have neighbouring ids.
        let blocks = stride(from: here.rank, to: layout.sparseRows.count, by: here.size).map { Int32($0) }
        return ParameterStore.Part(ranges: ranges, blocks: isSparse ? blocks : nil)
    }

    /// Blocks that a rank touches at most in a step.
    private static func listed(_ options: TrainingOptions, streams: Int) -> Int {
        let chunk = ChunkShape(steps: options.unroll.maximumLength, batch: streams, training: true)
        return options.model.plans(chunk).reduce(0) { $0 + $1.touched }
    }

    func makeSums(steps: Int) -> GradientSums { GradientSums(sum, batch: batch) }

    var nonFiniteTensor: String? { isSpeaker ? GradientNorm(sum).nonFinite : nil }

    // MARK: During the backward pass

    var observer: (any BackwardObserver)? { machines.across.size > 1 && options.overlap ? self : nil }

    func completed(_ part: Int) throws {
        guard part < store.part.ranges.count else { return }
        // Waits until the ranks of this machine have completed it too.
        clock.enter(.wait)
        try machines.here.barrier()
        clock.enter(.exchange)
        try begin(part)
    }

    func pause() throws {
        let phase = clock.phase
        clock.enter(.exchange)
        for sum in sums { _ = try sum.advance() }
        clock.enter(phase)
    }

    /// Sums one of this rank's ranges on this machine, and starts sending it to the others.
    private func begin(_ part: Int) throws {
        let range = store.part.ranges[part]
        addRanks(range)
        if machines.across.size == 1 { return }
        try sums[part].begin(UnsafeMutableBufferPointer(start: sum.buffer.base + range.lowerBound, count: range.count))
    }

    // MARK: After the backward pass

    func publish(_ tokens: UnsafeBufferPointer<Int32>, _ others: UnsafeBufferPointer<Int32>) {
        let none = UnsafeBufferPointer<Int32>(start: nil, count: 0)
        store.touched?.publish(isSpeaker ? tokens : none, isSpeaker ? others : none)
    }

    /// Small messages would wait behind sums in progress that nobody advances.
    func finishStarted() throws { try machines.across.finish(sums) }

    func run() throws {
        if observer == nil { for part in store.part.ranges.indices { try begin(part) } }
        guard let touched = store.touched else { return try machines.across.finish(sums) }
        try touched.collect()
        for block in touched.own { addRanks(store.range(of: block)) }
        if machines.across.size > 1 { try sumBetweenMachines(touched.own) }
    }

    /// `gradients = sum over this machine's ranks, in rank order`, in `range`.
    private func addRanks(_ range: Range<Int>) {
        if sources.count > 1 { add(sources, range, into: sum.buffer) }
    }

    /// Sums the touched blocks, side by side, together with the sums in progress.
    private func sumBetweenMachines(_ blocks: UnsafeMutableBufferPointer<Int32>) throws {
        let needed = blocks.reduce(0) { $0 + store.range(of: $1).count }
        let last = sums.count - 1
        if packedBlocks.count < needed {
            packedBlocks = Buffer(count: needed + needed / 4)
            sums[last] = try machines.across.makeSum(upTo: packedBlocks.count, wire: options.wire)
        }
        var packed = packedBlocks.base
        for block in blocks {
            let range = store.range(of: block)
            copy(sum.buffer.base + range.lowerBound, to: packed, count: range.count)
            packed += range.count
        }
        try sums[last].begin(UnsafeMutableBufferPointer(start: packedBlocks.base, count: needed))
        try machines.across.finish(sums)
        packed = packedBlocks.base
        for block in blocks {
            let range = store.range(of: block)
            copy(packed, to: sum.buffer.base + range.lowerBound, count: range.count)
            packed += range.count
        }
    }

    func measure() {
        if let teamSquares { return teamSquares.measure(sum, ranges: store.part.ranges, touched: store.touched) }
        squares.update(repeating: 0)
        for range in store.part.ranges { GradientNorm.addSquares(sum, range: range, into: squares) }
        for block in store.touched?.own ?? UnsafeMutableBufferPointer(start: nil, count: 0) {
            let range = store.range(of: block)
            squares[sum.layout.sparseRows.entry(of: Int(block))] += sumOfSquares(sum.buffer.base + range.lowerBound, count: range.count)
        }
    }

    func norm() throws -> GradientNorm {
        if let teamSquares { return try teamSquares.norm(touched: store.touched) }
        try machines.here.sum(squares)
        return GradientNorm(squares: squares, layout: sum.layout)
    }
}
