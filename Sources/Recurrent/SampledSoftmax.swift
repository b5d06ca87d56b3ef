import Elementary
import Kernels
import Randomness

/// Training of a softmax on K noise samples in place of all tokens (Ji et al. 2016). Every step draws them again, the same for all of
/// its predictions on all ranks. In evaluation and in files the model is one with a full softmax.
package struct SampledSoftmax: Sendable, Equatable {
    /// What takes the place of the cross-entropy. docs/mathematics.md (33f) to (33i).
    package enum Loss: String, Sendable, CaseIterable {
        /// Discriminative training (Ji et al. 2016).
        case blackout
        /// Noise-contrastive estimation (Gutmann and Hyvärinen 2012; Mnih and Teh 2012), with the normaliser 1.
        case nce
        /// The cross-entropy among target and samples (Jean et al. 2015).
        case softmax
    }

    package var loss: Loss
    /// K.
    package var samples: Int
    /// a: noise is drawn in proportion to count^a.
    package var power: Double
    /// How often each token occurs in the training text [V].
    package var counts: [Int]

    package init(loss: Loss, samples: Int, power: Double, counts: [Int]) {
        (self.loss, self.samples, self.power, self.counts) = (loss, samples, power, counts)
    }
}

/// The noise distribution. A token that does not occur is no noise; as a target it counts like one that occurs once.
struct NoiseShares {
    /// count^a, and their sum over the tokens that occur.
    private let weights: [Double]
    private var sum = 0.0
    /// The sums up to and with each token.
    private(set) var cumulative: [Double] = []

    init(_ softmax: SampledSoftmax) {
        weights = softmax.counts.map { Elementary.exponential(softmax.power * Elementary.logarithm(Double(max(1, $0)))) }
        cumulative.reserveCapacity(weights.count)
        for (count, weight) in zip(softmax.counts, weights) {
            sum += count == 0 ? 0 : weight
            cumulative.append(sum)
        }
    }

    /// ln (factor q) of a token.
    func logarithm(_ token: Int, times factor: Double = 1) -> Float { Float(Elementary.logarithm(factor * weights[token] / sum)) }
}

/// The samples of a step: a function of seed and step.
package final class NoiseSamples {
    /// [K].
    package let tokens: Integers
    /// What is subtracted from a token's score, ln q, or ln (K q) for NCE, [V].
    package let corrections: Buffer
    private let sums: Buffer  // [V] in double precision: cumulative shares

    static func values(_ softmax: SampledSoftmax) -> Double { Double(softmax.samples) + 3 * Double(softmax.counts.count) }

    package init(_ softmax: SampledSoftmax) {
        tokens = Integers(count: softmax.samples)
        corrections = Buffer(count: softmax.counts.count)
        sums = Buffer(count: 2 * softmax.counts.count)
        let noise = NoiseShares(softmax)
        let factor = softmax.loss == .nce ? Double(softmax.samples) : 1
        for token in softmax.counts.indices {
            cumulative[token] = noise.cumulative[token]
            corrections.base[token] = noise.logarithm(token, times: factor)
        }
    }

    private var cumulative: UnsafeMutablePointer<Double> { sums.doubles }

    package func draw(_ context: StepContext) {
        var random = PhiloxSequence(seed: context.seed, purpose: .noise, stream: UInt64(context.step))
        let count = corrections.count
        for sample in 0..<tokens.count {
            let place = random.uniform() * cumulative[count - 1]
            // The first token whose cumulative share is above the place.
            var (low, high) = (0, count - 1)
            while low < high {
                let middle = (low + high) / 2
                if cumulative[middle] > place { high = middle } else { low = middle + 1 }
            }
            tokens[sample] = Int32(low)
        }
    }
}

extension SampledSoftmax.Loss {
    /// The loss of one prediction, in nats, and its gradient in place of the scores.
    /// - Parameters:
    ///   - token: the target.
    ///   - target: its score with bias and correction; becomes its gradient.
    package func differentiate(_ token: Int32, target: inout Float, _ samples: SampleScores) -> Double {
        switch self {
        case .blackout: samples.blackout(token: token, target: &target)
        case .nce: samples.contrast(token: token, target: &target)
        case .softmax: samples.softmax(token: token, target: &target)
        }
    }
}
