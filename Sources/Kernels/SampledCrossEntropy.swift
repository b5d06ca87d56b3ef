import CProducts
import Elementary

/// The scores of one prediction's K noise samples, which become their gradient in place.
package struct SampleScores {
    /// [K].
    let values: UnsafeMutablePointer<Float>
    /// What is added to each score first: bias less correction, [K].
    let offsets: UnsafePointer<Float>
    /// To which each gradient is added, [K].
    let sums: UnsafeMutablePointer<Float>
    /// Which tokens the samples are, [K].
    let tokens: UnsafePointer<Int32>
    let count: Int  // K
    private let loops: lockstep_softmax

    package init(
        _ values: UnsafeMutablePointer<Float>, offsets: UnsafePointer<Float>, sums: UnsafeMutablePointer<Float>,
        tokens: UnsafePointer<Int32>, count: Int, using vectors: Vectors = .active
    ) {
        (self.values, self.offsets, self.sums, self.tokens, self.count) = (values, offsets, sums, tokens, count)
        loops = vectors.softmax
    }

    /// Before and after the loops, whose exponential of minus infinity is small, not 0.
    private func set(_ token: Int32, to value: Float) {
        for sample in 0..<count where tokens[sample] == token { values[sample] = value }
    }

    /// The cross-entropy among target and samples: -ln p_0, with p the softmax of all scores (Jean et al. 2015).
    /// docs/mathematics.md (33f).
    /// - Parameters:
    ///   - token: the target. Samples that are the same token count for nothing.
    ///   - target: its score with bias and correction; becomes its gradient.
    /// - Returns: the loss in nats.
    package func softmax(token: Int32, target: inout Float) -> Double {
        let (zero, sum, nats) = exponentiate(token, target)
        loops.scale(values, 1 / Float(sum), sums, count)
        target = Float(zero / sum - 1)
        return nats
    }

    /// BlackOut (Ji et al. 2016): -ln p_0 - sum ln (1 - p_j). docs/mathematics.md (33g).
    package func blackout(token: Int32, target: inout Float) -> Double {
        let (zero, sum, nats) = exponentiate(token, target)
        var (odds, product) = (0.0, 1.0)
        loops.odds(values, 1 / sum, count, &odds, &product)
        loops.blackout(values, 1 / sum, odds, sums, count)
        let p0 = zero / sum
        target = Float(p0 - 1 - p0 * odds)
        return nats - Elementary.logarithm(product)
    }

    /// Noise-contrastive estimation (Gutmann and Hyvärinen 2012; Mnih and Teh 2012) with the normaliser 1:
    /// -ln s(G_0) - sum ln s(-G_j), s the logistic function. docs/mathematics.md (33h).
    package func contrast(token: Int32, target: inout Float) -> Double {
        set(token, to: -.infinity)
        let e = Elementary.exponential(-Double(target.magnitude))
        var nats = Double(max(-target, 0)) + Elementary.logarithm(1 + e)
        for first in stride(from: 0, to: count, by: 512) {
            var (plain, product) = (0.0, 1.0)
            loops.contrast(values + first, offsets + first, sums + first, min(512, count - first), &plain, &product)
            nats += plain + Elementary.logarithm(product)
        }
        set(token, to: 0)
        target = Float(-(target < 0 ? 1 : e) / (1 + e))
        return nats
    }

    /// Scores become e^(score - largest).
    /// - Returns: that of the target, the sum over target and samples, and -ln p_0.
    private func exponentiate(_ token: Int32, _ target: Float) -> (target: Double, sum: Double, nats: Double) {
        set(token, to: -.infinity)
        let largest = max(target, loops.largest(values, offsets, count))
        let exponent = Double(target - largest)
        let zero = Elementary.exponential(exponent)
        let sum = zero + loops.exponentiate(values, offsets, largest, count)
        set(token, to: 0)
        return (zero, sum, Elementary.logarithm(sum) - exponent)
    }
}
