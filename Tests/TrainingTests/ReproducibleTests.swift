import Checkpoints
import Collectives
import Corpus
import Foundation
import Inference
import Kernels
import Optimization
import Recurrent
import Testing
import TestSupport
import Training

/// `training.reproducible_shards`: the same bytes whatever the number of ranks and wherever they are.
@Suite struct ReproducibleTests {
    private static let shards = 12

    private func run(
        _ folder: String, cell: Cell = .lstm, tokens: [Int32], streams: Int = 24, steps: Int = 40,
        optimizer: OptimizerRule = OptimizerRule(.adam), tied: Bool = false, shards: Int? = shards
    ) -> SmallRun {
        // Two epochs of 60 predictions; the plateau schedule follows from validations, whose 11 streams no rank count divides.
        var run = SmallRun(
            cell: cell, tokens: tokens, validation: source.sample(400, seed: 2), folder: folder, streams: streams,
            unroll: UnrollPlan(random: 7, seed: 1), steps: steps, dropout: 0.3, optimizer: optimizer,
            learningRate: optimizer.name == .sgd ? 0.5 : 0.02, schedule: .plateau(factor: 0.5, patience: 0), tied: tied)
        run.options.validation.streams = 11
        run.options.reproducibleShards = shards
        return run
    }

    /// 200 steps: with dropout, a random unroll length and an epoch's short last chunk.
    @Test(arguments: Cell.allCases, [OptimizerRule(.adam), OptimizerRule(.sgd)])
    func everyNumberOfRanksEndsInTheSameBytes(cell: Cell, rule: OptimizerRule) throws {
        let tokens = source.sample(24 * 60 + 5, seed: 1)
        try withTemporaryFolder { folder in
            let traces = try [1, 2, 3, 4, 6].map {
                try trace(run("\(folder)/\($0)", cell: cell, tokens: tokens, steps: 200, optimizer: rule), ranks: $0)
            }
            #expect(traces[0].losses.count == 200 && traces[0].validations.count > 10)
            #expect(traces[0].losses[199] < traces[0].losses[0] - 0.3, "training must change the loss, or equality shows nothing")
            for other in traces.dropFirst() { #expect(other == traces[0]) }
        }
    }

    /// The steps are those of the default mode, up to rounding.
    @Test(arguments: Cell.allCases, [false, true]) func theStepsAreTheUsualOnes(cell: Cell, tied: Bool) throws {
        let tokens = source.sample(24 * 60 + 5, seed: 1)
        try withTemporaryFolder { folder in
            let exact = try trace(run("\(folder)/a", cell: cell, tokens: tokens, tied: tied), ranks: 3)
            let usual = try trace(run("\(folder)/b", cell: cell, tokens: tokens, tied: tied, shards: nil), ranks: 3)
            #expect(exact.losses.count == 40 && exact.losses.count == usual.losses.count)
            for (a, b) in zip(exact.losses + exact.norms + exact.validations, usual.losses + usual.norms + usual.validations) {
                #expect(abs(a - b) < 1e-4 * b)
            }
            #expect(exact.bytes != usual.bytes, "no rounding differs, so these tests could not fail")
        }
    }

    static let placements: [(ranks: Int, perMachine: Int)] = [(12, 12), (2, 1), (4, 2), (4, 1), (6, 3), (6, 2), (12, 4), (3, 2), (6, 4)]

    /// Ranks on one machine, on several, on machines of different sizes; one shard or several for each.
    @Test(arguments: placements, [false, true]) func machinesChangeNothing(
        placement: (ranks: Int, perMachine: Int), tied: Bool
    ) throws {
        // Rows of the embedding that are touched in some steps only, and some never.
        let tokens = source.sample(24 * 60 + 5, seed: 1).enumerated().map { $1 * 3 + Int32($0 / 97 % 3) }
        try withTemporaryFolder { folder in
            @Sendable func run(_ name: String) -> SmallRun {
                var run = SmallRun(
                    vocabulary: 45, tokens: tokens, folder: "\(folder)/\(name)", streams: 24, steps: 30, dropout: 0.2,
                    optimizer: OptimizerRule(.adamw, weightDecay: 0.01), learningRate: 0.02, tied: tied)
                run.options.reproducibleShards = Self.shards
                return run
            }
            let one = try trace(run("one"), ranks: 1)
            let many = try trace(run("many"), ranks: placement.ranks, perMachine: placement.perMachine)
            #expect(many == one)
        }
    }

    /// The rows of a tail are different ones in every step, and none in some.
    @Test(arguments: [(2, 2), (6, 6), (4, 1), (6, 3)], [Softmax.adaptive(.small), .sampled(.small)])
    func softmaxesOfSomeRowsToo(placement: (ranks: Int, perMachine: Int), softmax: Softmax) throws {
        for (rule, tied) in [(OptimizerRule(.sgd), false), (OptimizerRule(.adamw, weightDecay: 0.01), softmax.canBeTied)] {
            try rows(placement, softmax, rule, tied: tied)
        }
    }

    private func rows(_ placement: (ranks: Int, perMachine: Int), _ softmax: Softmax, _ rule: OptimizerRule, tied: Bool) throws {
        let tokens = source.sample(24 * 60 + 5, seed: 1).enumerated().map { $1 * 3 + Int32($0 / 97 % 3) }
        try withTemporaryFolder { folder in
            @Sendable func run(_ name: String) -> SmallRun {
                var run = SmallRun(
                    vocabulary: 45, tokens: tokens, validation: tokens.suffix(300), folder: "\(folder)/\(name)", streams: 24,
                    unroll: UnrollPlan(random: 3, seed: 1), steps: 30, dropout: 0.2, optimizer: rule,
                    learningRate: rule.name == .sgd ? 0.5 : 0.02, tied: tied)
                run.options.model.softmax = softmax
                run.options.reproducibleShards = Self.shards
                return run
            }
            let one = try trace(run("one"), ranks: 1)
            #expect(one.losses.last! < one.losses[0] - 0.2)
            #expect(try trace(run("many"), ranks: placement.ranks, perMachine: placement.perMachine) == one)
        }
    }

    /// More than is sent at a time, and than one part's blocks: 408,000 parameters.
    @Test(arguments: [(4, 1), (4, 2), (2, 2), (6, 6)]) func largeModelsToo(ranks: Int, perMachine: Int) throws {
        let tokens = source.sample(24 * 20, seed: 1).enumerated().map { $1 * 200 + Int32($0 % 200) }
        try withTemporaryFolder { folder in
            @Sendable func run(_ name: String) -> SmallRun {
                var run = SmallRun(
                    vocabulary: 2600, tokens: tokens, folder: "\(folder)/\(name)", streams: 24, steps: 4, embedding: 75, hidden: 76)
                run.options.reproducibleShards = Self.shards
                return run
            }
            let one = try trace(run("one"), ranks: 1)
            #expect(try trace(run("many"), ranks: ranks, perMachine: perMachine) == one)
        }
    }

    /// The lowest layer computes with the distinct tokens of a rank's chunk, and in the backward pass with those of each shard, where
    /// enough are repeated: of six tokens in most shards, of 45 in few.
    @Test(arguments: [Cell.lstm, .gru], [6, 45]) func withoutDropoutToo(cell: Cell, vocabulary: Int32) throws {
        let tokens = source.sample(24 * 60 + 5, seed: 1).map { $0 % vocabulary }
        try withTemporaryFolder { folder in
            let traces = try [1, 3, 12].map { ranks in
                var run = run("\(folder)/\(ranks)", cell: cell, tokens: tokens, steps: 10)
                run.options.model.dropout = DropoutRates(0)
                return try trace(run, ranks: ranks)
            }
            #expect(traces[0].losses.count == 10 && traces[1] == traces[0] && traces[2] == traces[0])
        }
    }

    /// Saved by p ranks, resumed by q, in the midst of an epoch and at its end (the ninth step).
    @Test(arguments: [(1, 6), (6, 1), (3, 4), (4, 2)], [5, 9]) func anyNumberOfRanksCanResume(ranks: (Int, Int), stop: Int) throws {
        let tokens = source.sample(24 * 60 + 5, seed: 1)
        try withTemporaryFolder { folder in
            let whole = try trace(run("\(folder)/whole", tokens: tokens), ranks: 2)
            let recorder = Recorder()
            let parts = run("\(folder)/parts", tokens: tokens)
            _ = try trace(parts, ranks: ranks.0, stopAfter: stop, recorder: recorder)
            #expect(try trace(parts, ranks: ranks.1, resume: true, recorder: recorder) == whole)
        }
    }

    /// The memory that `train` announces is what it takes: here without what ranks share. A large vocabulary has several
    /// blocks of logits, whose sums wait for one another.
    @Test(arguments: [500, 40_000], [false, true]) func memoryIsKnown(vocabulary: Int, tied: Bool) throws {
        var options = run("", tokens: []).options
        options.unroll = UnrollPlan(fixed: 35)
        options.model.hidden = [200, 200]
        options.model.embedding = tied ? 200 : options.model.embedding
        options.model.vocabulary = vocabulary
        options.model.tied = tied
        let shared = 4  // parameters, two slots, the only node's sum
        let formula = try #require(options.memory(ranks: 1))
        let tally = Buffer.Tally()
        try Buffer.$tally.withValue(tally) {
            _ = try TrainingStep(options, communicator: SingleRank(), streams: 0..<24)
            _ = try Evaluator(
                RecurrentPredictor(options.model, parameters: Arena(ParameterLayout(options.model))),
                tokens: TokenStore(source.sample(400, seed: 2)), streams: 11, communicator: SingleRank())
        }
        let gradient = ParameterLayout(options.model).count * 4
        let allocated = tally.bytes + (shared - 1) * gradient + (tied ? vocabulary * 200 * 4 : 0)  // the evaluator's parameters were counted
        #expect(abs(Double(allocated) / Double(formula) - 1) < 0.05, "formula \(formula), allocated \(allocated)")
    }

    @Test func whatDoesNotDivideIsRefused() throws {
        #expect(throws: ShardError.unequalShards(streams: 24, shards: 5)) { try ShardPlan(streams: 24, shards: 5, ranks: 1) }
        let error = #expect(throws: ShardError.self) { try ShardPlan(streams: 24, shards: 12, ranks: 5) }
        #expect(error == .unequalRanks(shards: 12, ranks: 5))
        #expect(
            "\(error!)"
                == "training.reproducible_shards: the ranks cannot have equal numbers of shards; expected 1, 2, 3, 4, 6 or 12 ranks for 12 shards, found 5; start one of these numbers of ranks, or start a new run with a multiple of 5 shards")
    }
}
