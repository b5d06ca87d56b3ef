import Collectives
import Kernels
import Optimization
import Recurrent

/// The sum whose bytes are the same for any number of ranks, in any teams, on any machines: nothing that is computed has an order
/// that depends on them.
///
/// All of a team's streams (a rank with streams of its own is a team) run forward and backward together, since a row's results do not depend on the rows beside it.
/// Only where rows are added up, in the gradients of weights, biases and embedding, the S streams are K shards: each shard's
/// rows are one sum, and the shards are added up along one tree. A team computes the nodes of the tree that lie within its
/// own shards (`GradientSums`); here each rank finishes its part of the tree from all teams' nodes, in place, from shared
/// memory. docs/exactness.md has the promise and the cost.
///
/// On one machine only those rows of the embedding are summed that a team has read, and with untied weights measured and
/// updated: the others are zero, and adding them would change nothing.
///
/// Between machines, the sums of the largest nodes of each machine are sent to all others: with m machines of
/// neighbouring ranks, each receives about m times the gradient; a sum in arbitrary order would need twice the gradient. That is what
/// a fixed order costs.
final class ShardExchange: GradientExchange {
    let store: ParameterStore
    /// After `run`, in this rank's part: the sum over all shards. Before, the sum of its team's first node.
    let sum: Arena

    /// The largest number of floats of each node that are sent at once; and of all nodes, which is 1 GiB.
    private static let pieceLength = 1 << 18
    private static let gatheredLength = 1 << 28

    private let plan: ShardPlan
    private let model: ModelConfiguration
    private let machines: MachineGroups
    private let isSpeaker: Bool
    /// Where this team's gradients go, one for each node, with shards counted from its first.
    private let ownNodes: [GradientSums.Node]
    /// The sums of the nodes of this machine's teams.
    private let sources: [UnsafePointer<Float>]
    /// The sum of the whole tree, from `sources` or, with several machines, from `gathered`.
    private let root: TreeSum
    private let largest: [TreeSum]  // this machine's largest nodes
    /// The number of largest nodes of each machine.
    private let counts: [Int]
    /// Floats of each node that are sent at a time.
    private let piece: Int
    private let gathered: Buffer  // [all machines' largest nodes, piece]
    /// Where the sums of each of them begin.
    private var gatheredNodes: [UnsafePointer<Float>]

    private let blocks: GradientBlocks
    private let ownBlocks: GradientBlocks.Share
    /// With tied weights, on one machine: the rows whose embedding gradient is summed apart. Nil between machines, where all are.
    private let tiedRows: TouchedRows?
    /// With tied weights: where the embedding's own gradient lies behind a node's arena, and room for sums of it.
    private let embeddingOffset: Int?
    private let embeddingSum: Buffer
    private let squares: UnsafeMutableBufferPointer<Double>  // one of each block
    private let tensorSquares: UnsafeMutableBufferPointer<Double>

