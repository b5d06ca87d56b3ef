import Checkpoints
import Collectives
import Corpus
import Inference
import Optimization
import Recurrent
import Reporting

/// The checkpoints of a run: what is saved is shown to be usable first, and is enough to resume exactly.
final class RunCheckpoints {
    private let options: TrainingOptions
    private let communicator: any Communicator
    private let identity: RunIdentity
    private let step: TrainingStep
    private let ownStreams: Range<Int>
    private let training: TokenStore
    private let sequences: SequenceStore?
    private let batches: any BatchSource
    private let validation: RunValidation
    private let costs: CostMeter
    private let heartbeat: Heartbeat
    private let reporter: (any TrainingReporter)?
    private let store: CheckpointStore
    private var savedStep: Int?
    /// The newest one that is known to be usable.
    private(set) var sound: String?

    /// - Parameter note: receives the notes of the checkpoint store.
    init(
        _ options: TrainingOptions, communicator: any Communicator, identity: RunIdentity, step: TrainingStep,
        ownStreams: Range<Int>, training: TokenStore, sequences: SequenceStore?, batches: any BatchSource, validation: RunValidation, costs: CostMeter,
        heartbeat: Heartbeat, reporter: (any TrainingReporter)?, note: @escaping @Sendable (String) -> Void
    ) {
        self.options = options
        self.communicator = communicator
        self.identity = identity
        self.step = step
        self.ownStreams = ownStreams
        self.training = training
        self.sequences = sequences
        self.batches = batches
        self.validation = validation
        self.costs = costs
        self.heartbeat = heartbeat
        self.reporter = reporter
        store = CheckpointStore(runFolder: identity.folder, keep: options.checkpoints.keep, note: note)
    }

    func isSaved(_ step: Int) -> Bool { savedStep == step }

    /// Fills in parameters, optimizer slots and carried state, whatever the number of ranks that saved them.
    /// - Parameter progress: of the checkpoint.
    /// - Throws: `SafetensorsError`, `ModelFileError`.
    func restore(_ checkpoint: LoadedCheckpoint, _ progress: TrainingProgress) throws {
        step.optimizer.iterates = progress.iterates(after: progress.step)
        if step.fillsParameters {
            try ModelFile.load(checkpoint.model, into: step.result, model: options.model)
            try step.optimizer.restore(from: checkpoint.state, beside: step.parameters)
        }
        try CarriedState.restore(
            step.carriedState, model: options.model, streams: options.streams, own: ownStreams, from: checkpoint.state)
        savedStep = checkpoint.manifest.step
        sound = checkpoint.folder
    }

    /// Collective. A save that fails during a run (a full disk) does not end the training: it is reported and tried again when
    /// the next is due. Only the last save must succeed.
    /// - Throws: as `verify`.
    func saveOrWarn(_ progress: TrainingProgress) throws {
        try verify(progress)
        do {
            try save(progress)
        } catch let failure as CollectiveFailure {
            reporter?.warning("step \(progress.step): checkpoint not saved, training continues: \(failure)")
        }
    }

    /// Collective. - Throws: as `verify`; `CollectiveFailure` on all ranks if rank 0 could not save.
    func saveLast(_ progress: TrainingProgress) throws {
        try verify(progress)
        try save(progress)
    }

    /// Checks that what is about to be saved was learned from the right data, is the same on all ranks, and can be trained from.
    /// - Throws: `TrainingError`, `CollectiveFailure`, the same on all ranks; transport errors.
    private func verify(_ progress: TrainingProgress) throws {
        heartbeat.enter(.exchange)
        try step.verifyReplicas(step: progress.step)
        try costs.leaveOut { try step.verifyUsable(after: progress.step, source: batches) }
        try communicator.together("checking the training data after step \(progress.step)") {
            if let hash = identity.datasetFiles["train.npy"] { try training.check(hash: hash) }
            try sequences?.check(identity.datasetFiles, .train)
        }
    }

    private func save(_ progress: TrainingProgress) throws {
        heartbeat.enter(.exchange)
        let carried = try CarriedState.gather(
            step.carriedState, model: options.model, streams: options.streams, isSpeaker: step.speaksForTeam,
            communicator: communicator)
        try communicator.together("saving the checkpoint of step \(progress.step)") {
            guard let carried else { return }
            if !validation.isPossible { validation.sample(progress) }
            heartbeat.enter(.save)
            defer { heartbeat.enter(.exchange) }
            reporter?.saving()
            let folder = try store.save(
                CheckpointContent(
                    manifest: manifest(progress), model: ModelFile.tensors(step.result, model: options.model),
                    state: step.optimizer.tensors(beside: step.parameters) + carried, vocabularyPath: identity.vocabularyPath))
            reporter?.saved(step: progress.step, folder: folder, isBest: progress.isBest)
        }
        savedStep = progress.step
        sound = store.folder(ofStep: progress.step)
    }

    private func manifest(_ progress: TrainingProgress) -> Manifest {
        Manifest(
            programVersion: identity.programVersion, model: ModelSummary(options.model, labels: identity.labels),
            configuration: identity.configuration, step: progress.step, epoch: progress.position.epoch,
            offset: progress.position.offset, tokens: progress.tokens, seed: options.seed, schedule: progress.numbers,
            validationLoss: validation.loss(after: progress.step), best: progress.best, datasetFiles: identity.datasetFiles,
            vocabularyHash: identity.vocabularyHash, ranks: communicator.size,
            averaging: progress.averaging.map { Manifest.Averaging(start: $0.start, validationLosses: $0.losses) },
            origins: identity.origins.isEmpty ? nil : identity.origins)
    }
}
