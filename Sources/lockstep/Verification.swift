import Checkpoints
import Configuration
import Corpus
import Diagnostics
import Files
import FoundationEssentials
import Glibc
import Kernels
import Randomness

/// Trains, kills its own jobs, resumes them on other numbers of ranks, and compares the results.
final class Verification {
    struct Options {
        var configuration: RunConfiguration
        /// Numbers of ranks; the first is the reference.
        var ranks: [Int]
        var steps: Int
        /// How often the interrupted run is killed.
        var kills: Int
        var seed: UInt64
        /// The words of the launcher, with `{ranks}` for the number.
        var launcher: [String]
        /// Seconds that a job may take without progress.
        var patience: Double
        /// An existing folder.
        var scratch: String
    }

    let options: Options
    private let program: String
    private let say: (String) -> Void
    private var random: PhiloxSequence
    private var trials: [Trial] = []

    /// Relative tolerance of the next step's loss on another number of ranks, where rounding may differ.
    static let tolerance = 1e-6

    init(_ options: Options, say: @escaping (String) -> Void) throws {
        self.options = options
        self.say = say
        random = PhiloxSequence(seed: options.seed, purpose: .verification)
        var path = [CChar](repeating: 0, count: Int(PATH_MAX))
        guard readlink("/proc/self/exe", &path, path.count - 1) > 0 else { throw FileError(operation: "read", path: "/proc/self/exe") }
        program = path.withUnsafeBufferPointer { String(cBytes: $0.baseAddress!) }
    }

    private var isExact: Bool { options.configuration.training.reproducibleShards != nil }
    /// Steps between compared checkpoints.
    private var interval: Int { max(1, options.steps / 8) }

    /// - Throws: `JobFailed`, `VerificationStopped`, and the errors of reading checkpoints.
    func run() throws -> VerificationReport {
        if isExact { try verifyAllBytes() } else { try verifyByRanks() }
        return VerificationReport(
            verdict: trials.allSatisfy(\.passed) ? "equal" : "different", exact: isExact, steps: options.steps,
            ranks: options.ranks, seed: options.seed, trials: trials)
    }

    /// With shards, every run has the bytes of the reference.
    private func verifyAllBytes() throws {
        let reference = try train("reference", [(options.ranks[0], nil)])
        trials.append(Trial("reference", reference))
        for ranks in options.ranks.dropFirst() {
            try compare("other ranks", try train("ranks-\(ranks)", [(ranks, nil)]), with: reference)
        }
        try compare("killed and resumed", try train("killed", interruptions { randomRanks(other: $0) }), with: reference)
        try verifyOtherInstructions(reference)
    }

    /// The same bytes with other vector instructions than the reference had, of those that this processor has. Portable code
    /// gives them, too, but would take hours.
    private func verifyOtherInstructions(_ reference: TrainedRun) throws {
        let chosen = try Vectors.chosen
        for vectors in Vectors.available where vectors != chosen && vectors != .portable {
            let run = try train("\(vectors)", [(reference.ranks(after: 0), nil)], with: vectors)
            try compare("\(vectors.name) instructions", run, with: reference)
        }
    }

    /// Without shards, a run has the bytes of the run with the same number of ranks; other numbers agree on the next loss.
    private func verifyByRanks() throws {
        var first: TrainedRun?
        for ranks in options.ranks {
            let reference = try train("reference-\(ranks)", [(ranks, nil)])
            trials.append(Trial("reference", reference))
            try compare("killed and resumed", try train("killed-\(ranks)", interruptions { _ in ranks }), with: reference)
            if first == nil {
                first = reference
                try verifyOtherInstructions(reference)
            } else if trials.last!.passed { try Folder.remove(reference.folder) }
        }
        guard let first else { return }
        for ranks in options.ranks.dropFirst() {
            let saved = stride(from: interval, to: options.steps, by: interval).map { $0 }
            guard let step = saved.randomElement(using: &random) else { continue }
            let checkpoint = try first.checkpoint(step).folder
            let next = try train("next-\(ranks)", [(ranks, step + 1)], from: checkpoint, at: step)
            let (expected, found) = (try first.loss(step + 1), try next.loss(step + 1))
            var trial = Trial("next step, other ranks", next, against: first.name)
            trial.passed = abs(found - expected) <= Verification.tolerance * abs(expected)
            trial.result = "loss of step \(step + 1) \(found), expected \(expected) within \(Verification.tolerance)"
            trials.append(trial)
            try Folder.remove(next.folder)
        }
    }

    /// Sessions that end in a kill at random steps, and a last one that does not.
    private func interruptions(_ ranks: (Int?) -> Int) -> [(ranks: Int, killAfter: Int?)] {
        let steps = Array(1..<max(2, options.steps)).shuffled(using: &random).prefix(options.kills).sorted()
        var sessions: [(ranks: Int, killAfter: Int?)] = []
        for step in steps.map(Optional.some) + [nil] { sessions.append((ranks(sessions.last?.ranks), step)) }
        return sessions
    }

    private func randomRanks(other than: Int?) -> Int {
        options.ranks.filter { $0 != than }.randomElement(using: &random) ?? options.ranks[0]
    }

