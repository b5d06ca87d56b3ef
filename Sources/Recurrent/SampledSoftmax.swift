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

/// The noise distribution, and the samples of a step: a function of seed and step.
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
        // A token that does not occur is no noise; as a target it counts like one that occurs once.
        let weights = softmax.counts.map { Elementary.exponential(softmax.power * Elementary.logarithm(Double(max(1, $0)))) }
        var sum = 0.0
        for (token, weight) in weights.enumerated() {
            sum += softmax.counts[token] == 0 ? 0 : weight
            cumulative[token] = sum
        }
        let factor = softmax.loss == .nce ? Double(softmax.samples) : 1
        for (token, weight) in weights.enumerated() { corrections.base[token] = Float(Elementary.logarithm(factor * weight / sum)) }
    }

    private var cumulative: UnsafeMutablePointer<Double> {
        UnsafeMutableRawPointer(sums.base).assumingMemoryBound(to: Double.self)
    }

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
    /// The loss of one row, in nats, and its gradient in place of the scores.
    /// - Parameters:
    ///   - target: the target's corrected score; becomes its gradient.
    ///   - scores: the samples' corrected scores [K]; minus infinity for one that is the target itself, which counts for nothing.
    package func differentiate(target: inout Float, _ scores: UnsafeMutablePointer<Float>, count: Int) -> Double {
        self == .nce ? contrast(&target, scores, count) : discriminate(&target, scores, count)
    }

    /// -ln s(G_0) - sum ln s(-G_j), s the logistic function.
    private func contrast(_ target: inout Float, _ scores: UnsafeMutablePointer<Float>, _ count: Int) -> Double {
        var nats = LogarithmicSum()
        nats.addSoftplus(-Double(target))
        target = Float(-1 / (1 + Elementary.exponential(Double(target))))
        for j in 0..<count {
            nats.addSoftplus(Double(scores[j]))
            scores[j] = Float(1 / (1 + Elementary.exponential(-Double(scores[j]))))
        }
        return nats.total
    }

    /// With p the softmax of all scores: -ln p_0, and for BlackOut - sum ln (1 - p_j) in addition.
    private func discriminate(_ target: inout Float, _ scores: UnsafeMutablePointer<Float>, _ count: Int) -> Double {
        var largest = target
        for j in 0..<count { largest = max(largest, scores[j]) }
        let zero = Elementary.exponential(Double(target - largest))
        var sum = zero
        for j in 0..<count {
            let e = Elementary.exponential(Double(scores[j] - largest))
            scores[j] = Float(e)
            sum += e
        }
        var nats = LogarithmicSum()
        nats.plain = Elementary.logarithm(sum) - Double(target - largest)
        let p0 = zero / sum
        guard self == .blackout else {
            for j in 0..<count { scores[j] = Float(Double(scores[j]) / sum) }
            target = Float(p0 - 1)
            return nats.plain
        }
        var odds = 0.0
        for j in 0..<count {
            let p = Double(scores[j]) / sum
            // One sample with all of the probability would cost an infinite loss.
            let rest = max(1 - p, 0x1p-40)
            odds += p / rest
            nats.subtract(rest)
        }
        for j in 0..<count {
            let p = Double(scores[j]) / sum
            scores[j] = Float(p + p / max(1 - p, 0x1p-40) - p * odds)
        }
        target = Float(p0 - 1 - p0 * odds)
        return nats.total
    }
}

/// A sum of logarithms, most of them taken of products.
private struct LogarithmicSum {
    var plain = 0.0
    private var product = 1.0

    mutating func add(_ x: Double) {
        product *= x
        fold()
    }

    /// ln (1 + e^x) = x + ln (1 + e^-x), for an x of any size.
    mutating func addSoftplus(_ x: Double) {
        if x > 0 { plain += x }
        add(1 + Elementary.exponential(-x.magnitude))
    }

    mutating func subtract(_ x: Double) {
        product /= x
        fold()
    }

    private mutating func fold() {
        guard product > 0x1p500 || product < 0x1p-500 else { return }
        plain += Elementary.logarithm(product)
        product = 1
    }

    var total: Double { plain + Elementary.logarithm(product) }
}
