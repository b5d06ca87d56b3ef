/// When `nt_asgd` begins to average its iterates: the non-monotonic criterion of Merity et al. 2018, algorithm 1. A checkpoint has its
/// state. docs/mathematics.md (42a).
package struct AveragingTrigger: Sendable, Equatable {
    /// n: averaging begins when a validation is worse than the best of those more than n validations ago.
    package let interval: Int
    /// Of the validations up to the one with which averaging begins, in order, nats per token.
    package private(set) var losses: [Double]
    /// The step after which it began, so that the first iterate in the average is the next step's; nil: it has not begun.
    package private(set) var start: Int?

    package init(interval: Int, losses: [Double] = [], start: Int? = nil) {
        self.interval = interval
        self.losses = losses
        self.start = start
    }

    /// Call it after every validation that takes part, with the loss of the model of `step`.
    /// - Returns: whether averaging begins.
    package mutating func validated(loss: Double, step: Int) -> Bool {
        if start != nil { return false }
        defer { losses.append(loss) }
        guard let best = losses.dropLast(interval).min(), loss > best else { return false }
        start = step
        return true
    }

    /// The number of iterates in the average after `step`; 0 if it has not begun.
    package func iterates(after step: Int) -> Int { start.map { max(0, step - $0) } ?? 0 }
}
