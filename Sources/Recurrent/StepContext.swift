import Kernels

/// Which step of the run a pass belongs to. Everything random in it, which is what draws masks, is a function of seed and step,
/// and of the value's own place.
package struct StepContext: Sendable {
    package let seed: UInt64
    /// From 1, so that each step has masks of its own.
    package let step: Int

    package init(seed: UInt64, step: Int) {
        self.seed = seed
        self.step = step
    }
}

/// Where values are dropped, and how many: site 0 is the embedding's output, site i the output of layer i, counted from 1.
package struct DropoutPlan: Sendable {
    /// The probability of zeroing a value, by site.
    private let rates: [Float]

    package init(_ model: ModelConfiguration) { rates = Array(repeating: model.dropout, count: model.layers + 1) }

    var dropsAny: Bool { rates.contains { $0 > 0 } }

    /// The mask of a site in a step.
    func mask(_ site: Int, _ context: StepContext) -> Dropout {
        Dropout(rate: rates[site], seed: context.seed, step: context.step)
    }
}
