import Diagnostics

/// The weights are finite, yet so large that the model's output is not.
package struct OutputNotFinite: DiagnosedError, Equatable {
    package init() {}

    package var kind: FailureKind { .data }
    package var diagnosis: Diagnosis {
        Diagnosis(
            "the model's output is not finite: its weights are too large", expected: "a loss",
            found: "NaN or infinity", remedy: "use an earlier checkpoint, or train again with a lower learning rate")
    }
}
