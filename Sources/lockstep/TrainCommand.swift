import ArgumentParser
import Checkpoints
import Collectives
import Configuration
import Corpus
import Diagnostics
import Files
import Glibc
import Kernels
import Recurrent
import Reporting
import Training

struct TrainCommand: JobCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train a model, alone or on all ranks of mpirun.",
        discussion: """
            Settings come from the defaults, then the configuration file, then each --set in turn. The run folder gets \
            the complete configuration, metrics.jsonl and the checkpoints.

            Examples:
              lockstep train --config configs/quickstart.yaml --run runs/first --dry-run
              lockstep train --config configs/quickstart.yaml --run runs/first
              mpirun -n 2 lockstep train --run runs/first --resume auto
              mpirun -n 4 lockstep train --data data/mine --set model.hidden=512
              lockstep train --data data/mine --run runs/tuned --init-from runs/mine
              lockstep train --set model.cell=gru --print-config > mine.yaml

            docs/configuration.md explains every setting.
            """)

    @Option(help: ArgumentHelp("The configuration file (YAML). Default: the run's own when resuming, else the built-in defaults.", valueName: "file"), completion: .file(extensions: ["yaml", "yml"]))
    var config: String?

    @Option(help: ArgumentHelp("The dataset folder; the same as --set data.path=FOLDER.", valueName: "folder"), completion: .directory)
    var data: String?

    @Option(name: .customLong("run"), help: ArgumentHelp("The run folder; checkpoints and metrics go there. Default: runs/NAME after the configuration file.", valueName: "folder"), completion: .directory)
    var runFolder: String?

    @Option(help: ArgumentHelp("auto: go on from the run's latest checkpoint, or begin if it has none. Otherwise the checkpoint folder to go on from.", valueName: "auto|folder"), completion: .directory)
    var resume: String?

    @Option(help: ArgumentHelp("Begin with the weights of a checkpoint, a run or a .safetensors file (also PyTorch's); nothing else of it.", valueName: "path"), completion: .file())
    var initFrom: String?

    @Option(name: .customLong("set"), help: ArgumentHelp("Override a setting, as in model.hidden=512. May be given several times.", valueName: "key=value"))
    var overrides: [String] = []

    @Flag(help: "Print the complete configuration (YAML) that these options stand for, and do nothing else.")
    var printConfig = false
    @Flag(help: "Check everything, print what the run would be, and stop. Writes nothing.")
    var dryRun = false

    /// Whether there will be more than words.
    var trains: Bool { !printConfig && !dryRun }

    func validate() throws {
        guard resume == nil || initFrom == nil else {
            throw ValidationError("--resume and --init-from exclude each other: a resumed run has weights already.")
        }
    }

    func run() throws {
        if printConfig {
            // Needs no other rank: under mpirun rank 0 alone speaks.
            if Failure.launchedRank == 0 { print(try RunPlan.configuration(of: self).yaml, terminator: "") }
            return
        }
        StopRequests.install()
        let heartbeat = Heartbeat()
        let watchdog = Watchdog(heartbeat, rank: Failure.launchedRank, limit: RunPlan.patience(of: self)) { alarm in
            if let alarm { Failure.say("lockstep: \(alarm)", colour: .red) }
            Launcher.endIfItStays()
            // Not by MPI, which the training thread is in, nor through what runs at exit.
            _exit(FailureKind.inputOutput.rawValue)
        }
        watchdog.watch()
        try Job.run { communicator in
            let setup = try TrainingSetup(self, communicator, heartbeat, watchdog)
            if !dryRun { try setup.train() }
        }
    }
}

/// From the command line to a trainer that is ready to go, on all ranks together.
private struct TrainingSetup {
    private let communicator: any Communicator
    private let plan: RunPlan
    private let configuration: RunConfiguration
    private let dataset: Dataset
    private let trainer: Trainer
    private let reporter: RunReporter?
    private let lock: RunLock?

