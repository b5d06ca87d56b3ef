import Diagnostics

package enum KinematicsError: DiagnosedError, Equatable {
    case countOutside(Int)

    package var kind: FailureKind { .usage }

    package var diagnosis: Diagnosis {
        switch self {
        case .countOutside(let count):
            let permitted = KinematicsSample.permittedCount
            return Diagnosis(
                "cannot generate this number of problems", location: "--problems",
                expected: "\(permitted.lowerBound) to \(permitted.upperBound)", found: "\(count)")
        }
    }
}
