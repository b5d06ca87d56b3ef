import Collectives
import Kernels
import Optimization
import Recurrent

/// Parameters, gradients and optimizer slots, and how the ranks use them in a step.
///
/// On each machine, parameters and slots exist once, in shared memory, as do the gradients of all its ranks. Each rank
/// sums, measures and updates its own part of them in place, in rank order. Between machines, ranks with the same part
/// all-reduce it, and each layer's share starts as soon as the backward pass has completed it. Of an untied embedding, only
/// the rows of the tokens read are summed, sent and updated.
final class Replica: BackwardObserver {
    let parameters: Arena
    /// This rank's own gradient; after `reduce`, this rank's part contains the sum over all ranks.
    let gradients: Arena
    let optimizer: Optimizer

    private let machines: Machines
    private let communicator: any Communicator
    private let clock: PhaseClock
    /// The gradients of the ranks on this machine.
    private let shared: any SharedMemory
    private let sources: UnsafeMutableBufferPointer<UnsafePointer<Float>>
    /// What this rank sums and updates in addition to rows of the embedding: its share of each part of `ParameterLayout.backwardOrder`;
    /// on one machine, a single range.
    private let ownRanges: [Range<Int>]
    private let plan: ExchangePlan
    /// Between machines: one sum for each of `ownRanges`, followed, without a tied embedding, by one for the touched rows.
    private var sums: [any PersistentSum] = []
    /// Nil if the embedding is tied, which gives all its rows a gradient.
    private let rows: TouchedRows?
    private let embedding: ParameterLayout.Entry
    /// This rank's share of an untied embedding that is nevertheless exchanged as a whole: it receives rows of other ranks' tokens,
    /// which the model does not clear.
    private let foreignRows: Range<Int>
    /// Adjacent touched rows, [rows, E], for the exchange between machines.
    private var packedRows = Buffer(count: 0)
    private let signals: UnsafeMutableBufferPointer<Double>
    private let squares: UnsafeMutableBufferPointer<Double>

    /// Collective.
    /// - Parameter tokens: the most that this rank reads in a step.
    /// - Throws: transport errors.
    init(
        _ model: ModelConfiguration, rule: OptimizerRule, tokens: Int, exchange: ExchangePlan,
        communicator: any Communicator, clock: PhaseClock
    ) throws {
        let layout = ParameterLayout(model)
        let machines = try communicator.machines()
        let here = machines.here
        self.communicator = communicator
        self.machines = machines
        self.clock = clock
        plan = exchange
        try machines.requireArenas(1 + rule.name.slots.count, beside: layout.count + tokens + 1, layout, communicator)
        shared = try here.shareMemory(layout.count)
        gradients = Arena(layout, in: Buffer(shared.part(of: here.rank), of: shared))
        parameters = try machines.sharedArena(layout)
        optimizer = Optimizer(rule, slots: try rule.name.slots.map { _ in try machines.sharedArena(layout) })
        sources = .allocate(capacity: here.size)
        for rank in 0..<here.size { sources.initializeElement(at: rank, to: UnsafePointer(shared.part(of: rank).baseAddress!)) }

        embedding = layout.embedding
        let sparse = embedding.hasSparseRows && exchange.sparse
        rows = sparse ? try TouchedRows(vocabulary: model.vocabulary, tokens: tokens, machines: machines) : nil
        var parts = layout.backwardOrder
        if sparse { parts.removeLast() }
        if machines.across.size == 1 { parts = [parts.last!.lowerBound..<layout.count] }
        // Full cache lines, so that no two ranks write to the same one.
        ownRanges = parts.map { part in
            let (first, lines) = (part.lowerBound / 16, part.count / 16)
            let cut = { rank in 16 * (first + lines * rank / here.size) }
            return cut(here.rank)..<cut(here.rank + 1)
        }

        if machines.across.size > 1 {
            sums = try ownRanges.map { try machines.across.makeSum(upTo: $0.count, wire: exchange.wire) }
            if sparse { sums.append(try machines.across.makeSum(upTo: 0, wire: exchange.wire)) }
        }

        foreignRows = sparse || !embedding.hasSparseRows ? 0..<0 : ownRanges.last!.clamped(to: embedding.range)

        signals = .allocate(capacity: 4)
        signals.initialize(repeating: 0)
        squares = .allocate(capacity: layout.entries.count)
        squares.initialize(repeating: 0)
    }

    deinit {
        sources.deallocate()
        signals.deallocate()
        squares.deallocate()
    }

    /// Whether parameters exist more than once, and must stay the same.
    var isReplicated: Bool { machines.across.size > 1 }

    /// Whether this rank is the one to fill in parameters and slots.
    var fillsParameters: Bool { machines.here.rank == 0 }

    // MARK: During the backward pass

    /// Nil if nothing can be done before the gradient is complete.
    var observer: (any BackwardObserver)? { machines.across.size > 1 && plan.overlap ? self : nil }

