import Collectives
import Kernels
import Optimization
import Recurrent

/// Computes the sum over all shards from the sums of the nodes that each rank has, along the tree. Each rank of a machine does
/// this for its own part of the parameters, in place, from shared memory.
///
/// Between machines, the sums of the largest nodes of each machine are sent to all others: with m machines of
/// neighbouring ranks, each receives about m times the gradient; a sum in arbitrary order would need twice the gradient. That is what
/// a fixed order costs.
final class NodeExchange {
    /// After `run`, `part` contains the sum over all shards; before, the sum of this rank's first node.
    let sum: Arena
    /// The range that this rank sums, measures and updates, in whole blocks.
    let part: Range<Int>

    /// The number of floats whose squares are summed as one block, so that the order is the same on all ranks.
    private static let blockLength = 4096
    /// The largest number of floats of each node that are sent at once; and of all nodes, which is 1 GiB.
    private static let pieceLength = 1 << 18
    private static let gatheredLength = 1 << 28

    private let machines: Machines
    private let layout: ParameterLayout
    private let memory: any SharedMemory
    private let ownNodes: Int
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
    private let blocks: [(tensor: Int, range: Range<Int>)]
    private let ownBlocks: Range<Int>
    private let squares: UnsafeMutableBufferPointer<Double>  // one of each block
    private let tensorSquares: UnsafeMutableBufferPointer<Double>

    /// Collective. - Throws: transport errors.
    init(_ plan: ShardPlan, layout: ParameterLayout, machines: Machines, communicator: any Communicator) throws {
        self.machines = machines
        self.layout = layout
        let all = 0..<plan.shards
        ownNodes = plan.nodes(of: communicator.rank).count
        let memory = try machines.here.shareMemory(ownNodes * layout.count)
        self.memory = memory
        let own = memory.part(of: machines.here.rank)
        sum = Arena(layout, in: Buffer(UnsafeMutableBufferPointer(rebasing: own[..<layout.count]), of: memory))

        // The ranks of each machine; they need not be consecutive.
        let numbers = try machines.here.allGather([communicator.rank])
        let hosted = try machines.across.allGather(numbers.flatMap { $0 })
        let here = hosted[machines.across.rank]
        sources = here.enumerated().flatMap { place, rank in
            (0..<plan.nodes(of: rank).count).map { UnsafePointer(memory.part(of: place).baseAddress! + $0 * layout.count) }
        }
        let given = here.flatMap(plan.nodes)
        let covers = hosted.map { ranks in
            let shards = Set(ranks.flatMap(plan.owned))
            return ShardTree.cover(of: all, shards.contains)
        }
        if machines.across.size == 1 {
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

        let blocks = layout.entries.enumerated().flatMap { tensor, entry in
            stride(from: entry.offset, to: entry.range.upperBound, by: NodeExchange.blockLength).map {
                (tensor: tensor, range: $0..<min($0 + NodeExchange.blockLength, entry.range.upperBound))
            }
        }
        self.blocks = blocks
        let cut = { rank in blocks.count * rank / machines.here.size }
        ownBlocks = cut(machines.here.rank)..<cut(machines.here.rank + 1)
        let start = { block in block < blocks.count ? blocks[block].range.lowerBound : layout.count }
        part = start(ownBlocks.lowerBound)..<start(ownBlocks.upperBound)
        squares = .allocate(capacity: blocks.count)
        squares.initialize(repeating: 0)
        tensorSquares = .allocate(capacity: layout.entries.count)
        tensorSquares.initialize(repeating: 0)
    }

    deinit {
        squares.deallocate()
        tensorSquares.deallocate()
    }

    /// The memory for the sum of this rank's node at that index.
    func node(_ place: Int) -> UnsafeMutablePointer<Float> { sum.buffer.base + place * layout.count }

    /// Collective among the machines; all of this machine's nodes must be complete.
    func run() throws {
        if machines.across.size == 1 {
            root.run(sources.map { $0 + part.lowerBound }, count: part.count, into: sum.buffer.base + part.lowerBound)
            return
        }
        let first = counts[..<machines.across.rank].reduce(0, +)
        let nodes = counts.reduce(0, +)
        for start in stride(from: part.lowerBound, to: part.upperBound, by: piece) {
            let count = min(piece, part.upperBound - start)
            for (place, node) in largest.enumerated() {
                node.run(sources.map { $0 + start }, count: count, into: gathered.base + (first + place) * count)
            }
            try machines.across.allGather(
                in: UnsafeMutableRawBufferPointer(start: gathered.base, count: nodes * count * 4), counts: counts, stride: count * 4)
            root.run((0..<nodes).map { UnsafePointer(gathered.base + $0 * count) }, count: count, into: sum.buffer.base + start)
        }
    }

    /// The squares of this rank's blocks; zero for others'.
    func measure() {
        squares.update(repeating: 0)
        for block in ownBlocks {
            let range = blocks[block].range
            squares[block] = sumOfSquares(sum.buffer.base + range.lowerBound, count: range.count)
        }
    }

    /// Collective among the ranks of a machine, after `measure`.
    func norm() throws -> GradientNorm {
        try machines.here.sum(squares)
        tensorSquares.update(repeating: 0)
        for (square, block) in zip(squares, blocks) { tensorSquares[block.tensor] += square }
        return GradientNorm(squares: tensorSquares, layout: layout)
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
