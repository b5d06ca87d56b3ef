import Checkpoints
import Corpus
import Foundation
import Optimization
import Recurrent
import TestSupport
import Testing
import Training

/// Every rank walks the same trajectory, and it does not depend on how many ranks walk it or how often it is resumed.
@Suite struct TrajectoryTests {
    /// 50 steps cross two epoch ends and short last chunks (80 predictions per stream, 5 at a time; 12 streams do not
    /// divide by 7 ranks).
    @Test(arguments: Cell.allCases, [Float(0), 0.3])
    func everyRankCountTakesTheSameSteps(cell: Cell, dropout: Float) throws {
        let tokens = source.sample(12 * 83 + 5, seed: 1)
        let losses = try [1, 2, 3, 4, 7].map { ranks in
            try withTemporaryFolder { folder in
                let run = SmallRun(
                    cell: cell, tokens: tokens, validation: source.sample(500, seed: 2), folder: folder, dropout: dropout)
                let recorder = Recorder()
                let results = try withThreadRanks(ranks) { try run.train(on: $0, reporter: recorder) }
                #expect(Set(results.map(\.step)) == [50])
                return (recorder.training.map(\.loss), recorder.training.map(\.gradientNorm), recorder.validation.map(\.loss))
            }
        }
        let one = losses[0]
        #expect(one.0.count == 50 && one.2.count == 3)
        #expect(one.0[49] < one.0[0] - 0.3, "training must change the loss, or equality shows nothing")
        for other in losses.dropFirst() {
            for (a, b) in zip(one.0 + one.1 + one.2, other.0 + other.1 + other.2) { #expect(abs(a - b) < 1e-4 * a) }
        }
    }

    static let placements = [(2, 2), (2, 1), (4, 2), (3, 1), (4, 3)]
    static let placementRules = [OptimizerRule(.sgd), OptimizerRule(.adagrad), OptimizerRule(.momentum), OptimizerRule(.adamw)]

    /// Ranks on one machine, on several, and on machines of different sizes; with rows of the embedding that are touched
    /// in some steps only, and some never.
    @Test(arguments: placements, placementRules)
    func machinesDoNotChangeTheSteps(placement: (ranks: Int, perMachine: Int), rule: OptimizerRule) throws {
        let tokens = source.sample(12 * 43, seed: 1).enumerated().map { $1 * 3 + Int32($0 / 97 % 3) }
        for tied in [false, true] {
            try withTemporaryFolder { folder in
                @Sendable func run(_ name: String) -> SmallRun {
                    SmallRun(
                        vocabulary: 45, tokens: tokens, folder: "\(folder)/\(name)", steps: 30, optimizer: rule,
                        learningRate: rule.name == .sgd ? 1 : 0.02, tied: tied)
                }
                let (one, many) = (Recorder(), Recorder())
                try run("one").train(reporter: one)
                _ = try withThreadRanks(placement.ranks, ranksPerMachine: placement.perMachine) {
                    try run("many").train(on: $0, reporter: many)
                }
                #expect(many.training.count == 30 && one.training[29].loss < one.training[0].loss - 0.1)
                for (a, b) in zip(one.training, many.training) {
                    #expect(abs(a.loss - b.loss) < 1e-4 * a.loss)
                    #expect(abs(a.gradientNorm - b.gradientNorm) < 1e-4 * a.gradientNorm)
                }
            }
        }
    }

    /// When gradients are sent, and whether as a whole or in rows, does not change the result.
    @Test(arguments: [ExchangedModel.untied, .tied, .adaptive, .sampled, .sampledTied], [Cell.lstm, .gru]) func exchangePlansDoNotChangeTheSteps(kind: ExchangedModel, cell: Cell) throws {
        let tokens = source.sample(12 * 43, seed: 1).map { $0 * 3 }
        try withTemporaryFolder { folder in
            @Sendable func train(overlap: Bool, sparse: Bool) throws -> (bytes: [String: [UInt8]], losses: [Double]) {
                var run = SmallRun(
                    cell: cell, vocabulary: 45, tokens: tokens, folder: "\(folder)/\(overlap)-\(sparse)", steps: 10, tied: kind == .tied || kind == .sampledTied)
                switch kind {
                case .adaptive: run.options.model.softmax = .adaptive(.small)
                case .sampled, .sampledTied: run.options.model.softmax = .sampled(.small)
                case .untied, .tied: break
                }
                run.options.exchange.overlap = overlap
                run.options.exchange.sparse = sparse
                let (described, recorder) = (run, Recorder())
                _ = try withThreadRanks(4, ranksPerMachine: 2) { try described.train(on: $0, reporter: recorder) }
                return (try run.bytes(ofStep: 10), recorder.training.map(\.loss))
            }
            let (dense, sparse) = (try train(overlap: false, sparse: false), try train(overlap: false, sparse: true))
            #expect(try train(overlap: true, sparse: false).bytes == dense.bytes)
            #expect(try train(overlap: true, sparse: true).bytes == sparse.bytes)
            // The norm is added up in another order.
            #expect(dense.losses.count == 10)
            for (a, b) in zip(dense.losses, sparse.losses) { #expect(abs(a - b) < 1e-6 * a) }
        }
    }

    enum ExchangedModel { case untied, tied, adaptive, sampled, sampledTied }

    static let resumeCases: [(OptimizerRule, LearningRateSchedule.Rule, UnrollPlan)] = [
        (OptimizerRule(.sgd), .constant, UnrollPlan(fixed: 5)),
        (OptimizerRule(.momentum, nesterov: true), .decay(factor: 0.5, afterEpoch: 1), UnrollPlan(fixed: 5)),
        (OptimizerRule(.adagrad), .plateau(factor: 0.5, patience: 0), UnrollPlan(random: 7, seed: 1)),
        (OptimizerRule(.adam), .cosine(), UnrollPlan(fixed: 7)),
        (OptimizerRule(.adamw, weightDecay: 0.01), .plateau(factor: 0.5, patience: 1), UnrollPlan(random: 9, seed: 1)),
    ]

    /// k steps, a stop, and the rest end in the bytes of one go: at the first step, mid-epoch, the epoch's last step and
    /// the first of the next (12 streams of 83 predictions: with chunks of 5 the epoch ends with step 17).
    @Test(arguments: resumeCases, [1, 9, 17, 18])
    func resumedRunsEndInTheSameBytes(
        run settings: (OptimizerRule, LearningRateSchedule.Rule, UnrollPlan), stop: Int
    ) throws {
        let tokens = source.sample(12 * 83 + 5, seed: 1)
        let validation = source.sample(300, seed: 2)
        try withTemporaryFolder { folder in
            func run(_ name: String) -> SmallRun {
                SmallRun(
                    tokens: tokens, validation: validation, folder: "\(folder)/\(name)", unroll: settings.2, steps: 40,
                    dropout: 0.3, optimizer: settings.0, learningRate: 0.02, schedule: settings.1)
            }
            let (whole, parted) = (Recorder(), Recorder())
            try run("whole").train(reporter: whole)
            let first = try run("parted").train(stopAfter: stop, reporter: parted)
            #expect(!first.finished && first.step == stop)
            try run("parted").train(resume: true, reporter: parted)
            #expect(try run("whole").bytes(ofStep: 40) == run("parted").bytes(ofStep: 40))
            #expect(whole.training.map(\.loss) == parted.training.map(\.loss))
            #expect(whole.validation == parted.validation)
        }
    }

    /// A stop does not wait for a validation, whichever rank it is for: that is postponed until the run resumes. Here the first
    /// of three, and the extra one at the end.
    @Test(arguments: [(asked: 1, step: 17), (asked: 5, step: 40)]) func aStopPutsOffTheValidation(asked: Int, step: Int) throws {
        let tokens = source.sample(12 * 83 + 5, seed: 1)
        let validation = MarkovSource(tokens: 13, seed: 99).sample(500, seed: 2)
        try withTemporaryFolder { folder in
            @Sendable func run(_ name: String) -> SmallRun {
                SmallRun(
                    tokens: tokens, validation: validation, folder: "\(folder)/\(name)", steps: 40, learningRate: 0.2,
                    schedule: .plateau(factor: 0.5, patience: 0))
            }
            let (whole, parted) = (Recorder(), Recorder())
            _ = try withThreadRanks(3) { try run("whole").train(on: $0, reporter: whole) }
            let stopped = try withThreadRanks(3) {
                try run("parted").train(on: $0, stopInValidation: $0.rank == 1 ? asked : nil, reporter: parted)
            }
            #expect(stopped.allSatisfy { !$0.finished && $0.step == step })
            #expect(parted.validation.map(\.step) == [17, 34, 40].filter { $0 < step })
            let resumed = try withThreadRanks(3) { try run("parted").train(on: $0, resume: true, reporter: parted) }
            #expect(resumed.allSatisfy { $0.finished && $0.best?.step == resumed[0].best?.step })
            #expect(parted.validation == whole.validation && whole.validation.count == 3)
            #expect(parted.training.map(\.learningRate) == whole.training.map(\.learningRate))
            #expect(try run("whole").bytes(ofStep: 40) == run("parted").bytes(ofStep: 40))
            let again = try withThreadRanks(3) { try run("parted").train(on: $0, resume: true, reporter: parted) }
            #expect(again[0].finished && parted.validation.count == 3)
        }
    }

    static let rules = [
        OptimizerRule(.sgd), OptimizerRule(.momentum), OptimizerRule(.adagrad), OptimizerRule(.adam),
        OptimizerRule(.adamw, weightDecay: 0.01),
    ]
    static let schedules: [LearningRateSchedule.Rule] = [
        .constant, .decay(factor: 0.5, afterEpoch: 1), .plateau(factor: 0.5, patience: 0), .cosine(),
    ]

    /// Each optimizer with each schedule, with dropout and a random unroll length: at the first step, in the midst of an
    /// epoch, at its last step and the first of the next.
    @Test(arguments: rules, schedules) func everyOptimizerResumesUnderEverySchedule(
        rule: OptimizerRule, schedule: LearningRateSchedule.Rule
    ) throws {
        let tokens = source.sample(12 * 83 + 5, seed: 1)
        let unroll = UnrollPlan(random: 7, seed: 1)
        let epoch = unroll.totalSteps(length: (tokens.count - 1) / 12, epochs: 1)
        #expect((5...20).contains(epoch))
        let steps = 3 * epoch + 3
        // A text of another kind: the more is learnt, the worse it is predicted, so that the plateau schedule has to act.
        let validation = MarkovSource(tokens: 13, seed: 99).sample(300, seed: 2)
        try withTemporaryFolder { folder in
            func run(_ name: String) -> SmallRun {
                var run = SmallRun(
                    tokens: tokens, validation: validation, folder: "\(folder)/\(name)", unroll: unroll, steps: steps,
                    dropout: 0.3, optimizer: rule, learningRate: [.sgd, .momentum].contains(rule.name) ? 1 : 0.2, schedule: schedule)
                run.options.validation.everySteps = 2
                return run
            }
            let recorder = Recorder()
            try run("whole").train(reporter: recorder)
            if schedule.name == .plateau {
                // By the chunk's length, which is shorter at an epoch's end.
                let rates = recorder.training.map { $0.learningRate / Double(unroll.length(atStep: $0.step)) }
                #expect(rates.suffix(5).max()! < 0.6 * rates[0], "the schedule did nothing, so that nothing of it could be forgotten")
            }
            let whole = try run("whole").bytes(ofStep: steps)
            for stop in [1, epoch / 2, epoch, epoch + 1, 3 * epoch + 1] {
                let recorder = Recorder()
                let parts = run("stop-\(stop)")
                try parts.train(stopAfter: stop, reporter: recorder)
                let expected = stop <= epoch ? 1...1 : stop == epoch + 1 ? 2...2 : 3...4
                let last = try #require(recorder.training.last)
                #expect(last.step == stop && expected.contains(last.epoch), "the epochs end elsewhere")
                try parts.train(resume: true)
                #expect(try parts.bytes(ofStep: steps) == whole, "stopped after step \(stop)")
            }
        }
    }

    /// Saved by p ranks, resumed by q: the streams keep their state and the next steps are those of an undisturbed run.
    @Test(arguments: [(3, 2), (1, 4), (4, 1), (2, 7)]) func anyNumberOfRanksCanResume(from: Int, to: Int) throws {
        let tokens = source.sample(12 * 83 + 5, seed: 1)
        try withTemporaryFolder { folder in
            @Sendable func run(_ name: String) -> SmallRun { SmallRun(tokens: tokens, folder: "\(folder)/\(name)", steps: 30, dropout: 0.2) }
            let (whole, parted) = (Recorder(), Recorder())
            try run("whole").train(reporter: whole)
            _ = try withThreadRanks(from) { try run("parted").train(on: $0, stopAfter: 12, reporter: parted) }
            _ = try withThreadRanks(to) { try run("parted").train(on: $0, resume: true, reporter: parted) }
            #expect(parted.training.map(\.step) == Array(1...30))
            for (a, b) in zip(whole.training, parted.training) { #expect(abs(a.loss - b.loss) < 1e-5 * a.loss) }
            #expect(abs(whole.training[12].loss - parted.training[12].loss) < 1e-6 * whole.training[12].loss)
        }
    }

    /// A stop on one rank is a stop on all, after the same step, with a checkpoint.
    @Test func oneRanksStopStopsAll() throws {
        try withTemporaryFolder { folder in
            let run = SmallRun(tokens: source.sample(1000, seed: 1), folder: folder)
            let results = try withThreadRanks(3) { try run.train(on: $0, stopAfter: $0.rank == 1 ? 6 : nil) }
            #expect(results.allSatisfy { $0.step == 6 && !$0.finished })
            #expect(try CheckpointStore(runFolder: folder, keep: 1, note: { _ in }).latest()?.manifest.step == 6)
        }
    }

    /// The schedule and the best loss live on in the checkpoint; its records say what was learnt at which rate.
    @Test func perStreamLossScalesTheGradientByTheStreams() throws {
        try withTemporaryFolder { folder in
            let tokens = source.sample(12 * 83 + 5, seed: 1)
            var run = SmallRun(
                tokens: tokens, folder: "\(folder)/a", steps: 1, optimizer: OptimizerRule(.sgd), clip: .none)
            let (perToken, perStream) = (Recorder(), Recorder())
            try run.train(reporter: perToken)
            run.options.loss = .perStream
            run.folder = "\(folder)/b"
            try run.train(reporter: perStream)
            // 12 streams x 5 steps: the sum over time is five times the mean over tokens.
            #expect(abs(perStream.training[0].gradientNorm / perToken.training[0].gradientNorm - 5) < 1e-5)
            #expect(perStream.training[0].loss == perToken.training[0].loss)
        }
    }
}