    /// Collective.
    /// - Throws: `ShardError`, `CollectiveFailure`, transport errors.
    init(
        _ options: TrainingOptions, shards: Int, _ teams: TeamsHere, _ machines: MachineGroups, communicator: any Communicator,
        clock: PhaseClock
    ) throws {
        plan = try ShardPlan(
            streams: options.streams, shards: shards, ranks: teams.place.count * teams.place.size, teamSize: teams.place.size)
        model = options.model
        self.machines = machines
        isSpeaker = teams.isSpeaker
        let layout = ParameterLayout(model)
        let all = 0..<plan.shards
        let isOneMachine = machines.across.size == 1
        blocks = GradientBlocks(layout)
        ownBlocks = blocks.share(of: machines.here.rank, of: machines.here.size, isSparse: isOneMachine && !model.tied && layout.embedding.isSparse)
        let stride = ShardExchange.nodeLength(model)
        let nodes = plan.nodes(of: teams.place.number)
        let own = plan.owned(by: teams.place.number)
        let tokens = options.unroll.maximumLength * own.count * plan.width
        store = try ParameterStore(
            model, rule: options.optimizer, part: ownBlocks.part(of: blocks), gradients: isSpeaker ? nodes.count * stride : 0,
            listed: tokens, buffers: options.sharedBuffers(of: teams, here: machines.here, ranks: communicator.size),
            machines: machines, communicator: communicator, clock: clock)
        let memory = store.gradients
        let floats = memory.part(of: teams.own)
        embeddingOffset = model.tied ? layout.count : nil
        ownNodes = nodes.enumerated().map { [model] place, node in
            let arena = UnsafeMutableBufferPointer(rebasing: floats[place * stride..<place * stride + layout.count])
            return GradientSums.Node(
                shards: node.lowerBound - own.lowerBound..<node.upperBound - own.lowerBound,
                gradients: Arena(layout, in: Buffer(arena, of: memory)),
                embedding: model.tied
                    ? Matrix(floats.baseAddress! + place * stride + layout.count, rows: model.vocabulary, columns: model.embedding) : nil)
        }
        sum = ownNodes[0].gradients

        sources = zip(teams.first, teams.numbers).flatMap { [plan] place, team in
            (0..<plan.nodes(of: team).count).map { UnsafePointer(memory.part(of: place).baseAddress! + $0 * stride) }
        }
        let given = teams.numbers.flatMap(plan.nodes)
        // The teams of each machine; they need not be consecutive.
        let covers = try machines.across.allGather(numbers: teams.numbers).map { [plan] teams in
            let shards = Set(teams.flatMap(plan.owned))
            return ShardTree.cover(of: all, shards.contains)
        }
        if isOneMachine {
            root = TreeSum(of: all, from: given)
            largest = []
            counts = []
            piece = 0
            gathered = Buffer(count: 0)
            gatheredNodes = []
        } else {
            root = TreeSum(of: all, from: covers.flatMap { $0 })
            largest = covers[machines.across.rank].map { TreeSum(of: $0, from: given) }
            counts = covers.map(\.count)
            let nodes = counts.reduce(0, +)
            piece = min(ShardExchange.pieceLength, layout.count, ShardExchange.gatheredLength / nodes)
            gathered = Buffer(count: nodes * piece)
            gatheredNodes = Array(repeating: UnsafePointer(gathered.base), count: nodes)
        }
        tiedRows =
            model.tied && isOneMachine
            ? try TouchedRows(
                count: model.vocabulary, listed: tokens, candidates: ownBlocks.embeddingRows(of: blocks), machines: machines)
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

    func makeSums(steps: Int) throws -> GradientSums {
        try GradientSums(model, nodes: ownNodes, width: plan.width, steps: steps)
    }

    /// The tree is summed after the backward pass.
    var observer: (any BackwardObserver)? { nil }

    func finishStarted() {}

    var nonFiniteTensor: String? { isSpeaker ? ownNodes.lazy.compactMap(\.nonFinite).first : nil }

    /// Floats of a node's sums: the parameters, and with tied weights the embedding's share apart.
    private static func nodeLength(_ model: ModelConfiguration) -> Int {
        ParameterLayout(model).count + (model.tied ? Buffer.wholeLines(model.vocabulary * model.embedding) : 0)
    }

    /// The rows of the embedding that are summed one by one.
    private var rows: TouchedRows? { store.touched ?? tiedRows }

    /// The head's sparse parameters are summed as a whole.
    func publish(_ tokens: UnsafeBufferPointer<Int32>, _ others: UnsafeBufferPointer<Int32>) {
        let none = UnsafeBufferPointer<Int32>(start: nil, count: 0)
        rows?.publish(isSpeaker ? tokens : none, none)
    }

    func run() throws {
        try rows?.collect()
        if machines.across.size == 1 {
            add(ownBlocks.range)
            if let rows { for row in rows.own { addRow(Int(row)) } }
        } else {
            try gather(ownBlocks.range.lowerBound, count: ownBlocks.range.count) { start, count in
                root.run(gatheredNodes, from: 0, count: count, into: sum.buffer.base + ownBlocks.range.lowerBound + start)
            }
        }
        guard let embeddingOffset, machines.across.size > 1 else { return }
        let own = ownBlocks.range.clamped(to: blocks.embedding)
        let offset = embeddingOffset - blocks.embedding.lowerBound + own.lowerBound
        let target = sum.buffer.base + own.lowerBound
        try gather(offset, count: own.count) { start, count in
            root.run(gatheredNodes, from: 0, count: count, into: embeddingSum.base)
            Kernels.add(target + start, embeddingSum.base, into: target + start, count: count)
        }
    }

    /// The sum of all nodes, which are here.
    private func add(_ range: Range<Int>) {
        root.run(sources, from: range.lowerBound, count: range.count, into: sum.buffer.base + range.lowerBound)
    }

    /// A row of the embedding: with tied weights added to the output layer's share of the same row.
    private func addRow(_ row: Int) {
        let range = blocks.range(ofRow: row)
        guard let embeddingOffset else { return add(range) }
        let offset = embeddingOffset - blocks.embedding.lowerBound + range.lowerBound
        root.run(sources, from: offset, count: range.count, into: embeddingSum.base)
        let target = sum.buffer.base + range.lowerBound
        Kernels.add(target, embeddingSum.base, into: target, count: range.count)
    }

    /// Collective among the machines: piece by piece, the nodes of all, `count` floats from `offset` on.
    /// - Parameter body: gets a piece, which is in `gatheredNodes`.
    private func gather(_ offset: Int, count: Int, _ body: (_ start: Int, _ count: Int) throws -> Void) throws {
        let first = counts[..<machines.across.rank].reduce(0, +)
        let nodes = gatheredNodes.count
        for start in stride(from: 0, to: count, by: piece) {
            let length = min(piece, count - start)
            for (place, node) in largest.enumerated() {
                node.run(sources, from: offset + start, count: length, into: gathered.base + (first + place) * length)
            }
            try machines.across.allGather(
                in: UnsafeMutableRawBufferPointer(start: gathered.base, count: nodes * length * 4), counts: counts, stride: length * 4)
            for node in gatheredNodes.indices { gatheredNodes[node] = UnsafePointer(gathered.base + node * length) }
            try body(start, length)
        }
    }

    /// Blocks of other ranks count as zero.
    func measure() {
        squares.update(repeating: 0)
        for block in ownBlocks.blocks { squares[block] = blocks.square(sum, block) }
        guard let rows = store.touched else { return }
        for row in rows.own { squares[blocks.block(ofRow: Int(row))] += blocks.square(sum, row: Int(row)) }
    }

    func norm() throws -> GradientNorm {
        try machines.here.sum(squares)
        tensorSquares.update(repeating: 0)
        for (square, block) in zip(squares, blocks.all) { tensorSquares[block.tensor] += square }
        return GradientNorm(squares: tensorSquares, layout: sum.layout)
    }
}

extension GradientBlocks.Share {
    /// The rows of the embedding that are this rank's, ascending.
    fileprivate func embeddingRows(of blocks: GradientBlocks) -> [Int32] {
        (isSparse ? embedding : self.blocks.filter { $0 < blocks.embeddingBlocks }).flatMap(blocks.rows).map { Int32($0) }
    }

    fileprivate func part(of blocks: GradientBlocks) -> ParameterStore.Part {
        ParameterStore.Part(ranges: [range], blocks: isSparse ? embeddingRows(of: blocks) : nil)
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
