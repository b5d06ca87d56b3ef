import Collectives
import Kernels
import Optimization
import Recurrent

/// Computes the sum over all shards from the sums of the nodes that each rank has, along the tree. Each rank of a machine does
/// this for its own part of the parameters, in place, from shared memory.
///
/// On one machine only those rows of the embedding are summed that a rank has read, and with untied weights measured and
/// updated: the others are zero, and adding them would change nothing.
///
/// Between machines, the sums of the largest nodes of each machine are sent to all others: with m machines of
/// neighbouring ranks, each receives about m times the gradient; a sum in arbitrary order would need twice the gradient. That is what
/// a fixed order costs.
final class NodeExchange {
    /// After `run`, in this rank's part: the sum over all shards. Before, the sum of this rank's first node.
    let sum: Arena
    /// Where this rank's gradients go, one for each node, with shards counted from its first.
    let ownNodes: [GradientSums.Node]

    /// The largest number of floats of each node that are sent at once; and of all nodes, which is 1 GiB.
    private static let pieceLength = 1 << 18
    private static let gatheredLength = 1 << 28

    private let machines: Machines
    private let memory: any SharedMemory
    /// The sums of the nodes of this machine's ranks.
    private let sources: [UnsafePointer<Float>]
    /// The sum of the whole tree, from `sources` or, with several machines, from `gathered`.
    private let root: TreeSum
    private let largest: [TreeSum]  // this machine's largest nodes
    /// The number of largest nodes of each machine.
    private let counts: [Int]
    /// Floats of each node that are sent at a time.
    private let piece: Int
    private let gathered: Buffer  // [all machines' largest nodes, piece]

    private let blocks: GradientBlocks
    private let ownBlocks: GradientBlocks.Share
    /// Nil between machines, where all rows of the embedding are summed.
    private let rows: TouchedRows?
    /// With tied weights: where the embedding's own gradient lies behind a node's arena, and room for sums of it.
    private let embeddingOffset: Int?
    private let embeddingSum: Buffer
    private let squares: UnsafeMutableBufferPointer<Double>  // one of each block
    private let tensorSquares: UnsafeMutableBufferPointer<Double>

    /// Collective.
    /// - Parameter tokens: the most that this rank reads in a step.
    /// - Throws: transport errors.
    init(
        _ plan: ShardPlan, _ model: ModelConfiguration, tokens: Int, machines: Machines, communicator: any Communicator
    ) throws {
        self.machines = machines
        let layout = ParameterLayout(model)
        let all = 0..<plan.shards
        let stride = NodeExchange.nodeLength(model)
        let shards = plan.owned(by: communicator.rank).lowerBound
        let nodes = plan.nodes(of: communicator.rank)
        let memory = try machines.here.shareMemory(nodes.count * stride)
        self.memory = memory
        let own = memory.part(of: machines.here.rank)
        embeddingOffset = model.tied ? layout.count : nil
        ownNodes = nodes.enumerated().map { place, node in
            let arena = UnsafeMutableBufferPointer(rebasing: own[place * stride..<place * stride + layout.count])
            return GradientSums.Node(
                shards: node.lowerBound - shards..<node.upperBound - shards, gradients: Arena(layout, in: Buffer(arena, of: memory)),
                embedding: model.tied
                    ? Matrix(own.baseAddress! + place * stride + layout.count, rows: model.vocabulary, columns: model.embedding) : nil)
        }
        sum = ownNodes[0].gradients

        // The ranks of each machine; they need not be consecutive.
        let numbers = try machines.here.allGather([communicator.rank])
        let hosted = try machines.across.allGather(numbers.flatMap { $0 })
        let here = hosted[machines.across.rank]
        sources = here.enumerated().flatMap { place, rank in
            (0..<plan.nodes(of: rank).count).map { UnsafePointer(memory.part(of: place).baseAddress! + $0 * stride) }
        }
        let given = here.flatMap(plan.nodes)
        let covers = hosted.map { ranks in
            let shards = Set(ranks.flatMap(plan.owned))
            return ShardTree.cover(of: all, shards.contains)
        }
        let isOneMachine = machines.across.size == 1
        if isOneMachine {
            root = TreeSum(of: all, from: given)
            largest = []
            counts = []
            piece = 0
            gathered = Buffer(count: 0)
        } else {
            root = TreeSum(of: all, from: covers.flatMap { $0 })
            largest = covers[machines.across.rank].map { TreeSum(of: $0, from: given) }
            counts = covers.map(\.count)
            let nodes = counts.reduce(0, +)
            piece = min(NodeExchange.pieceLength, layout.count, NodeExchange.gatheredLength / nodes)
            gathered = Buffer(count: nodes * piece)
        }
        let blocks = GradientBlocks(layout)
        let share = blocks.share(of: machines.here.rank, of: machines.here.size, isSparse: isOneMachine && !model.tied)
        let embedding = model.tied ? share.blocks.filter { $0 < blocks.embeddingBlocks } : share.embedding
        self.blocks = blocks
        ownBlocks = share
        rows =
            isOneMachine
            ? try TouchedRows(
                vocabulary: model.vocabulary, tokens: tokens, candidates: embedding.flatMap(blocks.rows).map { Int32($0) },
                machines: machines)
            : nil
        embeddingSum = Buffer(count: model.tied ? max(piece, model.embedding) : 0)
        squares = .allocate(capacity: blocks.all.count)
        squares.initialize(repeating: 0)
        tensorSquares = .allocate(capacity: layout.entries.count)
        tensorSquares.initialize(repeating: 0)
    }

