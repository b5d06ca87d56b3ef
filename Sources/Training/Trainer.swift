import Checkpoints
import Collectives
import Corpus
import Inference
import Kernels
import Optimization
import Recurrent
import Reporting

/// The identity of a run: its configuration, data and program, as stored in its checkpoints.
package struct RunIdentity: Sendable {
    package var folder: String
    /// The complete configuration, YAML.
    package var configuration: String
    package var programVersion: String
    package var vocabularyPath: String
    package var vocabularyHash: String
    /// SHA-256 by file name.
    package var datasetFiles: [String: String]

    package init(
        folder: String, configuration: String, programVersion: String, vocabularyPath: String, vocabularyHash: String,
        datasetFiles: [String: String]
    ) {
        self.folder = folder
        self.configuration = configuration
        self.programVersion = programVersion
        self.vocabularyPath = vocabularyPath
        self.vocabularyHash = vocabularyHash
        self.datasetFiles = datasetFiles
    }
}

/// How a run ended.
package struct TrainingResult: Sendable {
    package var step: Int
    /// False if it stopped on request.
    package var finished: Bool
    package var best: Manifest.Best?
    package var lastValidation: Evaluation?
    /// The run folder.
    package var folder: String
    /// Steps trained in this session.
    package var steps: Int
    /// As above.
    package var tokens: Int
    /// Seconds of this session, validation and checkpoints included.
    package var seconds: Double
    /// Seconds of this session spent in steps.
    package var stepSeconds: Double
}

