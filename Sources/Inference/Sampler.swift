import Kernels
import Randomness

/// How the next token is drawn from the model's distribution.
package struct SamplingOptions: Sendable {
    /// Logits are divided by this; 0 always takes the most probable token.
    package var temperature: Double
    /// Only the k most probable tokens; nil: all.
    package var topK: Int?
    /// Only the smallest set of most probable tokens whose probabilities reach p (Holtzman et al. 2020); nil: all.
    package var topP: Double?

    package init(temperature: Double = 1, topK: Int? = nil, topP: Double? = nil) {
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
    }
}

/// Draws tokens, reproducibly from a seed.
package struct Sampler {
    private let options: SamplingOptions
    private var random: PhiloxSequence

    package init(_ options: SamplingOptions, seed: UInt64) {
        self.options = options
        random = PhiloxSequence(seed: seed, purpose: .sampling)
    }

    /// - Parameters:
    ///   - logits: [V], in a `Buffer`, since vectors are loaded beyond the last one; overwritten.
    ///   - excluded: a token never to draw.
    package mutating func draw(_ logits: UnsafeMutableBufferPointer<Float>, excluded: Int?) -> Int {
        let values = logits.baseAddress!
        if let excluded { values[excluded] = -.infinity }
        if options.temperature == 0 { return mostProbable(logits) }
        // A temperature that single precision cannot tell from zero takes the most probable token; one beyond it must not
        // make the excluded token's product of infinity and zero.
        let scale = max(Float(1 / options.temperature), .leastNormalMagnitude)
        if !scale.isFinite { return mostProbable(logits) }
        // Subtracting the largest first keeps a tiny temperature from overflowing.
        let largest = values[mostProbable(logits)]
        for i in logits.indices { values[i] = (values[i] - largest) * scale }
        softmax(values, count: logits.count)

        guard options.topK != nil || options.topP != nil else { return draw(logits, from: logits.indices) }
        var candidates = logits.indices.sorted { (values[$0], $1) > (values[$1], $0) }
        if let k = options.topK { candidates = Array(candidates.prefix(k)) }
        if let p = options.topP {
            var mass = 0.0
            let kept = candidates.prefix { candidate in
                defer { mass += Double(values[candidate]) }
                return mass < p
            }
            // Of a probability that is flushed to zero the first one still stays.
            candidates = kept.isEmpty ? [candidates[0]] : Array(kept)
        }
        return draw(logits, from: candidates)
    }

    private mutating func draw(
        _ probabilities: UnsafeMutableBufferPointer<Float>, from candidates: some Collection<Int>
    ) -> Int {
        let total = candidates.reduce(0.0) { $0 + Double(probabilities[$1]) }
        var threshold = random.uniform() * total
        var last = candidates.first!
        for candidate in candidates where probabilities[candidate] > 0 {
            last = candidate
            threshold -= Double(probabilities[candidate])
            if threshold < 0 { break }
        }
        return last
    }

    private func mostProbable(_ logits: UnsafeMutableBufferPointer<Float>) -> Int {
        var best = 0
        for i in logits.indices where logits[i] > logits[best] { best = i }
        return best
    }
}