    private func compare(_ what: String, _ run: TrainedRun, with reference: TrainedRun) throws {
        say("comparing \(run.name) with \(reference.name)")
        let comparison = try RunComparison(reference.folder, run.folder)
        var trial = Trial(what, run, against: reference.name)
        if let different = comparison.firstDifferent {
            trial.passed = false
            trial.finding = try locate(different.step, different.tensors, lastEqual: comparison.lastEqual, run, reference)
            trial.result = "DIFFERENT, first at step \(trial.finding!.step)"
        } else {
            guard comparison.compared.last == options.steps else {
                throw JobFailed(
                    command: "the run \(run.folder)", status: FailureKind.internal.rawValue,
                    complaint: "no checkpoint of step \(options.steps)", log: run.log)
            }
            trial.result = "equal: \(comparison.compared.count) checkpoints"
            try Folder.remove(run.folder)
        }
        trials.append(trial)
    }

    /// The checkpoints of `step` differ, those of `lastEqual` do not. Resumes both runs there, with a checkpoint
    /// after every step.
    private func locate(
        _ step: Int, _ tensors: [TensorDifference], lastEqual: Int?, _ run: TrainedRun, _ reference: TrainedRun
    ) throws -> FirstDifference {
        say("different at step \(step): looking for the first step that differs")
        func again(_ original: TrainedRun) throws -> TrainedRun {
            try train(
                "\(original.name)-again", [(original.ranks(after: lastEqual ?? 0), nil)],
                from: try lastEqual.map { try original.checkpoint($0).folder }, at: lastEqual ?? 0, savingUpTo: step,
                with: original.vectors)
        }
        let (first, second) = (try again(reference), try again(run))
        let repeated = try first.checkpoint(step).differences(from: reference.checkpoint(step)).isEmpty
            && second.checkpoint(step).differences(from: run.checkpoint(step)).isEmpty
        let comparison = try RunComparison(first.folder, second.folder)
        guard repeated, let found = comparison.firstDifferent else {
            return FirstDifference(step: step, lastEqual: lastEqual, tensors: tensors, repeats: false, run: run, configuration: options.configuration)
        }
        return FirstDifference(
            step: found.step, lastEqual: comparison.lastEqual ?? lastEqual, tensors: found.tensors, repeats: true, run: run,
            configuration: options.configuration)
    }

    // MARK: Jobs

    /// - Parameters:
    ///   - sessions: each ends when the run has made `killAfter` steps, by SIGKILL, or else at the run's end.
    ///   - checkpoint: where the first session starts; `start` is its step.
    ///   - savingUpTo: saves after each step, and ends after this one.
    ///   - vectors: the instructions to compute with, when they are not to be the usual ones.
    private func train(
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

/// A run in the scratch folder.
struct TrainedRun {
    struct Session: Encodable {
        let ranks: Int
        /// The step at which it started.
        let start: Int
        /// The last known step if it was killed; nil if it reached its end.
        let killedAfter: Int?
    }

    let name: String
    let folder: String
    /// The instructions that it was made to compute with.
    var vectors: Vectors?
    var sessions: [Session] = []

    init(name: String, scratch: String) {
        self.name = name
        folder = "\(scratch)/\(name)"
    }

    var log: String { "\(folder).log" }
    private var store: CheckpointStore { CheckpointStore(runFolder: folder, keep: 1, note: { _ in }) }

    /// The ranks of the session whose trajectory the run's later checkpoints follow.
    func ranks(after step: Int) -> Int { sessions.last { $0.start <= step }?.ranks ?? 1 }

    func checkpoint(_ step: Int) throws -> LoadedCheckpoint { try store.checkpoint(ofStep: step) }

    func latestStep() throws -> Int { try store.latest()?.manifest.step ?? 0 }

    /// Steps so far, according to the run's records.
    func steps() throws -> Int { try records().last?.step ?? 0 }

    func loss(_ step: Int) throws -> Double {
        guard let record = try records().last(where: { $0.step == step }) else {
            throw JobFailed(
                command: "the run \(folder)", status: FailureKind.internal.rawValue, complaint: "no record of step \(step)", log: log)
        }
        return record.loss
    }

    /// Changes as long as the run makes progress.
    var signOfLife: [Int] { ["\(folder)/metrics.jsonl", log].map { (try? File.open($0, .read).size()) ?? 0 } }

    private struct Record: Decodable {
        let kind: String
        let step: Int
        let loss: Double
    }

    private func records() throws -> [Record] {
        let path = "\(folder)/metrics.jsonl"
        guard Folder.exists(path) else { return [] }
        return try File.contents(of: path).split(separator: UInt8(ascii: "\n")).compactMap {
            try? JSONDecoder().decode(Record.self, from: Data($0))
        }.filter { $0.kind == "train" }
    }
}

/// Not an error: SIGTERM or SIGINT.
struct VerificationStopped: DiagnosedError {
    var kind: FailureKind { .stopped }
    var diagnosis: Diagnosis { Diagnosis("verification stopped on request, without a result", remedy: "start it again") }
}
