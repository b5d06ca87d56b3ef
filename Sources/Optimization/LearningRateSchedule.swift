import Elementary

/// How the learning rate changes over a run. Its state is two numbers, saved with the checkpoint.
package struct LearningRateSchedule: Sendable, Equatable {
    package enum Name: String, Sendable, CaseIterable {
        case constant
        /// In epoch e (from 1): base * factor^max(0, e - afterEpoch) (Zaremba et al. 2014).
        case decay
        /// Multiplied by `factor` when the validation loss has not improved for more than `patience` validations in a row.
        case plateau
        /// Half a cosine from the base to the minimum at the last step (Loshchilov and Hutter 2017, without restarts).
        case cosine
    }

    /// What a run's configuration says of it. The initial values are its defaults; each name reads its own parameters.
    package struct Rule: Sendable, Equatable {
        package var name = Name.decay
        package var factor = 0.85
        package var afterEpoch = 1
        /// Validations without improvement that leave the rate unchanged.
        package var patience = 0
        /// Steps over which the rate rises linearly from base / warmupSteps; before any schedule.
        package var warmupSteps = 0
        /// The rate never falls below this.
        package var minimum = 0.0

        package init() {}

        private init(_ name: Name, _ change: (inout Rule) -> Void = { _ in }) {
            self.name = name
            change(&self)
        }

        package static let constant = Rule(.constant)

        package static func decay(factor: Double, afterEpoch: Int) -> Rule {
            Rule(.decay) { ($0.factor, $0.afterEpoch) = (factor, afterEpoch) }
        }

        package static func plateau(factor: Double, patience: Int, minimum: Double = 0) -> Rule {
            Rule(.plateau) { ($0.factor, $0.patience, $0.minimum) = (factor, patience, minimum) }
        }

        package static func cosine(warmupSteps: Int = 0, minimum: Double = 0) -> Rule {
            Rule(.cosine) { ($0.warmupSteps, $0.minimum) = (warmupSteps, minimum) }
        }
    }

    package let rule: Rule
    package let base: Double
    /// The steps of the whole run, where `cosine` ends.
    package let steps: Int

    /// Plateau: the product of the factors so far.
    package var plateauScale = 1.0
    /// Plateau: validations since the last improvement.
    package var validationsWithoutImprovement = 0

    package init(_ rule: Rule, base: Double, steps: Int) {
        self.rule = rule
        self.base = base
        self.steps = steps
    }

    /// - Parameters:
    ///   - step: global step, from 1.
    ///   - epoch: from 1.
    package func rate(step: Int, epoch: Int) -> Double {
        let (warmup, minimum) = (rule.warmupSteps, rule.minimum)
        if step <= warmup { return base * Double(step) / Double(warmup) }
        let rate: Double
        switch rule.name {
        case .constant: rate = base
        case .decay: rate = base * Elementary.power(rule.factor, max(0, epoch - rule.afterEpoch))
        case .plateau: rate = base * plateauScale
        case .cosine:
            let progress = min(1, Double(step - warmup) / Double(max(1, steps - warmup)))
            rate = minimum + (base - minimum) * (1 + Elementary.cosine(halfTurns: progress)) / 2
        }
        return max(rate, min(minimum, base))
    }

    /// Call after every validation.
    /// - Returns: whether the rate was reduced.
    package mutating func validated(improved: Bool) -> Bool {
        guard rule.name == .plateau else { return false }
        if improved {
            validationsWithoutImprovement = 0
            return false
        }
        validationsWithoutImprovement += 1
        if validationsWithoutImprovement <= rule.patience { return false }
        validationsWithoutImprovement = 0
        plateauScale *= rule.factor
        return true
    }
}
