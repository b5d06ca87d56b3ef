import Collectives
import Corpus
import Kernels
import Optimization
import Recurrent
import Testing
import TestSupport
import Training

/// A small run whose ranks share units, or with `streams` one to compare it with.
func teamRun(
    _ folder: String, cell: Cell = .lstm, split: RankSplit = .units, streams: Int = 6, steps: Int = 25,
    optimizer: OptimizerRule = OptimizerRule(.adam), tied: Bool = false, hidden: Int = 11, shards: Int? = nil
) -> SmallRun {
    var run = SmallRun(
        cell: cell, tokens: source.sample(streams * 40 + 5, seed: 1), validation: source.sample(200, seed: 2), folder: folder,
        streams: streams, unroll: UnrollPlan(random: 5, seed: 1), steps: steps, dropout: 0.3, optimizer: optimizer,
        learningRate: optimizer.name == .sgd ? 0.5 : 0.02, schedule: .plateau(factor: 0.5, patience: 0), hidden: hidden,
        tied: tied)
    run.options.exchange.split = split
    run.options.reproducibleShards = shards
    return run
}

/// `exchange.split: units`: the ranks of a machine train the same streams together, and end in the bytes of one rank by itself.
@Suite struct TeamTests {
    static let cells: [Cell] = [.elman, .lstm, .gru, .gruResetAfter]

    /// With dropout, random unroll lengths, an epoch's short last chunk; more ranks than streams, ranks without units.
    @Test(arguments: cells, [OptimizerRule(.adam), OptimizerRule(.sgd)])
    func everyNumberOfRanksEndsInTheBytesOfOne(cell: Cell, rule: OptimizerRule) throws {
        try withTemporaryFolder { folder in
            let alone = try trace(teamRun("\(folder)/alone", cell: cell, split: .streams, optimizer: rule), ranks: 1)
            #expect(alone.losses.count == 25 && alone.validations.count > 1)
            #expect(alone.losses[24] < alone.losses[0] - 0.05, "training must change the loss, or equality shows nothing")
            for ranks in [1, 2, 3, 4, 6] {
                #expect(try trace(teamRun("\(folder)/\(ranks)", cell: cell, optimizer: rule), ranks: ranks) == alone, "\(ranks) ranks")
            }
        }
    }

