import Checkpoints
import Collectives
import Configuration
import Diagnostics
import Files
import Reporting
import Training

/// The folder of a run in progress: locked and reported to by rank 0, and marked at the end with how the run ended. In a dry run
/// nothing is written.
struct RunFolder {
    /// Nil on other ranks and in a dry run.
    let reporter: RunReporter?
    private let path: String
    private let lock: RunLock?
    private let isFirst: Bool
    private let isDry: Bool

    /// Collective. From here on the run writes; its errors should have been found before.
    /// - Parameters:
    ///   - parameters: of the model.
    ///   - totalEpochs: nil for a run whose length is given in steps.
    ///   - origins: of a new run.
    init(
        _ beginning: RunBeginning, parameters: Int, totalSteps: Int, totalEpochs: Int?, origins: [Manifest.Origin] = [],
        options: TrainingOptions? = nil
    ) throws {
        let (plan, configuration, data, communicator) = (beginning.plan, beginning.configuration, beginning.data, beginning.communicator)
        let (isFirst, isDry) = (communicator.rank == 0, beginning.isDry)
        (lock, reporter) = try communicator.together("opening the run folder") {
            if isFirst, isDry { try Folder.checkCreation(plan.folder) }
            guard isFirst, !isDry else { return (nil, nil) }
            return try RunFolder.open(plan, configuration, totalSteps: totalSteps, totalEpochs: totalEpochs)
        }
        (path, self.isFirst, self.isDry) = (plan.folder, isFirst, isDry)
        if !isDry { beginning.watchdog.meet(in: path, ranks: communicator.size, limit: configuration.watchdog.seconds) }
        beginning.heartbeat.beat()
        var start = try StartRecord(
            parameters: parameters, totalSteps: totalSteps, dataset: data.dataset,
            tokens: (data.training.count, data.validation?.count), step: plan.checkpoint?.manifest.step ?? 0, communicator)
        let beginnings = beginning.identity(origins).origins.map { "\($0.option) \($0.path)" }
        start.startedFrom = beginnings.isEmpty ? nil : beginnings
        start.teamSize = options?.team?.size
        start.teamNote = options?.teamNote
        reporter?.begins(start)
    }

    /// Called by rank 0 alone.
    private static func open(
        _ plan: RunPlan, _ configuration: RunConfiguration, totalSteps: Int, totalEpochs: Int?
    ) throws -> (RunLock, RunReporter) {
        try Folder.create(plan.folder)
        let lock = try RunLock(runFolder: plan.folder)
        TemporaryItem.removeLeftovers(in: plan.folder)
        let store = CheckpointStore(runFolder: plan.folder, keep: 1) { Failure.say("note: \($0)") }
        store.removeLeftovers()
        if let checkpoint = plan.checkpoint { try store.followBest(checkpoint.manifest) }
        try RunEnding.clear(plan.folder)
        try Watchdog.prepare(plan.folder)
        try File.publish(configuration.yaml, at: plan.configurationPath)
        let reporter = try RunReporter(
            runFolder: plan.folder, keepingThrough: plan.checkpoint?.manifest.step ?? 0,
            events: configuration.metrics.tensorboard, totalSteps: totalSteps, totalEpochs: totalEpochs)
        return (lock, reporter)
    }

    /// What is about to be done, for the person who started it.
    func say(_ summary: String) {
        if !isFirst { return }
        if isDry {
            print(summary + "\ndry run     all of this is valid, and nothing has been written")
        } else {
            Failure.say(summary)
        }
    }

    /// Marks how the run ended and lets go of its progress line. The lock is held until then.
    /// - Parameter words: the last words: to standard output of a finished run, else to standard error.
    func end(finished: Bool, step: Int, _ words: @autoclosure () -> String) {
        withExtendedLifetime(lock) {
            reporter?.finished()
            if !isFirst { return }
            RunEnding.write(finished: finished, step: step, to: path)
            Watchdog.tidy(path)
            if finished {
                print(words())
            } else {
                Failure.say("lockstep: \(words())")
            }
        }
    }
}
