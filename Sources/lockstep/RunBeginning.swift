import Checkpoints
import Collectives
import Configuration
import Training

/// What every run begins with, whatever its model: where it starts, its configuration and its data, the same on all ranks.
struct RunBeginning {
    let command: TrainCommand
    let communicator: any Communicator
    let heartbeat: Heartbeat
    let watchdog: Watchdog
    let plan: RunPlan
    let configuration: RunConfiguration
    let data: TrainingData
    /// Whether the run only says what it would do.
    var isDry: Bool { command.dryRun }

    /// Collective.
    init(_ command: TrainCommand, _ communicator: any Communicator, _ heartbeat: Heartbeat, _ watchdog: Watchdog) throws {
        (self.command, self.communicator, self.heartbeat, self.watchdog) = (command, communicator, heartbeat, watchdog)
        heartbeat.beat()
        plan = try RunPlan(command, communicator)
        configuration = try communicator.together("reading the configuration") { [plan] in try plan.configuration(command) }
        try communicator.agreeOnProgram()
        try communicator.agree(on: configuration.values.map { (name: $0.path, value: $0.value) })

        data = try TrainingData(
            configuration, recipe: command.options.config, continuing: plan.checkpoint, communicator)
        heartbeat.beat()
        if command.dryRun {
            try communicator.together("checking the dataset's checksums") { [data] in try data.dataset.verifyChecksums() }
        }
    }

    /// Prints a note, on rank 0.
    var note: @Sendable (String) -> Void {
        let isFirst = communicator.rank == 0
        return { if isFirst { Failure.say("note: \($0)") } }
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
