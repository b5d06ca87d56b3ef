import Diagnostics

/// What cannot be measured.
package enum BenchmarkError: DiagnosedError, Equatable {
    case textTooShort(path: String, tokens: Int, needed: Int)

    package var kind: FailureKind { .usage }

    package var diagnosis: Diagnosis {
        switch self {
        case .textTooShort(let path, let tokens, let needed):
            Diagnosis(
                "the text is too short for one full chunk of every stream", file: path,
                expected: "at least \(needed) tokens", found: "\(tokens)",
                remedy: "lower training.streams or training.unroll, or measure with random tokens (--vocabulary)")
        }
    }
}