    init(
        _ command: TrainCommand, _ communicator: any Communicator, _ heartbeat: Heartbeat, _ watchdog: Watchdog
    ) throws {
        self.communicator = communicator
        heartbeat.beat()
        let isFirst = communicator.rank == 0
        plan = try RunPlan(command, communicator)
        let checkpoint = plan.checkpoint
        let configuration = try communicator.together("reading the configuration") { [plan] in
            try plan.configuration(command)
        }
        try communicator.agree(on: programVersion, named: "the version of lockstep")
        let program = try communicator.together("reading the program") { try Digest.sha256(ofFile: "/proc/self/exe") }
        try communicator.agree(on: program, named: "the program's SHA-256")
        try communicator.agree(on: configuration.values.map { (name: $0.path, value: $0.value) })

        let (dataset, training, validation) = try communicator.together("opening the dataset") {
            let dataset = try Dataset(folder: configuration.data.path, recipe: command.config)
            return (
                dataset, try dataset.tokens(of: .train),
                dataset.splits.contains(.valid) ? try dataset.tokens(of: .valid) : nil
            )
        }
        try communicator.agree(on: dataset.hash, named: "the dataset's SHA-256", kind: .data)
        if let checkpoint {
            try communicator.together("comparing the dataset with the checkpoint's") {
                let remedy = "use the dataset that the run began with, or begin a new run, with --init-from \(checkpoint.folder) to keep the weights"
                guard dataset.vocabulary.hash == checkpoint.manifest.vocabularyHash else {
                    throw OtherVocabulary(
                        file: dataset.folder, expected: checkpoint.manifest.vocabularyHash,
                        found: dataset.vocabulary.hash, remedy: remedy)
                }
                let (then, now) = (checkpoint.manifest.datasetFiles["train.npy"], dataset.hashes["train.npy"])
                guard then == now else {
                    throw UsageError(
                        "a resumed run cannot change its training data", location: "\(dataset.folder)/train.npy",
                        expected: "SHA-256 \(then ?? "unknown")", found: now, remedy: remedy)
                }
            }
        }

        heartbeat.beat()
        if command.dryRun {
            try communicator.together("checking the dataset's checksums") { try dataset.verifyChecksums() }
        }

        let options = try communicator.together("planning the run") {
            var options = try TrainingOptions(
                configuration, vocabularySize: dataset.vocabulary.count, trainingTokens: training.count)
            if let shards = options.reproducibleShards {
                _ = try ShardPlan(streams: options.streams, shards: shards, ranks: communicator.size)
            }
            if let validation {
                _ = try StreamPartition(
                    tokens: validation.count, streams: options.validation.streams, remainder: .shared,
                    name: validation.path)
            }
            options.samples = SamplePlan(length: configuration.metrics.sampleLength, dataset.vocabulary)
            try RunSummary.checkMemory(options, communicator)
            if configuration.training.schedule.name == .plateau, validation == nil {
                throw UsageError(
                    "the plateau schedule needs a validation split, which the dataset lacks",
                    location: "training.schedule.name", remedy: "choose another schedule or prepare the data with a valid part")
            }
            return options
        }
        Arithmetic.prepare(threads: Job.threads(options))
        if options.reproducibleShards != nil {
            // The library takes other kernels, with other roundings, on other processors.
            try communicator.agree(on: Arithmetic.products, named: "the library and instructions of products")
        }

        let note: @Sendable (String) -> Void = { if isFirst { Failure.say("note: \($0)") } }
        let weights = try communicator.together("reading the weights to begin with") {
            let weights = try command.initFrom.map { try TrainingSetup.weights($0, note) }
            if let weights { try ModelFile.check(weights, model: options.model) }
            return weights
        }

        let identity = RunIdentity(
            folder: plan.folder, configuration: configuration.yaml, programVersion: programVersion,
            vocabularyPath: dataset.vocabularyPath, vocabularyHash: dataset.vocabulary.hash,
            datasetFiles: dataset.hashes)
        let (lock, reporter) = try communicator.together("opening the run folder") { [plan] () -> (RunLock?, RunReporter?) in
            guard isFirst else { return (nil, nil) }
            if command.dryRun {
                try Folder.checkCreation(plan.folder)
                return (nil, nil)
            }
            try Folder.create(plan.folder)
            let lock = try RunLock(runFolder: plan.folder)
            try RunEnding.clear(plan.folder)
            try Watchdog.prepare(plan.folder)
            try File.publish(configuration.yaml, at: plan.configurationPath)
            let reporter = try RunReporter(
                runFolder: plan.folder, keepingThrough: checkpoint?.manifest.step ?? 0,
                events: configuration.metrics.tensorboard, totalSteps: options.totalSteps,
                totalEpochs: configuration.training.steps == nil ? configuration.training.epochs : nil)
            return (lock, reporter)
        }
        if !command.dryRun {
            watchdog.meet(in: plan.folder, ranks: communicator.size, limit: configuration.watchdog.seconds)
        }
        heartbeat.beat()
        let start = try StartRecord(
            options, dataset: dataset, tokens: (training.count, validation?.count), step: checkpoint?.manifest.step ?? 0,
            communicator)
        reporter?.begins(start)
        let trainer = try communicator.together("building the model") {
            let trainer = try Trainer(
                options, communicator: communicator, training: training, validation: validation, identity: identity,
                heartbeat: heartbeat, reporter: reporter, note: note)
            if let checkpoint { try trainer.restore(checkpoint) }
            if let weights { try trainer.initialise(from: weights) }
            return trainer
        }
        self.configuration = configuration
        self.dataset = dataset
        self.trainer = trainer
        self.reporter = reporter
        self.lock = lock
        let placement = try Placement(communicator, threads: Job.threads(options))
        let summary = RunSummary(
            options, partition: trainer.partition, dataset: dataset, plan: plan, placement: placement,
            ranks: communicator.size)
        if !isFirst { return }
        if command.dryRun {
            print(summary.text + "\ndry run     all of this is sound, and nothing has been written")
        } else {
            Failure.say(summary.text)
        }
    }

    /// The weights a run, a checkpoint or a single file holds.
    private static func weights(_ path: String, _ note: @escaping @Sendable (String) -> Void) throws -> SafetensorsFile {
        try Folder.isFolder(path) ? CheckpointStore.resolve(Folder.withoutSlash(path), note: note).model : SafetensorsFile(path)
    }

    func train() throws {
        defer { reporter?.finished() }
        var isTold = false
        func isStopping() -> Bool {
            if StopRequests.isStopping, !isTold {
                isTold = true
                reporter?.note("stopping: a checkpoint is saved first; Ctrl-C once more ends at once, without it")
            }
            return StopRequests.isStopping
        }
        let result = try trainer.run(isStopping: isStopping) { (stop: isStopping(), save: StopRequests.takeSave()) }
        try withExtendedLifetime(lock) {
            reporter?.finished()
            if communicator.rank == 0 {
                RunEnding.write(result, to: plan.folder)
                Watchdog.tidy(plan.folder)
            }
            guard result.finished else { throw StoppedOnRequest(step: result.step, folder: result.folder, ranks: communicator.size) }
            if communicator.rank == 0 { print(RunSummary.ending(result, dataset: dataset)) }
        }
    }
}
