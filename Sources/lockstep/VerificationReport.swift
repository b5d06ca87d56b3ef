import Checkpoints
import Configuration
import Corpus
import Diagnostics

/// The trials of a verification and their results.
struct VerificationReport: Encodable {
    /// "equal" or "different".
    let verdict: String
    /// Whether each number of ranks must give the same bytes: with `training.reproducible_shards`, or where one machine's ranks share out units.
    let exact: Bool
    let steps: Int
    let ranks: [Int]
    let seed: UInt64
    let trials: [Trial]

    var passed: Bool { verdict == "equal" }

    var text: String {
        let rows = trials.map { trial in
            [
                trial.what, trial.sessions.map { "\($0.ranks)" }.joined(separator: ", "),
                trial.sessions.compactMap(\.killedAfter).map { "\($0)" }.joined(separator: ", "), trial.against ?? "", trial.result,
            ]
        }
        let verdict =
            switch (passed, exact) {
            case (false, _): "DIFFERENT"
            case (true, true): "equal to the byte: model.safetensors and state.safetensors of \(steps) steps, on any of these numbers of ranks, however often killed"
            case (true, false): "equal to the byte for the same number of ranks, however often killed; other numbers agree on the next loss within \(Verification.tolerance). For the same bytes on any number set training.reproducible_shards, or exchange.split to units on one machine"
            }
        let findings = trials.compactMap(\.finding).flatMap(\.lines)
        return ([table([["trial", "ranks", "killed after", "against", "result"]] + rows, textColumns: [0, 1, 2, 3, 4])] + findings
            + [verdict]).joined(separator: "\n")
    }
}

/// One run, and the run it was compared with.
struct Trial: Encodable {
    let what: String
    let sessions: [TrainedRun.Session]
    /// The run it must equal.
    let against: String?
    var passed = true
    var result = "done"
    var finding: FirstDifference?

    init(_ what: String, _ run: TrainedRun, against: String? = nil) {
        self.what = what
        sessions = run.sessions
        self.against = against
    }
}

/// Where two runs start to differ.
struct FirstDifference: Encodable {
    /// The first step that differs, if `repeats`; else the first checkpoint that does.
    let step: Int
    /// Nil if there was no earlier checkpoint.
    let lastEqual: Int?
    let tensors: [TensorDifference]
    /// Whether the same difference appeared again when both runs were resumed before it.
    let repeats: Bool
    /// The rank that caused it, or why it is not known.
    let rank: String

    init(step: Int, lastEqual: Int?, tensors: [TensorDifference], repeats: Bool, run: TrainedRun, configuration: RunConfiguration) {
        self.step = step
        self.lastEqual = lastEqual
        self.tensors = tensors
        self.repeats = repeats
        let ranks = run.ranks(after: lastEqual ?? 0)
        if !repeats {
            rank = "not known: resumed from step \(lastEqual ?? 0), the two runs did not repeat their difference. The cause is then a resume, a defect of lockstep that depends on which rank is first, or a machine that does not compute the same twice"
        } else if let carried = tensors.first(where: { $0.tensor.hasPrefix("carried.") }), let stream = carried.index.first {
            let streams = configuration.training.streams
            let owner = (0..<ranks).first {
                (try? StreamPartition.owned(by: $0, of: ranks, streams: streams).contains(stream)) ?? false
            }
            let shard = configuration.training.reproducibleShards.map { ", shard \(stream / (streams / $0))" } ?? ""
            rank = "\(owner.map { "\($0) of \(ranks)" } ?? "not known"): \(carried.tensor) of stream \(stream)\(shard), which that rank computes, already differs"
        } else {
            rank = "not known: no carried state differs, so the forward passes agree; the gradient is a sum over all ranks, which does not show whose share differs"
        }
    }

    var lines: [String] {
        let before = lastEqual.map { "step \($0) is equal" } ?? "no earlier step was compared"
        return ["first difference: step \(step) (\(before)\(repeats ? "" : "; the steps in between are not known"))"]
            + tensors.prefix(5).map { "  \($0.description)" }
            + (tensors.count > 5 ? ["  and \(tensors.count - 5) more tensors"] : []) + ["  rank: \(rank)"]
    }
}

/// Reported after the table, for the exit code.
struct RunsDiffer: DiagnosedError {
    let step: Int?
    let tensor: TensorDifference?
    let folder: String?

    var kind: FailureKind { .internal }
    var diagnosis: Diagnosis {
        Diagnosis(
            "the runs are different", location: step.map { "step \($0)" }, found: tensor.map(\.description),
            remedy: folder.map { "both are in \($0)" })
    }
}
