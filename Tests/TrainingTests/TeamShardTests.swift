import Collectives
import Corpus
import Optimization
import Recurrent
import Testing
import TestSupport
import Training

/// Units with `training.reproducible_shards`: the bytes of `streams` with these shards, for any number of machines and any teams.
@Suite struct TeamShardTests {
    /// Ranks, ranks per machine, ranks of a team (nil: all of the machine). Six shards: on one machine any number of ranks, and as many
    /// teams as divide six.
    static let placements: [(ranks: Int, perMachine: Int, team: Int?)] = [
        (1, 1, nil), (2, 2, nil), (3, 3, nil), (4, 4, nil),  // one machine
        (4, 2, nil), (6, 2, nil), (3, 1, nil), (3, 2, nil),  // two, three; where sizes differ, each rank is a machine
        (4, 4, 2), (6, 6, 2), (12, 6, 2), (6, 3, 1),  // teams smaller than a machine, and as large
    ]

    /// With dropout, random unroll lengths and an epoch's short last chunk.
    @Test(arguments: TeamTests.cells) func anyMachinesAndTeamsEndInTheBytesOfStreams(cell: Cell) throws {
        try withTemporaryFolder { folder in
            let streams = try trace(teamRun("\(folder)/streams", cell: cell, split: .streams, streams: 12, steps: 12, shards: 6), ranks: 2)
            #expect(streams.losses.count == 12 && streams.losses[11] < streams.losses[0])
            let usual = try trace(teamRun("\(folder)/usual", cell: cell, streams: 12, steps: 12), ranks: 2)
            #expect(usual.bytes != streams.bytes, "shards change nothing, so that equality shows nothing")
            for (index, placement) in Self.placements.enumerated() {
                var units = teamRun("\(folder)/\(index)", cell: cell, streams: 12, steps: 12, shards: 6)
                if let team = placement.team { units.options.exchange.team = .ranks(team) }
                let result = try trace(units, ranks: placement.ranks, perMachine: placement.perMachine)
                #expect(result == streams, "\(placement)")
            }
        }
    }

    @Test(arguments: TeamTests.variants.indices) func variantsToo(index: Int) throws {
        try withTemporaryFolder { folder in
            @Sendable func run(_ name: String, _ split: RankSplit) -> SmallRun {
                var run = teamRun("\(folder)/\(name)", split: split, streams: 12, steps: 8, shards: 4)
                TeamTests.variants[index].1(&run)
                return run
            }
            let streams = try trace(run("streams", .streams), ranks: 1)
            #expect(try trace(run("one", .units), ranks: 3) == streams, "\(TeamTests.variants[index].0)")
            #expect(try trace(run("two", .units), ranks: 4, perMachine: 2) == streams, "\(TeamTests.variants[index].0), two machines")
        }
    }

    /// Without dropout the lowest layer reads the distinct tokens of a chunk, and in the backward pass those of each shard.
    @Test(arguments: TeamTests.cells) func distinctTokensToo(cell: Cell) throws {
        try withTemporaryFolder { folder in
            @Sendable func run(_ name: String, _ split: RankSplit) -> SmallRun {
                var run = teamRun("\(folder)/\(name)", cell: cell, split: split, streams: 12, steps: 8, hidden: 83, shards: 4)
                run.options.model.dropout = DropoutRates(0)
                return run
            }
            let streams = try trace(run("streams", .streams), ranks: 1)
            #expect(try trace(run("units", .units), ranks: 3) == streams)
        }
    }

    /// Slices of whole cache lines, tied weights, and SGD, whose untouched rows stay as they are.
    @Test(arguments: [false, true]) func largerModelsToo(tied: Bool) throws {
        try withTemporaryFolder { folder in
            @Sendable func run(_ name: String, _ split: RankSplit) -> SmallRun {
                teamRun(
                    "\(folder)/\(name)", cell: .gru, split: split, streams: 12, steps: 4, optimizer: OptimizerRule(.sgd), tied: tied,
                    hidden: 203, shards: 12)
            }
            let streams = try trace(run("streams", .streams), ranks: 1)
            #expect(try trace(run("one", .units), ranks: 3) == streams)
            #expect(try trace(run("two", .units), ranks: 4, perMachine: 2) == streams)
        }
    }

    /// Logits in several blocks, of which each holds some shards: their sums wait for one another, in the order of the tree that
    /// ranks with two shards each leave to the exchange.
    @Test func largeVocabulariesToo() throws {
        try withTemporaryFolder { folder in
            @Sendable func run(_ name: String, _ split: RankSplit) -> SmallRun {
                var run = SmallRun(
                    vocabulary: 300_007, tokens: source.sample(300, seed: 1).map { $0 * 20_000 }, folder: "\(folder)/\(name)", streams: 6,
                    unroll: UnrollPlan(fixed: 20), steps: 2,
                    optimizer: OptimizerRule(.sgd), learningRate: 0.5, layers: 1, embedding: 3, hidden: 5)
                run.options.exchange.split = split
                run.options.reproducibleShards = 6
                return run
            }
            let streams = try trace(run("streams", .streams), ranks: 3)
            #expect(try trace(run("alone", .streams), ranks: 1) == streams)
            #expect(try trace(run("units", .units), ranks: 3) == streams)
        }
    }

    /// Saved by some ranks, on some machines, with one split, resumed by others with the other.
    @Test func anyoneCanResume() throws {
        try withTemporaryFolder { folder in
            @Sendable func run(_ name: String, _ split: RankSplit) -> SmallRun {
                teamRun("\(folder)/\(name)", split: split, streams: 12, shards: 6)
            }
            let whole = try trace(run("whole", .streams), ranks: 1)
            let recorder = Recorder()
            _ = try trace(run("parts", .units), ranks: 4, perMachine: 2, stopAfter: 7, recorder: recorder)
            _ = try trace(run("parts", .streams), ranks: 3, stopAfter: 5, resume: true, recorder: recorder)
            #expect(try trace(run("parts", .units), ranks: 5, resume: true, recorder: recorder) == whole)
        }
    }

    /// Five ranks have no equal shares of six shards, but a team of five has.
    @Test func autoSharesUnitsWhereShardsCannotBeSharedOut() throws {
        try withTemporaryFolder { folder in
            @Sendable func run(_ name: String, _ split: RankSplit) -> SmallRun {
                teamRun("\(folder)/\(name)", split: split, streams: 12, steps: 8, shards: 6)
            }
            let streams = try trace(run("streams", .streams), ranks: 1)
            #expect(try trace(run("auto", .auto), ranks: 5) == streams)
            #expect(throws: ShardError.unequalRanks(shards: 6, ranks: 5)) { try trace(run("refused", .streams), ranks: 5) }
            let error = #expect(throws: ShardError.self) { try trace(run("teams", .units), ranks: 8, perMachine: 2) }
            #expect(error == .unequalTeams(shards: 6, teams: 4))
        }
    }
}
