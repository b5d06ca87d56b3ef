import Checkpoints
import Collectives
import Corpus
import Diagnostics
import Inference
import NGram
import Reporting

/// Which model to estimate, and how to write it.
package struct NGramPlan: Sendable {
    package var order: Int
    package var wordSet: WordSet
    /// How a token is spelled in an ARPA file: without white space.
    package var spelling: @Sendable (Int) -> [UInt8]

    package init(order: Int, wordSet: WordSet, spelling: @escaping @Sendable (Int) -> [UInt8]) {
        self.order = order
        self.wordSet = wordSet
        self.spelling = spelling
    }
}

/// A run that estimates an n-gram model: it counts, validates and saves once, as step 1. Every rank comes to the same model.
package final class NGramTrainer {
    private let plan: NGramPlan
    private let communicator: any Communicator
    private let training: TokenStore
    private let validation: TokenStore?
    private let identity: RunIdentity
    private let heartbeat: Heartbeat
    private let reporter: (any TrainingReporter)?
    private let note: @Sendable (String) -> Void

    /// - Parameters:
    ///   - validation: nil if the dataset has none.
    ///   - reporter: that of rank 0; nil elsewhere.
    ///   - note: receives the notes of the checkpoint store.
    package init(
        _ plan: NGramPlan, communicator: any Communicator, training: TokenStore, validation: TokenStore?, identity: RunIdentity,
        heartbeat: Heartbeat = Heartbeat(), reporter: (any TrainingReporter)?, note: @escaping @Sendable (String) -> Void
    ) {
        self.plan = plan
        self.communicator = communicator
        self.training = training
        self.validation = validation
        self.identity = identity
        self.heartbeat = heartbeat
        self.reporter = reporter
        self.note = note
    }

    /// Collective. A stop that is asked for before the model is saved leaves nothing behind: counting starts again.
    /// - Throws: `TooManyNGrams`, `TrainingError.validationNotFinite`, `CollectiveFailure`, transport errors.
    package func run(_ requests: any RunRequests) throws -> TrainingResult {
        let start = ContinuousClock.now
        var result = TrainingResult(
            step: 0, finished: false, best: nil, lastValidation: nil, folder: identity.folder, steps: 0, tokens: 0, seconds: 0,
            stepSeconds: 0)
        defer { heartbeat.enter(.ending) }
        heartbeat.begin(step: 1)
        let estimate: KneserNey
        do {
            heartbeat.enter(.compute)
            let counts = try NGramCounts(training, order: plan.order, wordSet: plan.wordSet, communicator: communicator) { [heartbeat] _ in
                heartbeat.beat()
                var stops = [requests.isStopping ? 1.0 : 0]
                try stops.withUnsafeMutableBufferPointer { try communicator.sum($0) }
                if stops[0] > 0 { throw Stopped() }
            }
            heartbeat.beat()
            estimate = try KneserNey(counts)
        } catch is Stopped {
            return result
        }
        for (level, discounts) in estimate.discounts.enumerated() where discounts.areFallback {
            reporter?.note(
                "the counts of \(level + 1)-grams are too regular to estimate discounts from (\(discounts.text)): "
                    + "they are discounted by 0.5, 1 and 1.5")
        }
        result.stepSeconds = start.duration(to: .now).seconds
        guard try validate(estimate.model, &result, requests) else { return result }
        try save(estimate, result)
        result.step = 1
        result.steps = 1
        result.tokens = training.count
        result.finished = true
        result.seconds = start.duration(to: .now).seconds
        return result
    }

    private struct Stopped: Error {}

    /// Reads the validation part as one text, which takes less time than counting did.
    /// - Returns: false if a rank is to stop.
    private func validate(_ model: NGramModel, _ result: inout TrainingResult, _ requests: any RunRequests) throws -> Bool {
        guard let validation else { return true }
        heartbeat.enter(.validation)
        let evaluator = try Evaluator(NGramPredictor(model), tokens: validation, streams: 1, communicator: communicator)
        let progress = { [reporter, heartbeat] (share: Double) in
            if share < 1 { heartbeat.beat() } else { heartbeat.enter(.exchange) }
            reporter?.validating(share: share)
        }
        guard let evaluation = try evaluator.run(progress: progress, unless: { requests.isStopping }) else { return false }
        guard evaluation.total.isFinite else { throw TrainingError.validationNotFinite(step: 1) }
        result.lastValidation = evaluation
        result.best = Manifest.Best(validationLoss: evaluation.nats, step: 1)
        reporter?.validated(ValidationRecord(step: 1, epoch: 1, tokens: evaluation.tokens, loss: evaluation.nats))
        return true
    }

    private func save(_ estimate: KneserNey, _ result: TrainingResult) throws {
        heartbeat.enter(.exchange)
        try communicator.together("saving the model") {
            if let hash = identity.datasetFiles["train.npy"] { try training.check(hash: hash) }
            guard communicator.rank == 0 else { return }
            heartbeat.enter(.save)
            defer { heartbeat.enter(.exchange) }
            reporter?.saving()
            let manifest = Manifest(
                programVersion: identity.programVersion, kind: Manifest.ngram,
                model: ModelSummary(ngramOrder: plan.order, vocabularySize: plan.wordSet.vocabularySize),
                configuration: identity.configuration, step: 1, epoch: 1, offset: 0, tokens: training.count, seed: 0, schedule: [:],
                validationLoss: result.best?.validationLoss, best: result.best, datasetFiles: identity.datasetFiles,
                vocabularyHash: identity.vocabularyHash, ranks: communicator.size)
            let folder = try CheckpointStore(runFolder: identity.folder, keep: 1, note: note).save(
                CheckpointContent(
                    manifest: manifest, model: NGramFile.tensors(estimate.model), state: NGramFile.state(estimate),
                    vocabularyPath: identity.vocabularyPath
                ) { [plan, heartbeat] write in
                    try ARPAWriter.write(estimate.model, spelling: plan.spelling) {
                        heartbeat.beat()
                        try write($0)
                    }
                })
            reporter?.saved(step: 1, folder: folder, isBest: result.best != nil)
        }
    }
}
