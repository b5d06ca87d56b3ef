import Collectives
import Corpus
import Optimization
import Recurrent
import TestSupport
import Testing
import Training

/// `training.line_end`: state and gradient end with the line, whoever computes it and however often the run is interrupted.
@Suite struct LineEndTests {
    private static let tokens = source.sample(24 * 60 + 5, seed: 1)
    /// The most frequent token, so that lines are shorter than chunks.
    private static let lineEnd = (0..<Int32(13)).max { a, b in tokens.count { $0 == a } < tokens.count { $0 == b } }!

    /// 24 streams of 60 predictions, in chunks of random length, two epochs.
    private func run(_ folder: String, _ rule: LineEnd.Rule, cell: Cell = .lstm, shards: Int? = nil, random: Bool = true) -> SmallRun {
        var run = SmallRun(
            cell: cell, tokens: Self.tokens, validation: source.sample(400, seed: 2), folder: folder,
            streams: 24, unroll: random ? UnrollPlan(random: 7, seed: 1) : UnrollPlan(fixed: 7), steps: 20, dropout: 0.3,
            learningRate: 0.02)
        run.options.model.lineEnd = LineEnd(token: Self.lineEnd, rule: rule)
        run.options.reproducibleShards = shards
        return run
    }

    private func train(_ run: SmallRun, ranks: Int, perMachine: Int? = nil) throws -> (bytes: [String: [UInt8]], losses: [Double]) {
        let recorder = Recorder()
        _ = try withThreadRanks(ranks, ranksPerMachine: perMachine) { try run.train(on: $0, reporter: recorder) }
        return (try run.bytes(ofStep: 20), recorder.training.map(\.loss) + recorder.validation.map(\.loss))
    }

    @Test(arguments: Cell.allCases, [LineEnd.Rule.cut, .reset]) func ranksAgree(cell: Cell, rule: LineEnd.Rule) throws {
        try withTemporaryFolder { folder in
            let one = try train(run("\(folder)/1", rule, cell: cell), ranks: 1).losses
            for (ranks, perMachine) in [(3, 3), (4, 2)] {
                let many = try train(run("\(folder)/\(ranks)", rule, cell: cell), ranks: ranks, perMachine: perMachine).losses
                for (a, b) in zip(one, many) { #expect(abs(a - b) < 1e-4 * a) }
            }
            // Not what a run does that carries its state; with cut, the first chunk has the same losses.
            let carried = try train(run("\(folder)/carried", .carry, cell: cell), ranks: 1).losses
            #expect(carried[5] != one[5] && (carried[0] == one[0]) == (rule == .cut))
        }
    }

    @Test(arguments: Cell.allCases, [LineEnd.Rule.cut, .reset]) func shardsAreReproducible(cell: Cell, rule: LineEnd.Rule) throws {
        try withTemporaryFolder { folder in
            let one = try train(run("\(folder)/1", rule, cell: cell, shards: 12), ranks: 1)
            let many = try train(run("\(folder)/4", rule, cell: cell, shards: 12), ranks: 4, perMachine: 2)
            #expect(one.bytes == many.bytes && one.losses == many.losses)
        }
    }

    @Test(arguments: [LineEnd.Rule.cut, .reset], [false, true]) func resumedRunsEndInTheSameBytes(rule: LineEnd.Rule, random: Bool) throws {
        try withTemporaryFolder { folder in
            let whole = try train(run("\(folder)/whole", rule, random: random), ranks: 2).bytes
            for stop in [1, 5, 11] {
                let parted = run("\(folder)/\(stop)", rule, random: random)
                _ = try withThreadRanks(2) { try parted.train(on: $0, stopAfter: stop) }
                _ = try withThreadRanks(2) { try parted.train(on: $0, resume: true) }
                #expect(try parted.bytes(ofStep: 20) == whole)
            }
        }
    }
}
