import Checkpoints
import Collectives
import Corpus
import Inference
import Optimization
import Recurrent
import Reporting

/// The training loop: steps, and between them records, validation and checkpoints. Every rank makes the same decisions.
package final class Trainer {
    private let options: TrainingOptions
    private let communicator: any Communicator
    private let identity: RunIdentity
    private let heartbeat: Heartbeat
    private let reporter: (any TrainingReporter)?
    private let step: TrainingStep
    private let batches: any BatchSource
    private let validation: RunValidation
    private let checkpoints: RunCheckpoints
    private let costs: CostMeter
    private var progress: TrainingProgress
    private var stragglers = StragglerWatch()

    /// - Parameters:
    ///   - validation: nil if the dataset has none.
    ///   - sequences: nil for streams of the tokens.
    ///   - heartbeat: the heartbeat that the watchdog reads.
    ///   - reporter: that of rank 0; nil elsewhere.
    ///   - note: receives the notes of the checkpoint store.
    /// - Throws: `PartitionError`, `KernelError`.
    package init(
        _ options: TrainingOptions, communicator: any Communicator, training: TokenStore, validation: TokenStore?,
        sequences: TrainingSequences? = nil, identity: RunIdentity, heartbeat: Heartbeat = Heartbeat(), reporter: (any TrainingReporter)?,
        note: @escaping @Sendable (String) -> Void
    ) throws {
        var options = options
        try options.decideSplit(communicator)
        self.options = options
        self.communicator = communicator
        self.identity = identity
        self.heartbeat = heartbeat
        self.reporter = reporter
        let streams = try options.streams(of: communicator)
        step = try TrainingStep(options, communicator: communicator, streams: streams, heartbeat: heartbeat)
        if step.fillsParameters { step.parameters.initialise(seed: options.seed) }
        if let sequences {
            step.take(sequences.training)
            batches = try SentenceBatches(sequences.training, size: options.streams, own: streams, seed: options.seed)
        } else {
            let partition = try StreamPartition(
                tokens: training.count, streams: options.streams, remainder: .dropped, name: training.path, setting: "training.streams")
            batches = try StreamBatches(training, partition: partition, streams: streams, unroll: options.unroll)
        }
        progress = TrainingProgress(schedule: options.schedule, optimizer: options.optimizer)
        costs = CostMeter(step.clock)
        self.validation = try RunValidation(
            options, tokens: validation, training: training, sequences: sequences?.validation, step: step, communicator: communicator,
            heartbeat: heartbeat, reporter: reporter)
        checkpoints = RunCheckpoints(
            options, communicator: communicator, identity: identity, step: step, ownStreams: streams, training: training, sequences: sequences?.training,
            batches: batches, validation: self.validation, costs: costs, heartbeat: heartbeat, reporter: reporter, note: note)
    }

    /// Takes only weights of another model; everything else starts from the beginning.
    /// - Throws: `SafetensorsError`, `ModelFileError`.
    package func initialise(from weights: WeightTransfer) throws {
        if step.fillsParameters { try weights.load(into: step.parameters) }
    }

    /// Takes the embeddings of some tokens.
    package func initialise(from vectors: PretrainedVectors) {
        if step.fillsParameters { vectors.load(into: step.parameters) }
    }

    /// Resumes from `checkpoint`, whatever the number of ranks that saved it.
    /// - Throws: `SafetensorsError`, `ModelFileError`, `PartitionError`, `KernelError`.
    package func restore(_ checkpoint: LoadedCheckpoint) throws {
        progress.restore(checkpoint.manifest)
        try checkpoints.restore(checkpoint, progress)
        try batches.seek(progress.position)
        validation.restore(checkpoint.manifest)
    }

    /// Collective. Trains to the end, or until a rank is to stop. A validation does not delay a stop: it is postponed, and comes
    /// first when the run resumes, so that the run ends in the same bytes.
    /// - Throws: `TrainingFailure`, `KernelError`, transport errors, and what saving the last checkpoint throws.
    package func run(_ requests: any RunRequests) throws -> TrainingResult {
        do {
            return try loop(requests)
        } catch let error as TrainingError {
            throw TrainingFailure(cause: error, checkpoint: checkpoints.sound)
        }
    }

    private func loop(_ requests: any RunRequests) throws -> TrainingResult {
        try step.begin()
        var cadence = Cadence(options, readsClock: communicator.rank == 0)
        var session = TrainingSession(after: progress)
        if progress.step == 0, cadence.measuresGradientFlow(after: 0) { validation.measureGradientFlow(progress) }
        var stopped = try !validatePostponed(cadence, requests)
        while progress.step < options.totalSteps, !stopped {
            let signals = try train(cadence, requests, &session)
            stopped = signals.stop > 0
            if !stopped, cadence.validates(after: progress) { stopped = try !validation.run(&progress, unless: requests) }
            // The last save must not fail: it comes after the loop.
            let isLast = stopped || progress.step == options.totalSteps
            if !isLast, cadence.saves(after: progress, signals) {
                try checkpoints.saveOrWarn(progress)
                cadence.saved()
            }
        }
        let isTrained = progress.step >= options.totalSteps
        let validatesLast = isTrained && !stopped && !validation.isDone(after: progress.step)
        if validatesLast { stopped = try !validation.run(&progress, final: true, unless: requests) }
        if validatesLast || !checkpoints.isSaved(progress.step) { try checkpoints.saveLast(progress) }
        heartbeat.enter(.ending)
        // A run that stopped with its last step resumes with only what follows that step.
        let finished = isTrained && (!stopped || validation.isDone(after: progress.step))
        return session.result(progress, finished: finished, lastValidation: validation.last, folder: identity.folder)
    }

    /// The validation that an earlier session put off because it had to stop, after the step of its last checkpoint.
    /// - Returns: false if this one has to stop, too.
    private func validatePostponed(_ cadence: Cadence, _ requests: any RunRequests) throws -> Bool {
        let isDue = checkpoints.isSaved(progress.step) && cadence.validates(after: progress)
        guard isDue, !validation.isDone(after: progress.step) else { return true }
        guard try validation.run(&progress, unless: requests) else { return false }
        try checkpoints.saveOrWarn(progress)
        return true
    }

    /// One step, and what follows each: comparisons between ranks and, when due, a record.
    /// - Returns: the signals of all ranks.
    private func train(
        _ cadence: Cadence, _ requests: any RunRequests, _ session: inout TrainingSession
    ) throws -> StepSignals {
        let save = requests.takeSave() || cadence.isTimeToSave
        let own = StepSignals(stop: requests.isStopping, save: save)
        heartbeat.begin(step: progress.step + 1)
        let began = ContinuousClock.now
        let next = progress.step + 1
        let outcome = try step.run(
            next, from: batches, schedule: progress.schedule, iterates: progress.iterates(after: next), signals: own)
        let seconds = began.duration(to: .now).seconds
        session.addStep(seconds: seconds)
        costs.add(seconds: seconds, tokens: outcome.signals.loss.tokens)
        progress.add(outcome, position: batches.position, elapsed: session.elapsed)
        heartbeat.enter(.exchange)
        if cadence.comparesReplicas(after: progress.step) { try step.verifyReplicas(step: progress.step) }
        for warning in try stragglers.check(step: progress.step, heartbeat, communicator) { reporter?.warning(warning) }
        heartbeat.enter(.metrics)
        if cadence.records(after: progress.step) { record(outcome) }
        if cadence.measuresGradientFlow(after: progress.step) { validation.measureGradientFlow(progress) }
        return outcome.signals
    }

    private func record(_ outcome: TrainingStep.Outcome) {
        if let reporter {
            let (tokensPerSecond, cost) = costs.take()
            reporter.trained(
                TrainingRecord(
                    step: progress.step, epoch: progress.epoch, tokens: progress.tokens, loss: progress.interval.mean,
                    measure: options.model.output.measure, gradientNorm: outcome.gradientNorm, learningRate: outcome.learningRate,
                    tokensPerSecond: tokensPerSecond, elapsedSeconds: progress.elapsed,
                    clippedShare: Double(progress.clippedSteps) / Double(progress.intervalSteps), cost: cost))
        }
        progress.beginInterval()
    }
}
