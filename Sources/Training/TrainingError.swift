import Diagnostics

/// A numeric failure, detected by all ranks at the same time, before anything was saved.
public enum TrainingError: DiagnosedError, Equatable {
    /// A NaN or an infinity in the gradient. `culprits`: the ranks whose own gradient has one, and in which tensor.
    case gradientNotFinite(step: Int, tensor: String, culprits: [String])
    case lossNotFinite(step: Int, ranks: [Int])
    case validationNotFinite(step: Int)
    /// The copies of the parameters on the ranks have become different. `ranks`: the ranks that differ, or all in a tie.
    case replicasDiffer(step: Int, tensor: String, ranks: [Int])

    public var kind: FailureKind { .internal }

    public var diagnosis: Diagnosis {
        let remedy = "lower training.optimizer.learning_rate or training.clip and start again; --resume auto resumes from the last checkpoint, if there is one"
        switch self {
        case .gradientNotFinite(let step, let tensor, let culprits):
            return Diagnosis(
                "the gradient is not finite; the weights are unchanged", location: "step \(step)",
                found: "NaN or infinity in "
                    + (culprits.isEmpty ? "\(tensor), by the sum over ranks" : culprits.joined(separator: ", ")),
                remedy: remedy)
        case .lossNotFinite(let step, let ranks):
            return Diagnosis(
                "the loss is not finite; the weights are unchanged", location: "step \(step)",
                found: "NaN or infinity on rank \(ranks.map(String.init).joined(separator: ", "))", remedy: remedy)
        case .replicasDiffer(let step, let tensor, let ranks):
            return Diagnosis(
                "the ranks' parameters are no longer the same", location: "step \(step)",
                found: "another \(tensor) on rank \(ranks.map(String.init).joined(separator: ", "))",
                remedy: "test that machine's memory and processor; --resume auto resumes from the last checkpoint, when all agreed")
        case .validationNotFinite(let step):
            return Diagnosis("the validation loss is not finite", location: "step \(step)", remedy: remedy)
        }
    }
}
