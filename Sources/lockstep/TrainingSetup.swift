import Checkpoints
import Collectives
import Configuration
import Corpus
import Diagnostics
import Files
import Inference
import Kernels
import Recurrent
import Reporting
import Training

/// Goes from the command line to a trainer that is ready to start, on all ranks together.
struct TrainingSetup {
    private let communicator: any Communicator
    private let beginning: RunBeginning
    private let trainer: Trainer
    private let reporter: RunReporter?
    private let lock: RunLock?

    /// Collective. Finds all errors before the run folder is touched.
    init(
        _ command: TrainCommand, _ beginning: RunBeginning, _ communicator: any Communicator, _ heartbeat: Heartbeat,
        _ watchdog: Watchdog
    ) throws {
        self.communicator = communicator
        self.beginning = beginning
        let (plan, configuration, data, dataset) = (
            beginning.plan, beginning.configuration, beginning.data, beginning.data.dataset
        )
        let isFirst = communicator.rank == 0
        let note: @Sendable (String) -> Void = { if isFirst { Failure.say("note: \($0)") } }

        let options = try communicator.together("planning the run") {
            try TrainingSetup.options(configuration, data, communicator)
        }
        try Arithmetic.prepare(threads: Job.threads)
        let weights = try communicator.together("reading the initial weights") {
            try command.initFrom.map { try InitialWeights($0, for: options.model, dataset: data.dataset, note) }
        }
        try communicator.agree(on: weights?.hash ?? "", named: "the SHA-256 of the initial weights", kind: .data)

        (lock, reporter) = try communicator.together("opening the run folder") {
            if isFirst, command.dryRun { try Folder.checkCreation(plan.folder) }
            guard isFirst, !command.dryRun else { return (nil, nil) }
            let epochs = configuration.training.steps == nil ? configuration.training.epochs : nil
            return try TrainingSetup.openFolder(of: plan, configuration, totalSteps: options.totalSteps, totalEpochs: epochs)
        }
        if !command.dryRun {
            watchdog.meet(in: plan.folder, ranks: communicator.size, limit: configuration.watchdog.seconds)
        }
        heartbeat.beat()
        let start = try StartRecord(
            parameters: ParameterLayout(options.model).parameters, totalSteps: options.totalSteps, dataset: dataset,
            tokens: (data.training.count, data.validation?.count),
            step: plan.checkpoint?.manifest.step ?? 0, communicator)
        reporter?.begins(start)

        trainer = try communicator.together("building the model") { [reporter] in
            let trainer = try Trainer(
                options, communicator: communicator, training: data.training, validation: data.validation,
                identity: beginning.identity, heartbeat: heartbeat, reporter: reporter, note: note)
            if let checkpoint = plan.checkpoint { try trainer.restore(checkpoint) }
            if let weights { try trainer.initialise(from: weights.file) }
            return trainer
        }

        let placement = try Placement(communicator, threads: Job.threads)
        let summary = RunSummary(
            options, partition: trainer.partition, dataset: dataset, plan: plan, placement: placement,
            ranks: communicator.size)
        if !isFirst { return }
        if command.dryRun {
            print(summary.text + "\ndry run     all of this is valid, and nothing has been written")
        } else {
            Failure.say(summary.text)
        }
    }

    // MARK: Parts of the set-up

    /// The run that the configuration describes for these data and ranks.
    private static func options(
        _ configuration: RunConfiguration, _ data: TrainingData, _ communicator: any Communicator
    ) throws -> TrainingOptions {
        let vocabulary = data.dataset.vocabulary
        var options = try TrainingOptions(
            configuration, vocabularySize: vocabulary.count, lineEnd: vocabulary.lineEnd,
            trainingTokens: data.training.count)
        if let shards = options.reproducibleShards {
            _ = try ShardPlan(streams: options.streams, shards: shards, ranks: communicator.size)
        }
        if let validation = data.validation {
            _ = try StreamPartition(
                tokens: validation.count, streams: options.validation.streams, remainder: .shared, name: validation.path,
                setting: "validation.streams")
        }
        options.samples = SamplePlan(length: configuration.metrics.sampleLength, vocabulary)
        try RunSummary.checkMemory(options, communicator)
        if configuration.training.schedule.name == .plateau, data.validation == nil {
            throw UsageError(
                "the plateau schedule needs a validation split, which the dataset lacks",
                location: "training.schedule.name", remedy: "choose another schedule or prepare the data with a valid part")
        }
        return options
    }

    /// Called by rank 0 alone.
    static func openFolder(
        of plan: RunPlan, _ configuration: RunConfiguration, totalSteps: Int, totalEpochs: Int?
    ) throws -> (RunLock, RunReporter) {
        try Folder.create(plan.folder)
        let lock = try RunLock(runFolder: plan.folder)
        TemporaryItem.removeLeftovers(in: plan.folder)
        CheckpointStore(runFolder: plan.folder, keep: 1) { Failure.say("note: \($0)") }.removeLeftovers()
        try RunEnding.clear(plan.folder)
        try Watchdog.prepare(plan.folder)
        try File.publish(configuration.yaml, at: plan.configurationPath)
        let reporter = try RunReporter(
            runFolder: plan.folder, keepingThrough: plan.checkpoint?.manifest.step ?? 0,
            events: configuration.metrics.tensorboard, totalSteps: totalSteps, totalEpochs: totalEpochs)
        return (lock, reporter)
    }

    // MARK: Training

    /// Collective. Trains, and reports how the run ended.
    /// - Returns: false if it stopped on request, with its state safe.
    func train() throws -> Bool {
        defer { reporter?.finished() }
        let requests = SignalledRequests { [reporter] in
            reporter?.note("stopping after saving a checkpoint; another Ctrl-C ends at once, without one")
        }
        let result = try trainer.run(requests)
        return withExtendedLifetime(lock) {
            reporter?.finished()
            guard communicator.rank == 0 else { return result.finished }
            RunEnding.write(finished: result.finished, step: result.step, to: result.folder)
            Watchdog.tidy(result.folder)
            if result.finished {
                print(RunSummary.ending(result, dataset: beginning.data.dataset))
            } else {
                Failure.say("lockstep: \(RunSummary.stopped(result, ranks: communicator.size))")
            }
            return result.finished
        }
    }
}
