import Randomness

/// How many time steps each training step unrolls.
package struct UnrollPlan: Sendable, Equatable {
    /// The configured unroll length T.
    package let base: Int
    /// nil: always T.
    private let seed: UInt64?

    package init(fixed length: Int) {
        precondition(length > 0)
        base = length
        seed = nil
    }

    /// Random lengths as in Merity, Keskar and Socher 2018, "Regularizing and optimizing LSTM language models", section
    /// 5, so that chunks do not end at the same tokens in every epoch. Mean T with probability 0.95 and T/2
    /// otherwise; standard deviation 5; from 5 to `maximumLength`.
    package init(random length: Int, seed: UInt64) {
        precondition(length > 0)
        base = length
        self.seed = seed
    }

    /// The longest possible chunk, for the size of buffers.
    package var maximumLength: Int { seed == nil ? base : base + 20 }

    /// The length of a training step's chunk, before the end of the epoch shortens it.
    /// - Parameter step: the global step: all ranks, and a resumed run, draw the same.
    package func length(atStep step: Int) -> Int {
        guard let seed else { return base }
        var random = PhiloxSequence(seed: seed, purpose: .unrollLength, stream: UInt64(step))
        let mean = random.uniform() < 0.95 ? Double(base) : Double(base) / 2
        return min(max(5, Int((mean + 5 * random.normal()).rounded())), maximumLength)
    }

    /// The factor on the learning rate for a chunk of `steps` steps: `steps / T` if lengths are random, so that a
    /// short chunk counts less than a long one; 1 if they are fixed.
    package func learningRateScale(steps: Int) -> Double {
        seed == nil ? 1 : Double(steps) / Double(base)
    }
}
