import Elementary

/// How the learning rate changes over a run. Its state is two numbers, saved with the checkpoint.
package struct LearningRateSchedule: Sendable, Equatable {
    package enum Kind: Sendable, Equatable {
        case constant
        /// In epoch e (from 1): base * factor^max(0, e - afterEpoch) (Zaremba et al. 2014).
        case decay(factor: Double, afterEpoch: Int)
        /// Multiplied by `factor` when the validation loss has not improved for more than `patience` validations.
        case plateau(factor: Double, patience: Int)
        /// Half a cosine from the base to the minimum at step `total` (Loshchilov and Hutter 2017, without restarts).
        case cosine(total: Int)
    }

    package let kind: Kind
    package let base: Double
    /// Steps over which the rate rises linearly from base / warmup; before any schedule.
    package let warmup: Int
    /// The rate never falls below this.
    package let minimum: Double

    /// Plateau: the product of the factors so far.
    package var plateauScale = 1.0
    /// Plateau: validations since the last improvement.
    package var validationsWithoutImprovement = 0

    package init(_ kind: Kind, base: Double, warmup: Int = 0, minimum: Double = 0) {
        self.kind = kind
        self.base = base
        self.warmup = warmup
        self.minimum = minimum
    }

    /// - Parameters:
    ///   - step: global step, from 1.
    ///   - epoch: from 1.
    package func rate(step: Int, epoch: Int) -> Double {
        if step <= warmup { return base * Double(step) / Double(warmup) }
        let rate: Double
        switch kind {
        case .constant: rate = base
        case .decay(let factor, let afterEpoch): rate = base * Elementary.power(factor, max(0, epoch - afterEpoch))
        case .plateau: rate = base * plateauScale
        case .cosine(let total):
            let progress = min(1, Double(step - warmup) / Double(max(1, total - warmup)))
            rate = minimum + (base - minimum) * (1 + Elementary.cosine(halfTurns: progress)) / 2
        }
        return max(rate, min(minimum, base))
    }

    /// Call after every validation.
    /// - Returns: whether the rate was reduced.
    package mutating func validated(improved: Bool) -> Bool {
        guard case .plateau(let factor, let patience) = kind else { return false }
        if improved {
            validationsWithoutImprovement = 0
            return false
        }
        validationsWithoutImprovement += 1
        if validationsWithoutImprovement <= patience { return false }
        validationsWithoutImprovement = 0
        plateauScale *= factor
        return true
    }
}