    func completed(_ part: Int) throws {
        guard part < ownRanges.count else { return }
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

    /// Sums a part of `ownRanges` on this machine, and starts sending it to the others.
    private func begin(_ part: Int) throws {
        addBlocks(ownRanges[part])
        if machines.across.size == 1 { return }
        try sums[part].begin(UnsafeMutableBufferPointer(start: gradients.buffer.base + ownRanges[part].lowerBound, count: ownRanges[part].count))
    }

    // MARK: After the backward pass

    /// Collective. Call when this rank's gradient is complete: sums all ranks' gradients, each rank its part, and signals.
    /// - Parameters:
    ///   - inputs: the tokens of this rank's chunk, `count` of them.
    /// - Returns: the same on every rank.
    func reduce(
        _ own: StepSignals, inputs: UnsafePointer<Int32>, count: Int
    ) throws -> (signals: StepSignals, norm: GradientNorm) {
        clock.enter(.exchange)
        rows?.publish(inputs, count: count)
        // Small messages would wait behind sums in progress that nobody advances.
        try machines.across.finish(sums)
        clock.enter(.wait)
        let total = try sum(own)
        clock.enter(.exchange)
        if observer == nil { for part in ownRanges.indices { try begin(part) } }
        try rows?.collect()
        try sumRows()
        clock.enter(.update)
        measure()
        clock.enter(.wait)
        try machines.here.sum(squares)
        clock.enter(.update)
        return (total, GradientNorm(squares: squares, layout: gradients.layout))
    }

    /// Also the place where the ranks wait for one another's gradients.
    private func sum(_ own: StepSignals) throws -> StepSignals {
        signals[0] = own.loss.total
        signals[1] = Double(own.loss.tokens)  // exact up to 2^53
        signals[2] = Double(own.stop)
        signals[3] = Double(own.save)
        try communicator.sum(signals)
        var total = StepSignals(loss: LossSum(total: signals[0], tokens: Int(signals[1])))
        total.stop = Int(signals[2])
        total.save = Int(signals[3])
        return total
    }

    /// `gradients = sum over this machine's ranks, in rank order`, in `range`.
    private func addBlocks(_ range: Range<Int>) {
        if sources.count == 1 { return }
        // Blocks of 16 KiB stay in the first cache while all ranks' gradients are added.
        for start in stride(from: range.lowerBound, to: range.upperBound, by: 4096) {
            let sums = gradients.buffer.base + start
            for (j, lanes) in LaneBlocks(min(4096, range.upperBound - start)) {
                var sum = sources[0].load(start + j)
                for source in 1..<sources.count { sum += sources[source].load(start + j) }
                sums.store(sum, j, lanes)
            }
        }
    }

    /// Sums the touched rows on this machine and then, as adjacent rows, between machines, together with the sums in progress.
    private func sumRows() throws {
        guard let rows else { return try machines.across.finish(sums) }
        for row in rows.own { addBlocks(range(ofRow: row)) }
        if machines.across.size == 1 { return }
        let width = embedding.shape[1]
        let needed = rows.own.count * width
        if packedRows.count < needed {
            packedRows = Buffer(count: needed + needed / 4)
            sums[ownRanges.count] = try machines.across.makeSum(upTo: packedRows.count, wire: plan.wire)
        }
        for (place, row) in rows.own.enumerated() {
            copy(gradients.buffer.base + range(ofRow: row).lowerBound, to: packedRows.base + place * width, count: width)
        }
        try sums[ownRanges.count].begin(UnsafeMutableBufferPointer(start: packedRows.base, count: needed))
        try machines.across.finish(sums)
        for (place, row) in rows.own.enumerated() {
            copy(packedRows.base + place * width, to: gradients.buffer.base + range(ofRow: row).lowerBound, count: width)
        }
    }

    /// The sum of squares of each tensor over this rank's part.
    private func measure() {
        squares.update(repeating: 0)
        for range in ownRanges { GradientNorm.addSquares(gradients, range: range, into: squares) }
        guard let rows else { return }
        for row in rows.own {
            let range = range(ofRow: row)
            squares[0] += sumOfSquares(gradients.buffer.base + range.lowerBound, count: range.count)
        }
    }

    /// Collective. Updates the parameters; afterwards every rank sees all of them.
    func update(learningRate: Double, scale: Float, limit: Float?, update: Int) throws {
        let step = optimizer.step(learningRate: learningRate, scale: scale, limit: limit, update: update)
        for range in ownRanges { step.apply(to: parameters, gradients: gradients, range: range) }
        if let rows, optimizer.rule.leavesUntouchedAlone {
            for row in rows.own { step.apply(to: parameters, gradients: gradients, range: range(ofRow: row)) }
        } else if rows != nil {
            for row in stride(from: machines.here.rank, to: embedding.shape[0], by: machines.here.size) {
                step.apply(to: parameters, gradients: gradients, range: range(ofRow: Int32(row)))
            }
        }
        clearTouchedRows()
        clock.enter(.wait)
        try machines.here.barrier()
        clock.enter(.update)
    }

    /// Clears the rows that other ranks touched, which this rank's next step must not see.
    func clearTouchedRows() {
        clear(foreignRows)
        if let rows { for row in rows.own { clear(range(ofRow: row)) } }
    }

    private func clear(_ range: Range<Int>) {
        (gradients.buffer.base + range.lowerBound).update(repeating: 0, count: range.count)
    }

    /// The floats of a row of the embedding in the arena.
    private func range(ofRow row: Int32) -> Range<Int> {
        let start = embedding.offset + Int(row) * embedding.shape[1]
        return start..<start + embedding.shape[1]
    }
}
