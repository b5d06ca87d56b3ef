import Diagnostics

/// A stored n-gram model that contradicts itself.
package struct NGramModelError: DiagnosedError, Equatable {
    package var file: String?
    /// The length of the n-grams concerned.
    package let level: Int
    package let problem: String

    package init(level: Int, _ problem: String) {
        self.level = level
        self.problem = problem
    }

    package var kind: FailureKind { .data }
    package var diagnosis: Diagnosis {
        Diagnosis(
            "the n-gram model contradicts itself: \(problem)", file: file, location: "\(level)-grams",
            remedy: "use another checkpoint, or train it again: lockstep train")
    }
}
