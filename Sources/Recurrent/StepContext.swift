import Kernels

/// Which step of the run a pass belongs to. Everything random in it, which is what draws masks, is a function of seed and step,
/// and of the value's own place.
package struct StepContext: Sendable, Equatable {
    package let seed: UInt64
    /// From 1, so that each step has masks of its own.
    package let step: Int

    package init(seed: UInt64, step: Int) {
        self.seed = seed
        self.step = step
    }
}
