import Checkpoints
import Configuration
import Diagnostics
import Files
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
    let program: String
    let say: (String) -> Void
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

    /// Whether the run has the bytes of one rank: with shards, and where the ranks of one machine share out units.
    private func isExact(_ run: TrainedRun) throws -> Bool {
        let exchange = options.configuration.exchange
        if options.configuration.training.reproducibleShards != nil { return true }
        return try exchange.split == .units && exchange.team == .machine && run.machines() == 1
    }
    /// Steps between compared checkpoints.
    var interval: Int { max(1, options.steps / 8) }

    /// - Throws: `JobFailed`, `VerificationStopped`, and the errors of reading checkpoints.
    func run() throws -> VerificationReport {
        let reference = try train("reference-\(options.ranks[0])", [(options.ranks[0], nil)])
        let isExact = try verifyAllBytes(reference)
        if !isExact {
            trials = []
            try verifyByRanks(reference)
        }
        return VerificationReport(
            verdict: trials.allSatisfy(\.passed) ? "equal" : "different", exact: isExact, steps: options.steps,
            ranks: options.ranks, seed: options.seed, trials: trials)
    }

    /// Every run has the bytes of the reference. False as soon as a run need not have them.
    private func verifyAllBytes(_ reference: TrainedRun) throws -> Bool {
        guard try isExact(reference) else { return false }
        trials.append(Trial("reference", reference))
        for ranks in options.ranks.dropFirst() {
            let run = try train("ranks-\(ranks)", [(ranks, nil)])
            guard try isExact(run) else { return false }
            try compare("other ranks", run, with: reference)
        }
        try compare("killed and resumed", try train("killed", interruptions { randomRanks(other: $0) }), with: reference)
        try verifyOtherInstructions(reference)
        return true
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

    /// A run has the bytes of the run with the same number of ranks; other numbers agree on the next loss.
    private func verifyByRanks(_ first: TrainedRun) throws {
        for ranks in options.ranks {
            let reference = ranks == first.ranks(after: 0) ? first : try train("reference-\(ranks)", [(ranks, nil)])
            trials.append(Trial("reference", reference))
            try compare("killed and resumed", try train("killed-\(ranks)", interruptions { _ in ranks }), with: reference)
            if reference.name == first.name {
                try verifyOtherInstructions(reference)
            } else if trials.last!.passed { try Folder.remove(reference.folder) }
        }
        for ranks in options.ranks.dropFirst() {
            let saved = stride(from: interval, to: options.steps, by: interval).map { $0 }
            guard let step = saved.randomElement(using: &random) else { continue }
            let checkpoint = try first.checkpoint(step).folder
            let next = try train("next-\(ranks)", [(ranks, step + 1)], from: checkpoint, at: step)
            let (expected, found) = (try first.loss(step + 1), try next.loss(step + 1))
            var trial = Trial("next step, other ranks", next, against: first.name)
            trial.passed = abs(found - expected) <= Verification.tolerance * abs(expected)
            trial.result = "loss of step \(step + 1): \(found), expected \(expected) within \(Verification.tolerance)"
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
}

/// Not an error: SIGTERM or SIGINT.
struct VerificationStopped: DiagnosedError {
    var kind: FailureKind { .stopped }
    var diagnosis: Diagnosis { Diagnosis("verification stopped on request, without a result", remedy: "start it again") }
}