    /// Also those at the end of an epoch, where a rank that has given all it has begins the next one, from the zero state, while rank 0
    /// still collects the state of the last step.
    @Test func everyCheckpointHasTheBytesOfOneRank() throws {
        try withTemporaryFolder { folder in
            func run(_ name: String) -> SmallRun {
                var run = teamRun("\(folder)/\(name)")
                run.options.checkpoints = .init(everySteps: 1, everyMinutes: 0, keep: 30)
                return run
            }
            let (alone, together) = (run("alone"), run("together"))
            #expect(try trace(alone, ranks: 1).validations.count > 1, "epochs")
            _ = try trace(together, ranks: 3, lateRoot: true)
            for step in 1...25 { #expect(try together.bytes(ofStep: step) == alone.bytes(ofStep: step), "step \(step)") }
        }
    }

    static let variants: [(String, @Sendable (inout SmallRun) -> Void)] = [
        ("peepholes", { $0.options.model.peepholes = .diagonal }),
        ("missing gate", { $0.options.model.gates = [.input, .output] }),
        ("lines are cut", { $0.options.model.lineEnd = LineEnd(token: 2, rule: .cut) }),
        ("lines reset the state", { $0.options.model.lineEnd = LineEnd(token: 2, rule: .reset) }),
        ("locked dropout", { $0.options.model.dropout.isLocked = true }),
        ("no dropout: distinct tokens", { $0.options.model.dropout = DropoutRates(0) }),
        ("distinct tokens, words are dropped, lines reset the state", {
            $0.options.model.dropout.input = 0
            $0.options.model.dropout.embedding = 0.3
            $0.options.model.lineEnd = LineEnd(token: 2, rule: .reset)
        }),
        ("words are dropped", { $0.options.model.dropout.embedding = 0.3 }),
        ("penalties", { $0.options.model.penalties.activation = 1; $0.options.model.penalties.slowness = 2 }),
        ("the whole embedding", { $0.options.exchange.sparse = false }),
        ("no clipping", { $0.options.clip = .none }),
    ]

    @Test(arguments: variants.indices, [2, 3]) func variantsToo(index: Int, ranks: Int) throws {
        try withTemporaryFolder { folder in
            var (alone, team) = (teamRun("\(folder)/alone", split: .streams), teamRun("\(folder)/team"))
            Self.variants[index].1(&alone)
            Self.variants[index].1(&team)
            let (many, one) = (try trace(team, ranks: ranks), try trace(alone, ranks: 1))
            #expect(many == one, "\(Self.variants[index].0)")
        }
    }

    /// Every cell computes with the distinct tokens of a chunk where no dropout is below it.
    @Test(arguments: cells) func distinctTokensToo(cell: Cell) throws {
        try withTemporaryFolder { folder in
            var (alone, team) = (teamRun("\(folder)/alone", cell: cell, split: .streams, steps: 8), teamRun("\(folder)/team", cell: cell, steps: 8))
            alone.options.model.dropout = DropoutRates(0)
            team.options.model.dropout = DropoutRates(0)
            let (many, one) = (try trace(team, ranks: 4), try trace(alone, ranks: 1))
            #expect(many == one)
        }
    }

    /// Slices of whole cache lines, tied weights, blocks of squares of which each rank has some.
    @Test(arguments: [2, 3]) func largerModelsToo(ranks: Int) throws {
        try withTemporaryFolder { folder in
            let alone = try trace(teamRun("\(folder)/alone", cell: .gru, split: .streams, steps: 4, tied: true, hidden: 203), ranks: 1)
            #expect(try trace(teamRun("\(folder)/team", cell: .gru, steps: 4, tied: true, hidden: 203), ranks: ranks) == alone)
        }
    }

    /// One stream, which other ranks could not have.
    @Test func moreRanksThanStreams() throws {
        try withTemporaryFolder { folder in
            let alone = try trace(teamRun("\(folder)/alone", split: .streams, streams: 1), ranks: 1)
            #expect(try trace(teamRun("\(folder)/team", streams: 1), ranks: 3) == alone)
            #expect(try trace(teamRun("\(folder)/auto", split: .auto, streams: 1), ranks: 3) == alone)
            #expect(throws: (any Error).self) { try trace(teamRun("\(folder)/streams", split: .streams, streams: 1), ranks: 3) }
        }
    }

    /// Saved by p ranks, resumed by q, also with the other split on one rank.
    @Test(arguments: [(1, 6), (6, 1), (3, 4)]) func anyNumberOfRanksCanResume(ranks: (Int, Int)) throws {
        try withTemporaryFolder { folder in
            let whole = try trace(teamRun("\(folder)/whole", split: .streams), ranks: 1)
            let recorder = Recorder()
            let parts = teamRun("\(folder)/parts")
            _ = try trace(parts, ranks: ranks.0, stopAfter: 9, recorder: recorder)
            #expect(try trace(parts, ranks: ranks.1, resume: true, recorder: recorder) == whole)
        }
    }

    /// Between machines gradients are summed as those of ranks with streams of their own.
    @Test func machinesShareStreams() throws {
        try withTemporaryFolder { folder in
            let streams = try trace(teamRun("\(folder)/streams", split: .streams, steps: 10), ranks: 2, perMachine: 1)
            for ranks in [2, 4, 6] {
                let teams = try trace(teamRun("\(folder)/\(ranks)", steps: 10), ranks: ranks, perMachine: ranks / 2)
                #expect(teams.losses.count == 10)
                for (a, b) in zip(teams.losses + teams.norms, streams.losses + streams.norms) { #expect(abs(a - b) < 1e-5 * b) }
            }
        }
    }

    static let unshared: [(String, @Sendable (inout SmallRun) -> Void)] = [
        ("model.cell", { $0.options.model.cell = .window }),
        ("model.normalization", { $0.options.model.normalization = .layer }),
        ("model.weight_drop", { $0.options.model.dropout.weights = 0.5 }),
        ("model.connections", { $0.options.model.connections = .dense }),
        ("model.softmax.name", { $0.options.model.softmax = .adaptive(.small); $0.options.model.vocabulary = 45 }),
        ("model.softmax.name", { $0.options.model.softmax = .sampled(.small); $0.options.model.vocabulary = 45 }),
        ("training.batching", { $0.options.model.readsSequences = true }),
    ]

    @Test(arguments: unshared.indices) func whatCannotBeSharedIsRefusedWithTheReason(index: Int) throws {
        let (setting, change) = Self.unshared[index]
        var changed = teamRun("")
        change(&changed)
        var options = changed.options
        let error = #expect(throws: SplitError.self) { try options.decideSplit(SingleRank()) }
        #expect("\(error!)".hasPrefix("exchange.split: ranks cannot share hidden units with this \(setting); "), "\(error!)")
        options.exchange.split = .auto
        try options.decideSplit(SingleRank())
        #expect(options.teamSize == 1)
    }
}