    deinit {
        squares.deallocate()
        tensorSquares.deallocate()
    }

    /// Floats of a node's sums: the parameters, and with tied weights the embedding's share apart.
    static func nodeLength(_ model: ModelConfiguration) -> Int {
        ParameterLayout(model).count + (model.tied ? (model.vocabulary * model.embedding + 15) & ~15 : 0)
    }

    /// Tells the ranks of this machine what this one has read; they see it after the next collective call.
    func publish(_ tokens: UnsafePointer<Int32>, count: Int) { rows?.publish(tokens, count: count) }

    /// Collective among the machines; all of this machine's nodes must be complete.
    func run() throws {
        try rows?.collect()
        if machines.across.size == 1 {
            add(ownBlocks.range)
            if let rows { for row in rows.own { addRow(Int(row)) } }
        } else {
            try gather(ownBlocks.range.lowerBound, count: ownBlocks.range.count) { start, sum in
                root.run(sum.sources, count: sum.count, into: self.sum.buffer.base + ownBlocks.range.lowerBound + start)
            }
        }
        guard let embeddingOffset, machines.across.size > 1 else { return }
        let own = ownBlocks.range.clamped(to: blocks.embedding)
        let offset = embeddingOffset - blocks.embedding.lowerBound + own.lowerBound
        let target = sum.buffer.base + own.lowerBound
        try gather(offset, count: own.count) { start, sum in
            root.run(sum.sources, count: sum.count, into: embeddingSum.base)
            addUp(target + start, embeddingSum.base, into: target + start, count: sum.count)
        }
    }

    /// The sum of all nodes, which are here.
    private func add(_ range: Range<Int>) {
        root.run(sources.map { $0 + range.lowerBound }, count: range.count, into: sum.buffer.base + range.lowerBound)
    }

    /// A row of the embedding: with tied weights added to the output layer's share of the same row.
    private func addRow(_ row: Int) {
        let range = blocks.range(ofRow: row)
        guard let embeddingOffset else { return add(range) }
        let offset = embeddingOffset - blocks.embedding.lowerBound + range.lowerBound
        root.run(sources.map { $0 + offset }, count: range.count, into: embeddingSum.base)
        let target = sum.buffer.base + range.lowerBound
        addUp(target, embeddingSum.base, into: target, count: range.count)
    }

    /// Collective among the machines: piece by piece, the nodes of all, `count` floats from `offset` on.
    private func gather(
        _ offset: Int, count: Int, _ body: (_ start: Int, _ piece: (sources: [UnsafePointer<Float>], count: Int)) throws -> Void
    ) throws {
        let first = counts[..<machines.across.rank].reduce(0, +)
        let nodes = counts.reduce(0, +)
        for start in stride(from: 0, to: count, by: piece) {
            let length = min(piece, count - start)
            for (place, node) in largest.enumerated() {
                node.run(sources.map { $0 + offset + start }, count: length, into: gathered.base + (first + place) * length)
            }
            try machines.across.allGather(
                in: UnsafeMutableRawBufferPointer(start: gathered.base, count: nodes * length * 4), counts: counts, stride: length * 4)
            try body(start, (sources: (0..<nodes).map { UnsafePointer(gathered.base + $0 * length) }, count: length))
        }
    }

    /// The squares of this rank's blocks; zero for others'.
    func measure() {
        squares.update(repeating: 0)
        for block in ownBlocks.blocks { squares[block] = blocks.square(sum, block) }
        guard let rows, embeddingOffset == nil else { return }
        for row in rows.own { squares[blocks.block(ofRow: Int(row))] += blocks.square(sum, row: Int(row)) }
    }

    /// Collective among the ranks of a machine, after `measure`.
    func norm() throws -> GradientNorm {
        try machines.here.sum(squares)
        tensorSquares.update(repeating: 0)
        for (square, block) in zip(squares, blocks.all) { tensorSquares[block.tensor] += square }
        return GradientNorm(squares: tensorSquares, layout: sum.layout)
    }

    /// What this rank updates.
    /// - Parameter skippingUntouched: leave out rows of the embedding without a gradient.
    func forEachRangeToUpdate(skippingUntouched: Bool, _ body: (Range<Int>) -> Void) {
        body(ownBlocks.range)
        if let rows, skippingUntouched, embeddingOffset == nil {
            for row in rows.own { body(blocks.range(ofRow: Int(row))) }
        } else {
            for block in ownBlocks.embedding { body(blocks.all[block].range) }
        }
    }

    /// Where the sum was written over this rank's own gradient: of an untied embedding the model clears only rows that it has
    /// read itself.
    func clearTouchedRows() {
        if embeddingOffset != nil { return }
        func clear(_ range: Range<Int>) { (sum.buffer.base + range.lowerBound).update(repeating: 0, count: range.count) }
        if let rows {
            for row in rows.own { clear(blocks.range(ofRow: Int(row))) }
        } else {
            clear(ownBlocks.range.clamped(to: blocks.embedding))
        }
    }
}

extension Communicator {
    /// Collective. Every rank's numbers, by rank, on all ranks.
    fileprivate func allGather(_ numbers: [Int]) throws -> [[Int]] {
        try allGather(numbers.withUnsafeBytes { Array($0) }).map { bytes in
            bytes.withUnsafeBytes { bytes in
                stride(from: 0, to: bytes.count, by: MemoryLayout<Int>.stride).map {
                    bytes.loadUnaligned(fromByteOffset: $0, as: Int.self)
                }
            }
        }
    }
}
