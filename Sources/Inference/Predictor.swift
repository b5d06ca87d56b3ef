import Elementary

/// A token that may come next.
package struct Candidate: Sendable, Equatable {
    package let token: Int
    /// The probability among the permitted tokens.
    package let probability: Double
}

/// Predicts the token after a text.
package final class Predictor {
    private let predictor: any TokenPredictor

    /// - Throws: `KernelError`.
    package init(_ predictor: any TokenPredictor) throws {
        self.predictor = predictor
        try predictor.reserve(streams: 1, steps: Scorer.chunkLength)
    }

    /// The candidates, most probable first; of equal ones, the lower id first.
    /// - Parameters:
    ///   - tokens: the text, read from its start; at least one.
    ///   - isAllowed: which tokens are permitted; the probabilities are the softmax over their logits.
    /// - Throws: `OutputNotFinite`, `KernelError`.
    package func candidates(after tokens: [Int32], where isAllowed: (Int) -> Bool) throws -> [Candidate] {
        precondition(!tokens.isEmpty)
        predictor.reset(streams: 1)
        for first in stride(from: 0, to: tokens.count, by: Scorer.chunkLength) {
            let chunk = Array(tokens[first..<min(first + Scorer.chunkLength, tokens.count)])
            try predictor.read(chunk, steps: chunk.count)
        }
        let logits = try predictor.logits(ofStream: 0)
        guard logits.allSatisfy(\.isFinite) else { throw OutputNotFinite() }
        let ranked = logits.indices.filter(isAllowed).sorted { (logits[$0], $1) > (logits[$1], $0) }
        guard let best = ranked.first else { return [] }
        let weights = ranked.map { Elementary.exponential(Double(logits[$0]) - Double(logits[best])) }
        let total = weights.reduce(0, +)
        return zip(ranked, weights).map { Candidate(token: $0, probability: $1 / total) }
    }
}
