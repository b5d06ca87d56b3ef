import Diagnostics
import Kernels

/// The fixed binary tree along which the gradients of K shards are summed, whoever computes them (`SumTree`). A node is a
/// range of shards.
///
/// `sum(node) = sum(left) + sum(right)` down to single shards, so that a rank can sum the nodes that lie within its own
/// shards, and whoever has these sums can add them up further.
enum ShardTree {
    /// - Parameter node: of two shards or more.
    static func children(of node: Range<Int>) -> (left: Range<Int>, right: Range<Int>) {
        let middle = node.lowerBound + SumTree.leftLeaves(of: node.count)
        return (node.lowerBound..<middle, middle..<node.upperBound)
    }

    /// The largest nodes below or at `node` all of whose shards are `available`, from left to right.
    static func cover(of node: Range<Int>, _ available: (Int) -> Bool) -> [Range<Int>] {
        if node.allSatisfy(available) { return [node] }
        if node.count == 1 { return [] }
        let (left, right) = children(of: node)
        return cover(of: left, available) + cover(of: right, available)
    }
}

/// The assignment of K shards with equal numbers of streams to ranks: each has K / p consecutive shards.
package struct ShardPlan: Sendable, Equatable {
    package let shards: Int
    package let ranks: Int
    /// The number of streams in a shard.
    package let width: Int

    /// - Throws: `ShardError`.
    package init(streams: Int, shards: Int, ranks: Int) throws {
        guard shards > 0, streams % shards == 0 else { throw ShardError.unequalShards(streams: streams, shards: shards) }
        guard shards % ranks == 0 else { throw ShardError.unequalRanks(shards: shards, ranks: ranks) }
        self.shards = shards
        self.ranks = ranks
        width = streams / shards
    }

    /// The shards of one rank.
    func owned(by rank: Int) -> Range<Int> { rank * (shards / ranks)..<(rank + 1) * (shards / ranks) }

    /// The nodes of the tree that one rank sums alone.
    func nodes(of rank: Int) -> [Range<Int>] { ShardTree.cover(of: 0..<shards, owned(by: rank).contains) }

    /// The shards of each node of the rank that has most nodes, and so most gradients of the whole model.
    var mostNodes: [Int] {
        (0..<ranks).map { nodes(of: $0).map(\.count) }.max { $0.count < $1.count } ?? []
    }
}

/// Streams, shards and ranks that do not divide evenly.
package enum ShardError: DiagnosedError, Equatable {
    case unequalShards(streams: Int, shards: Int)
    case unequalRanks(shards: Int, ranks: Int)

    package var kind: FailureKind { .usage }

    package var diagnosis: Diagnosis {
        switch self {
        case .unequalShards(let streams, let shards):
            Diagnosis(
                "the streams cannot be cut into equal shards", location: "training.reproducible_shards",
                expected: "a divisor of training.streams \(streams): \(divisors(of: streams))", found: "\(shards)",
                remedy: "choose one of these, or other training.streams")
        case .unequalRanks(let shards, let ranks):
            Diagnosis(
                "the ranks cannot have equal numbers of shards", location: "training.reproducible_shards",
                expected: "\(divisors(of: shards)) ranks for \(shards) shards", found: "\(ranks)",
                remedy: "start one of these numbers of ranks, or start a new run with a multiple of \(ranks) shards")
        }
    }
}
