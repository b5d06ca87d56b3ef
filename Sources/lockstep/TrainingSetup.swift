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
    private let beginning: RunBeginning
    private let trainer: Trainer
    private let folder: RunFolder
    private let measure: LossMeasure

    /// Collective. Finds all errors before the run folder is touched.
    init(_ beginning: RunBeginning) throws {
        self.beginning = beginning
        let (command, communicator, note) = (beginning.command, beginning.communicator, beginning.note)
        let (plan, configuration, data) = (beginning.plan, beginning.configuration, beginning.data)

        var options = try communicator.together("planning the run") {
            try TrainingSetup.options(configuration, data, communicator)
        }
        try communicator.together("planning the run") { try options.decideSplit(communicator) }
        try communicator.together("planning the run") { [options] in try RunSummary.checkMemory(options, communicator) }
        let weights = try communicator.together("reading the initial weights") {
            try command.initFrom.map { try InitialWeights($0, for: options.model, dataset: data.dataset, note) }
        }
        try communicator.agree(on: weights?.origin.sha256 ?? "", named: "the SHA-256 of the initial weights", kind: .data)

        let vectors = try communicator.together("reading the initial embeddings") {
            try command.initEmbeddings.map { try InitialVectors($0, for: options.model, dataset: data.dataset) }
        }
        try communicator.agree(on: vectors?.origin.sha256 ?? "", named: "the SHA-256 of the initial embeddings", kind: .data)
        let origins = [weights?.origin, vectors?.origin].compactMap(\.self)
        let epochs = configuration.training.steps == nil ? configuration.training.epochs : nil
        measure = options.model.output.measure
        folder = try RunFolder(
            beginning, parameters: ParameterLayout(options.model).parameters, totalSteps: options.totalSteps, totalEpochs: epochs,
            origins: origins, options: options)

        trainer = try communicator.together("building the model") { [folder] in
            let trainer = try Trainer(
                options, communicator: communicator, training: data.training, validation: data.validation, sequences: data.sequences,
                identity: beginning.identity(origins), heartbeat: beginning.heartbeat, reporter: folder.reporter, note: note)
            if let checkpoint = plan.checkpoint { try trainer.restore(checkpoint) }
            if let weights { try trainer.initialise(from: weights.transfer) }
            if let vectors { trainer.initialise(from: vectors.vectors) }
            return trainer
        }

        let placement = try Placement(communicator, threads: Arithmetic.threads)
        let summary = try RunSummary(
            options, data: data, plan: plan, placement: placement,
            ranks: communicator.size, initialisation: (weights?.lines ?? []) + (vectors?.lines ?? []))
        folder.say(summary.text)
    }

    // MARK: Parts of the set-up

    /// The run that the configuration describes for these data and ranks.
    private static func options(
        _ configuration: RunConfiguration, _ data: TrainingData, _ communicator: any Communicator
    ) throws -> TrainingOptions {
        let vocabulary = data.dataset.vocabulary
        var options = try TrainingOptions(
            configuration, vocabularySize: vocabulary.count, lineEnd: vocabulary.lineEnd,
            tokens: data.training, sequences: data.sequences, labels: data.dataset.labels?.count,
            values: data.dataset.manifest.values)
        if let validation = data.validation, data.sequences?.validation == nil {
            _ = try StreamPartition(
                tokens: validation.count, streams: options.validation.streams, remainder: .shared, name: validation.path,
                setting: "validation.streams")
        }
        options.gradientFlowEverySteps = configuration.metrics.gradientFlowEverySteps
        options.samples = SamplePlan(length: configuration.metrics.sampleLength, vocabulary)
        guard data.validation == nil else { return options }
        if configuration.training.schedule.name == .plateau {
            throw UsageError(
                "the plateau schedule needs a validation split, which the dataset lacks",
                location: "training.schedule.name", remedy: "choose another schedule or prepare the data with a valid part")
        }
        if configuration.training.optimizer.name.averages {
            throw UsageError(
                "nt_asgd needs a validation split, which the dataset lacks", location: "training.optimizer.name",
                remedy: "choose another optimizer or prepare the data with a valid part")
        }
        return options
    }

    // MARK: Training

    /// Collective. Trains, and reports how the run ended.
    /// - Returns: false if it stopped on request, with its state safe.
    func train() throws -> Bool {
        defer { folder.reporter?.finished() }
        let requests = SignalledRequests { [folder] in
            folder.reporter?.note("stopping after saving a checkpoint; another Ctrl-C ends at once, without one")
        }
        let result = try trainer.run(requests)
        folder.end(
            finished: result.finished, step: result.step,
            result.finished
                ? RunSummary.ending(result, dataset: beginning.data.dataset, measure: measure) : RunSummary.stopped(result, ranks: beginning.communicator.size))
        return result.finished
    }
}