/// The training loop: steps, and between them records, validation and checkpoints. Every rank makes the same decisions.
package final class Trainer {
    private let options: TrainingOptions
    private let communicator: any Communicator
    private let identity: RunIdentity
    private let reporter: (any TrainingReporter)?
    private let store: CheckpointStore
    private let ownStreams: Range<Int>
    private let step: TrainingStep
    private let evaluator: Evaluator?
    private let training: TokenStore
    private let batches: any BatchSource
    private var progress: TrainingProgress
    private var lastValidation: Evaluation?
    private var validatedStep: Int?
    private var savedStep: Int?
    /// The newest checkpoint that is known to be usable.
    private var soundCheckpoint: String?
    private var stragglers = StragglerWatch()
    private var costs = CostMeter()
    private let clock = ContinuousClock()

    package let partition: StreamPartition
    private let heartbeat: Heartbeat

    /// - Parameters:
    ///   - validation: nil if the dataset has none.
    ///   - heartbeat: the heartbeat that the watchdog reads.
    ///   - reporter: that of rank 0; nil elsewhere.
    ///   - note: receives the notes of the checkpoint store.
    /// - Throws: `PartitionError`, `KernelError`.
    package init(
        _ options: TrainingOptions, communicator: any Communicator, training: TokenStore, validation: TokenStore?,
        identity: RunIdentity, heartbeat: Heartbeat = Heartbeat(), reporter: (any TrainingReporter)?,
        note: @escaping @Sendable (String) -> Void
    ) throws {
        self.options = options
        self.communicator = communicator
        self.identity = identity
        self.heartbeat = heartbeat
        self.reporter = reporter
        store = CheckpointStore(runFolder: identity.folder, keep: options.checkpoints.keep, note: note)
        partition = try StreamPartition(
            tokens: training.count, streams: options.streams, remainder: .dropped, name: training.path, setting: "training.streams")
        ownStreams = try StreamPartition.owned(
            by: communicator.rank, of: communicator.size, streams: options.streams)
        step = try TrainingStep(options, communicator: communicator, streams: ownStreams, heartbeat: heartbeat)
        if step.fillsParameters { step.parameters.initialise(seed: options.seed) }
        evaluator = try validation.map { [step] in
            try Evaluator(
                RecurrentPredictor(options.model, parameters: step.parameters), tokens: $0, streams: options.validation.streams,
                communicator: communicator)
        }
        self.training = training
        batches = try StreamBatches(training, partition: partition, streams: ownStreams, unroll: options.unroll)
        progress = TrainingProgress(schedule: options.schedule)
    }

    // MARK: Start

    /// Takes only the weights of `file`; everything else starts from the beginning.
    /// - Throws: `SafetensorsError`, `ModelFileError`, `KernelError`.
    package func initialise(from file: SafetensorsFile) throws {
        if step.fillsParameters { try ModelFile.load(file, into: step.parameters, model: options.model) }
    }

    /// Resumes from `checkpoint`, whatever the number of ranks that saved it.
    /// - Throws: `SafetensorsError`, `ModelFileError`, `PartitionError`, `KernelError`.
    package func restore(_ checkpoint: LoadedCheckpoint) throws {
        try initialise(from: checkpoint.model)
        for (slot, name) in zip(step.optimizer.slots, options.optimizer.name.slots) where step.fillsParameters {
            for entry in slot.layout.entries {
                try slot.values(entry).withUnsafe {
                    try checkpoint.state.read("optimizer.\(name).\(entry.name)", shape: entry.shape, into: $0)
                }
            }
        }
        try CarriedState.restore(
            step.carriedState, model: options.model, streams: options.streams, own: ownStreams, from: checkpoint.state)
        progress.restore(checkpoint.manifest)
        try batches.seek(progress.position)
        savedStep = progress.step
        soundCheckpoint = checkpoint.folder
        if checkpoint.manifest.validationLoss != nil { validatedStep = progress.step }
    }

    // MARK: The loop

    /// Collective. Trains to the end, or until a rank's `requests` says stop. A validation does not delay a stop: it is
    /// postponed, and comes first when the run resumes, so that the run ends in the same bytes.
    /// - Parameters:
    ///   - isStopping: called during a validation: whether a stop is about to be requested.
    ///   - requests: called before each step.
    /// - Throws: `TrainingFailure`, `KernelError`, transport errors, and what saving the last checkpoint throws.
    package func run(
        isStopping: () -> Bool = { false }, requests: () -> (stop: Bool, save: Bool)
    ) throws -> TrainingResult {
        do {
            return try loop(isStopping: isStopping, requests: requests)
        } catch let error as TrainingError {
            throw TrainingFailure(cause: error, checkpoint: soundCheckpoint)
        }
    }

    private func loop(isStopping: () -> Bool, requests: () -> (stop: Bool, save: Bool)) throws -> TrainingResult {
        try step.begin()
        let start = clock.now
        let earlier = progress.elapsed
        let (firstStep, firstToken) = (progress.step, progress.tokens)
        var stepSeconds = 0.0
        var lastSave = start
        var stopped = false
        var improved = false
        /// - Returns: whether that is complete; false if it had to stop.
        func validateUnlessStopping(final: Bool) throws -> Bool {
            guard let better = try validate(final: final, unless: isStopping) else { return false }
            improved = better
            return true
        }
        let everyMinutes = options.checkpoints.everyMinutes

        if savedStep == progress.step, validatedStep != progress.step, validationIsDue {
            if try validateUnlessStopping(final: false) { try saveOrWarn(isBest: improved) } else { stopped = true }
        }
        while progress.step < options.totalSteps, !stopped {
            let request = requests()
            // Only rank 0 reads the clock, or ranks would disagree on the time.
            let due = communicator.rank == 0 && everyMinutes > 0 && lastSave.duration(to: clock.now).seconds > everyMinutes * 60
            heartbeat.begin(step: progress.step + 1)
            let began = clock.now
            let outcome = try step.run(
                progress.step + 1, from: batches, schedule: progress.schedule,
                signals: StepSignals(stop: request.stop, save: request.save || due))
            let seconds = began.duration(to: clock.now).seconds
            stepSeconds += seconds
            costs.add(seconds: seconds, tokens: outcome.signals.loss.tokens)
            progress.step += 1
            progress.position = batches.position
            progress.tokens += outcome.signals.loss.tokens
            progress.interval += outcome.signals.loss
            progress.intervalSteps += 1
            progress.clippedSteps += outcome.clipped ? 1 : 0
            progress.elapsed = earlier + start.duration(to: clock.now).seconds
            stopped = outcome.signals.stop > 0
            heartbeat.enter(.exchange)
            let every = options.verifyEverySteps
            if every > 0, progress.step % every == 0 { try step.verifyReplicas(step: progress.step) }
            for warning in try stragglers.check(step: progress.step, heartbeat, communicator) { reporter?.warning(warning) }

            heartbeat.enter(.metrics)
            if progress.step % options.metricsEverySteps == 0 || progress.step == options.totalSteps {
                record(outcome)
            }
            improved = false
            if validationIsDue, !stopped { stopped = try !validateUnlessStopping(final: false) }
            let isLast = stopped || progress.step == options.totalSteps
            if !isLast, improved || saveIsDue(outcome) {
                try saveOrWarn(isBest: improved)
                lastSave = clock.now
            }
        }
        let validatesLast =
            progress.step >= options.totalSteps && !stopped && evaluator != nil && validatedStep != progress.step
        if validatesLast { stopped = try !validateUnlessStopping(final: true) }
        // A run that stopped with its last step resumes with only what follows that step.
        let finished = progress.step >= options.totalSteps && (!stopped || evaluator == nil || validatedStep == progress.step)
        if savedStep != progress.step || validatesLast {
            try verify()
            try save(isBest: improved)
        }
        heartbeat.enter(.ending)
        return TrainingResult(
            step: progress.step, finished: finished, best: progress.best, lastValidation: lastValidation,
            folder: identity.folder, steps: progress.step - firstStep, tokens: progress.tokens - firstToken,
            seconds: start.duration(to: clock.now).seconds, stepSeconds: stepSeconds)
    }

    private func record(_ outcome: TrainingStep.Outcome) {
        if let reporter {
            let (tokensPerSecond, cost) = costs.take(step.clock)
            reporter.trained(
                TrainingRecord(
                    step: progress.step, epoch: epoch, tokens: progress.tokens, loss: progress.interval.mean,
                    gradientNorm: outcome.gradientNorm, learningRate: outcome.learningRate,
                    tokensPerSecond: tokensPerSecond, elapsedSeconds: progress.elapsed,
                    clippedShare: Double(progress.clippedSteps) / Double(progress.intervalSteps), cost: cost))
        }
        progress.interval = LossSum()
        progress.clippedSteps = 0
        progress.intervalSteps = 0
    }

    /// The epoch of the last step, counted from 1.
    private var epoch: Int { progress.position.offset == 0 ? progress.position.epoch : progress.position.epoch + 1 }

    // MARK: Validation

    /// The validation after the last step.
    private var validationIsDue: Bool {
        let plan = options.validation
        let endsEpoch = progress.position.offset == 0 && progress.step > 0
        return evaluator != nil
            && (plan.everyEpoch && endsEpoch || plan.everySteps > 0 && progress.step % plan.everySteps == 0)
    }

    /// - Parameter final: the extra validation at the end of the run, which the schedule must not see, or a run made
    ///   longer later would differ from one that was that long from the start.
    /// - Returns: whether it is the best so far; nil if it was interrupted.
    private func validate(final: Bool, unless isStopping: () -> Bool) throws -> Bool? {
        guard let evaluator else { return false }
        heartbeat.enter(.validation)
        let progressed = { [reporter, heartbeat] (share: Double) in
            if share < 1 { heartbeat.beat() } else { heartbeat.enter(.exchange) }
            reporter?.validating(share: share)
        }
        guard let evaluation = try evaluator.run(progress: progressed, unless: isStopping) else { return nil }
        guard evaluation.total.isFinite else { throw TrainingError.validationNotFinite(step: progress.step) }
        lastValidation = evaluation
        validatedStep = progress.step
        let improved = evaluation.nats < progress.best?.validationLoss ?? .infinity
        if improved { progress.best = Manifest.Best(validationLoss: evaluation.nats, step: progress.step) }
        reporter?.validated(
            ValidationRecord(step: progress.step, epoch: epoch, tokens: evaluation.tokens, loss: evaluation.nats))
        sample()
        if !final, progress.schedule.validated(improved: improved) {
            reporter?.note("validation did not improve: the learning rate is now \(progress.schedule.rate(step: progress.step + 1, epoch: epoch))")
        }
        return improved
    }

    /// On rank 0 alone, while the others wait with their next step: until rank 0 joins them, the parameters do not change.
    private func sample() {
        guard let reporter, let plan = options.samples else { return }
        heartbeat.enter(.validation)
        do {
            let predictor = RecurrentPredictor(options.model, parameters: step.parameters)
            let text = try plan.write(predictor, seed: options.seed) { heartbeat.beat() }
            reporter.sampled(SampleRecord(step: progress.step, epoch: epoch, text: text))
        } catch {
            reporter.warning("step \(progress.step): no sample: \(error)")
        }
    }

    // MARK: Checkpoints

    private func saveIsDue(_ outcome: TrainingStep.Outcome) -> Bool {
        let every = options.checkpoints.everySteps
        return outcome.signals.save > 0 || every > 0 && progress.step % every == 0
    }

    /// Collective. Checks that what is about to be saved was learned from the right data, is the same on all ranks, and can be
    /// trained from.
    private func verify() throws {
        heartbeat.enter(.exchange)
        try step.verifyReplicas(step: progress.step)
        try costs.leaveOut(of: step.clock) { try step.verifyUsable(after: progress.step, source: batches) }
        guard let hash = identity.datasetFiles["train.npy"] else { return }
        try communicator.together("checking the training data after step \(progress.step)") {
            try training.check(hash: hash)
        }
    }

    /// A save that fails during a run (a full disk) does not end the training: it is reported and tried again when the
    /// next is due. Only the last save must succeed.
    private func saveOrWarn(isBest: Bool) throws {
        try verify()
        do {
            try save(isBest: isBest)
        } catch let failure as CollectiveFailure {
            reporter?.warning("step \(progress.step): checkpoint not saved, training continues: \(failure)")
        }
    }

    /// Collective. - Throws: `CollectiveFailure` on all ranks if rank 0 could not save.
    private func save(isBest: Bool) throws {
        heartbeat.enter(.exchange)
        let carried = try CarriedState.gather(
            step.carriedState, model: options.model, streams: options.streams, communicator: communicator)
        try communicator.together("saving the checkpoint of step \(progress.step)") {
            guard let carried else { return }
            if evaluator == nil { sample() }
            heartbeat.enter(.save)
            defer { heartbeat.enter(.exchange) }
            reporter?.saving()
            let folder = try store.save(
                CheckpointContent(
                    manifest: manifest(), model: ModelFile.tensors(step.parameters, model: options.model),
                    state: optimizerTensors() + carried, vocabularyPath: identity.vocabularyPath),
                isBest: isBest)
            reporter?.saved(step: progress.step, folder: folder, isBest: isBest)
        }
        savedStep = progress.step
        soundCheckpoint = store.folder(ofStep: progress.step)
    }

    private func optimizerTensors() -> [NamedTensor] {
        zip(step.optimizer.slots, options.optimizer.name.slots).flatMap { slot, name in
            slot.layout.entries.map {
                NamedTensor("optimizer.\(name).\($0.name)", shape: $0.shape, slot.values($0))
            }
        }
    }

    private func manifest() -> Manifest {
        Manifest(
            programVersion: identity.programVersion, model: ModelSummary(options.model),
            configuration: identity.configuration, step: progress.step, epoch: progress.position.epoch,
            offset: progress.position.offset, tokens: progress.tokens, seed: options.seed, schedule: progress.numbers,
            validationLoss: validatedStep == progress.step ? lastValidation?.nats : nil,
            best: progress.best, datasetFiles: identity.datasetFiles, vocabularyHash: identity.vocabularyHash,
            ranks: communicator.size)
    }
}

extension Duration {
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
