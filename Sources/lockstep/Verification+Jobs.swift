import Checkpoints
import Configuration
import Diagnostics
import Files
import Glibc
import Kernels

/// The jobs of a verification: started, watched, killed and started again.
extension Verification {
    /// - Parameters:
    ///   - sessions: each ends when the run has made `killAfter` steps, by SIGKILL, or else at the run's end.
    ///   - checkpoint: where the first session starts; `start` is its step.
    ///   - savingUpTo: saves after each step, and ends after this one.
    ///   - vectors: the instructions to compute with, when they are not to be the usual ones.
    func train(
        _ name: String, _ sessions: [(ranks: Int, killAfter: Int?)], from checkpoint: String? = nil, at start: Int = 0,
        savingUpTo: Int? = nil, with vectors: Vectors? = nil
    ) throws -> TrainedRun {
        var run = TrainedRun(name: name, scratch: options.scratch)
        run.vectors = vectors
        let path = "\(run.folder).yaml"
        try File.publish(configuration(saveEvery: savingUpTo == nil ? interval : 1).yaml, at: path)
        var seen = start
        for (number, session) in sessions.enumerated() {
            let from = number == 0 ? start : try run.latestStep()
            let place = number == 0 ? checkpoint ?? "auto" : "auto"
            let killAfter = session.killAfter.map { max($0, seen + 1) }
            if let killAfter, killAfter >= options.steps, number > 0 { continue }
            say("\(name): training on \(session.ranks) rank\(session.ranks == 1 ? "" : "s") from step \(from)")
            let job = try ChildJob(
                command(ranks: session.ranks, vectors) + ["train", "--config", path, "--run", run.folder, "--resume", place], log: run.log)
            let killed = try wait(for: job, run) {
                if let savingUpTo { return (try? run.checkpoint(savingUpTo)) != nil }
                return try killAfter.map { try run.steps() >= $0 } ?? false
            }
            seen = try run.steps()
            run.sessions.append(.init(ranks: session.ranks, start: from, killedAfter: killed ? seen : nil))
            if !killed { break }
        }
        return run
    }

    /// - Returns: whether the job was killed because `isTime`.
    private func wait(for job: ChildJob, _ run: TrainedRun, until isTime: () throws -> Bool) throws -> Bool {
        let clock = ContinuousClock()
        var moved = clock.now
        var sign = run.signOfLife
        while job.poll() == nil {
            if try isTime() {
                job.kill()
                try waitForLock(of: run)
                return true
            }
            if StopRequests.isStopping {
                job.kill()
                throw VerificationStopped()
            }
            if run.signOfLife != sign { (sign, moved) = (run.signOfLife, clock.now) }
            if moved.duration(to: clock.now) > .seconds(options.patience) {
                job.kill()
                throw JobFailed(
                    command: "the run \(run.folder)", status: FailureKind.inputOutput.rawValue,
                    complaint: "no progress for \(Int(options.patience)) seconds", log: run.log)
            }
            usleep(2000)
        }
        try job.checkSuccess()
        return false
    }

    /// Rank 0, perhaps on another host, must be dead before the run resumes.
    private func waitForLock(of run: TrainedRun) throws {
        for _ in 0..<1000 {
            if !Folder.isFolder(run.folder) { return }
            do {
                _ = try RunLock(runFolder: run.folder)
                return
            } catch CheckpointError.inUse { usleep(20_000) }
        }
        throw JobFailed(
            command: "the run \(run.folder)", status: FailureKind.inputOutput.rawValue,
            complaint: "still alive 20 seconds after its launcher was killed", log: run.log)
    }

    private func command(ranks: Int, _ vectors: Vectors?) -> [String] {
        // By way of env, since few launchers hand on the environment to other machines.
        let start = (vectors.map { ["env", "\(VectorsError.variable)=\($0.rawValue)"] } ?? []) + [program]
        if ranks == 1 { return start }
        return options.launcher.map { $0.replacing("{ranks}", with: "\(ranks)") } + start
    }

    /// The user's configuration, except for the settings that end and save the run.
    private func configuration(saveEvery: Int) -> RunConfiguration {
        var configuration = options.configuration
        configuration.training.steps = options.steps
        configuration.checkpoint.everySteps = saveEvery
        configuration.checkpoint.everyMinutes = 0
        configuration.checkpoint.keep = options.steps + 1
        configuration.metrics.everySteps = 1
        return configuration
    }
}
