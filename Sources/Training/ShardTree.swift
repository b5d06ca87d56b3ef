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

/// The assignment of K shards with equal numbers of streams to n teams, of which each has K / n consecutive shards. A rank with streams
/// of its own is a team.
package struct ShardPlan: Sendable, Equatable {
    package let shards: Int
    package let teams: Int
    /// The number of streams in a shard.
    package let width: Int

    /// - Throws: `ShardError`.
    package init(streams: Int, shards: Int, ranks: Int, teamSize: Int = 1) throws {
        guard shards > 0, streams % shards == 0 else { throw ShardError.unequalShards(streams: streams, shards: shards) }
        teams = ranks / teamSize
        guard shards % teams == 0 else {
            throw teamSize == 1 ? ShardError.unequalRanks(shards: shards, ranks: ranks) : .unequalTeams(shards: shards, teams: teams)
        }
        self.shards = shards
        width = streams / shards
    }

    /// The shards of one team.
    func owned(by team: Int) -> Range<Int> { team * (shards / teams)..<(team + 1) * (shards / teams) }

    /// The nodes of the tree that one team sums alone.
    func nodes(of team: Int) -> [Range<Int>] { ShardTree.cover(of: 0..<shards, owned(by: team).contains) }

    /// The shards of each node of the team that has most nodes, and so most gradients of the whole model.
    var mostNodes: [Int] {
        (0..<teams).map { nodes(of: $0).map(\.count) }.max { $0.count < $1.count } ?? []
    }
}

/// Streams, shards, and ranks or teams that do not divide evenly.
package enum ShardError: DiagnosedError, Equatable {
    case unequalShards(streams: Int, shards: Int)
    case unequalRanks(shards: Int, ranks: Int)
    case unequalTeams(shards: Int, teams: Int)

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
                expected: shards == 1 ? "1 rank for 1 shard" : "\(divisors(of: shards)) ranks for \(shards) shards", found: "\(ranks)",
                remedy: "start \(shards == 1 ? "one rank" : "one of these numbers of ranks"), or start a new run with a multiple of \(ranks) shards")
        case .unequalTeams(let shards, let teams):
            Diagnosis(
                "the teams of ranks that share units cannot have equal numbers of shards", location: "training.reproducible_shards",
                expected: "\(divisors(of: shards)) teams for \(shards) shards", found: "\(teams)",
                remedy: "choose another exchange.team or number of machines, or start a new run with a multiple of \(teams) shards")
        }
    }
}
