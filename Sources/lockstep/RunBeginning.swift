import Checkpoints
import Collectives
import Configuration
import Training

/// What every run begins with, whatever its model: where it starts, its configuration and its data, the same on all ranks.
struct RunBeginning {
    let plan: RunPlan
    let configuration: RunConfiguration
    let data: TrainingData
    /// Whether the run only says what it would do.
    let isDry: Bool

    /// Collective.
    init(_ command: TrainCommand, _ communicator: any Communicator, _ heartbeat: Heartbeat) throws {
        heartbeat.beat()
        plan = try RunPlan(command, communicator)
        configuration = try communicator.together("reading the configuration") { [plan] in try plan.configuration(command) }
        try communicator.agreeOnProgram()
        try communicator.agree(on: configuration.values.map { (name: $0.path, value: $0.value) })

        data = try TrainingData(
            configuration, recipe: command.options.config, continuing: plan.checkpoint, communicator)
        heartbeat.beat()
        isDry = command.dryRun
        if isDry {
            try communicator.together("checking the dataset's checksums") { [data] in try data.dataset.verifyChecksums() }
        }
    }

    /// What the run's checkpoints say of it.
    /// - Parameter origins: of a new run.
    func identity(_ origins: [Manifest.Origin] = []) -> RunIdentity {
        RunIdentity(
            folder: plan.folder, configuration: configuration.yaml, programVersion: programVersion,
            vocabularyPath: data.dataset.vocabularyPath, vocabularyHash: data.dataset.vocabulary.hash, datasetFiles: data.dataset.hashes,
            origins: plan.checkpoint.map { $0.manifest.origins ?? [] } ?? origins,
            labels: configuration.model.output == .next ? nil : data.dataset.labels?.names)
    }
}
