import Diagnostics

/// A numeric failure, detected by all ranks at the same time, before anything was saved.
package enum TrainingError: DiagnosedError, Equatable {
    /// A NaN or an infinity in the gradient. `culprits`: the ranks whose own gradient has one, and in which tensor.
    case gradientNotFinite(step: Int, tensor: String, culprits: [String])
    case lossNotFinite(step: Int, ranks: [Int])
    case validationNotFinite(step: Int)
    /// After `step` a weight, an optimizer slot or the carried state holds a NaN or an infinity.
    case stateNotFinite(step: Int, tensor: String)
    /// Found before a save: no step can follow. `found`: what that step would meet.
    case nextStepNotFinite(step: Int, found: String)
    /// The copies of the parameters on the ranks have become different. `ranks`: the ranks that differ, or all in a tie.
    case replicasDiffer(step: Int, tensor: String, ranks: [Int])

    package var kind: FailureKind { .internal }

    package var diagnosis: Diagnosis {
        let remedy = "lower training.optimizer.learning_rate, or set training.clip or lower it"
        // Before the first update no learning rate is at fault.
        func advice(after updates: Int) -> String {
            updates <= 0 ? "lower model.initial_range or the penalty, or scale down numbers in the data" : remedy
        }
        func unusable(after updates: Int) -> String {
            updates == 0 ? "the initial values make the model unusable" : "the update has made the model unusable"
        }
        switch self {
        case .gradientNotFinite(let step, let tensor, let culprits):
            return Diagnosis(
                "the gradient is not finite; the weights are unchanged", location: "step \(step)",
                found: "NaN or infinity in "
                    + (culprits.isEmpty ? "\(tensor), by the sum over ranks" : culprits.joined(separator: ", ")),
                remedy: advice(after: step - 1))
        case .lossNotFinite(let step, let ranks):
            return Diagnosis(
                "the loss is not finite; the weights are unchanged", location: "step \(step)",
                found: "NaN or infinity on rank \(ranks.map(String.init).joined(separator: ", "))", remedy: advice(after: step - 1))
        case .replicasDiffer(let step, let tensor, let ranks):
            return Diagnosis(
                "the ranks' parameters are no longer the same", location: "step \(step)",
                found: "another \(tensor) on rank \(ranks.map(String.init).joined(separator: ", "))",
                remedy: "test that machine's memory and processor")
        case .stateNotFinite(let step, let tensor):
            return Diagnosis(
                unusable(after: step), location: "step \(step)", found: "NaN or infinity in \(tensor)",
                remedy: advice(after: step))
        case .nextStepNotFinite(let step, let found):
            return Diagnosis(
                "\(unusable(after: step)): the next step meets \(found)", location: "step \(step)", remedy: advice(after: step))
        case .validationNotFinite(let step):
            return Diagnosis("the validation loss is not finite", location: "step \(step)", remedy: remedy)
        }
    }
}

/// A `TrainingError` that ended a run, with what the run can resume from.
package struct TrainingFailure: DiagnosedError, Equatable {
    package let cause: TrainingError
    /// The run's newest sound checkpoint; nil when nothing has been saved.
    package let checkpoint: String?

    package var kind: FailureKind { cause.kind }

    package var diagnosis: Diagnosis {
        var diagnosis = cause.diagnosis
        let next = checkpoint.map { "--resume auto resumes from \($0), which is sound" } ?? "no checkpoint has been saved: start again"
        diagnosis.remedy = [diagnosis.remedy, next].compactMap { $0 }.joined(separator: "; ")
        return diagnosis
    }
}
