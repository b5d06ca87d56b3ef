import Checkpoints
import Collectives
import Corpus
import Files
import Foundation
import Optimization
import Recurrent
import Reporting
import TestSupport
import Training

/// A small run on tokens in memory, in a folder of its own.
struct SmallRun: Sendable {
    var options: TrainingOptions
    var tokens: [Int32]
    var validation: [Int32]?
    var folder: String

    init(
        cell: Cell = .lstm, vocabulary: Int = 13, tokens: [Int32], validation: [Int32]? = nil, folder: String,
        streams: Int = 12, unroll: UnrollPlan = UnrollPlan(fixed: 5), steps: Int = 50, dropout: Float = 0,
        optimizer: OptimizerRule = OptimizerRule(.adam), learningRate: Double = 0.01,
        schedule: LearningRateSchedule.Rule = .constant, clip: GradientClip = .norm(1), layers: Int = 2,
        embedding: Int = 7, hidden: Int = 11, tied: Bool = false, seed: UInt64 = 1
    ) {
        options = TrainingOptions(
            model: ModelConfiguration(
                cell: cell, window: cell == .window ? 4 : 1, vocabulary: vocabulary, embedding: tied ? hidden : embedding, hidden: hidden, layers: layers,
                dropout: dropout, tied: tied, initialRange: 0.3),
            streams: streams, unroll: unroll, totalSteps: steps, loss: .perToken, clip: clip, optimizer: optimizer,
            schedule: LearningRateSchedule(schedule, base: learningRate, steps: steps), seed: seed,
            checkpoints: .init(everySteps: 0, everyMinutes: 0, keep: 20),
            validation: .init(everySteps: 0, everyEpoch: true, streams: 4), metricsEverySteps: 1)
        self.tokens = tokens
        self.validation = validation
        self.folder = folder
    }

    /// Trains on one rank of `communicator`.
    /// - Parameters:
    ///   - sequences: what it trains on in place of streams of its tokens.
    ///   - stopAfter: ask for a stop in this step.
    ///   - stopInValidation: ask for one when a validation has asked so often.
    ///   - resume: whether to resume from the latest checkpoint.
    @discardableResult
    func train(
        on communicator: any Communicator = SingleRank(), sequences: TrainingSequences? = nil, stopAfter: Int? = nil, stopInValidation: Int? = nil,
        resume: Bool = false, reporter: Recorder? = nil
    ) throws -> TrainingResult {
        try Folder.create(folder)
        let vocabularyPath = "\(folder)/vocabulary.json"
        if communicator.rank == 0 { try File.publish("{}", at: vocabularyPath) }
        let trainer = try Trainer(
            options, communicator: communicator, training: TokenStore(tokens),
            validation: validation.map { TokenStore($0) }, sequences: sequences,
            identity: RunIdentity(
                folder: folder, configuration: "", programVersion: "test", vocabularyPath: vocabularyPath,
                vocabularyHash: "", datasetFiles: [:]),
            reporter: communicator.rank == 0 ? reporter : nil, note: { _ in })
        if resume {
            let place = try communicator.together("finding the checkpoint") {
                try CheckpointStore(runFolder: folder, keep: 1, note: { _ in }).latest()!
            }
            try trainer.restore(place)
        }
        return try trainer.run(CountingRequests(stopAfter: stopAfter, stopInValidation: stopInValidation))
    }

    /// The bytes of a checkpoint's tensors.
    func bytes(ofStep step: Int) throws -> [String: [UInt8]] {
        let name = "step-" + String(repeating: "0", count: 9 - String(step).count) + String(step)
        return try ["model.safetensors", "state.safetensors"].reduce(into: [:]) {
            $0[$1] = try File.contents(of: "\(folder)/checkpoints/\(name)/\($1)")
        }
    }
}

/// Asks for a stop in a step, or in a validation, by counting how often the trainer asks.
private final class CountingRequests: RunRequests {
    private let stopAfter: Int?
    private let stopInValidation: Int?
    private var steps = 0
    private var validations = 0
    /// Whether the trainer asks for the first time since a step has begun.
    private var beginsStep = false

    init(stopAfter: Int?, stopInValidation: Int?) {
        self.stopAfter = stopAfter
        self.stopInValidation = stopInValidation
    }

    func takeSave() -> Bool {
        steps += 1
        beginsStep = true
        return false
    }

    var isStopping: Bool {
        if beginsStep {
            beginsStep = false
            return steps == stopAfter
        }
        validations += 1
        return validations == stopInValidation
    }
}

/// Keeps what a run reports.
final class Recorder: TrainingReporter, @unchecked Sendable {
    private(set) var training: [TrainingRecord] = []
    private(set) var validation: [ValidationRecord] = []
    private(set) var samples: [SampleRecord] = []
    private(set) var warnings: [String] = []
    func trained(_ record: TrainingRecord) { training.append(record) }
    func validated(_ record: ValidationRecord) { validation.append(record) }
    func sampled(_ record: SampleRecord) { samples.append(record) }
    func saving() {}
    func saved(step: Int, folder: String, isBest: Bool) {}
    func note(_ message: String) {}
    func warning(_ message: String) { warnings.append(message) }
    func finished() {}
}

extension AdaptiveSoftmax {
    /// Of a vocabulary of 45, whose last tail many steps do not touch where tokens are three times `source`'s.
    static let small = AdaptiveSoftmax(cutoffs: [8, 20, 35], projections: [5, 3, 2], vocabulary: 45)
}

extension SampledSoftmax {
    static let small = SampledSoftmax(loss: .blackout, samples: 6, power: 0.5, counts: (0..<45).map { $0 % 3 == 0 ? 60 - $0 : 0 })
}

let source = MarkovSource(tokens: 13, seed: 3)
