import Glibc
import Randomness

/// A first-order Markov chain over tokens 0 ..< K whose entropy rate is known, so that a model trained on it has a
/// floor that no honest evaluation gets below (Shannon 1948, theorem 5 and section 7).
package struct MarkovSource: Sendable {
    /// `transitions[i][j]` is the probability of token j after token i.
    package let transitions: [[Double]]  // [K, K]
    package let stationary: [Double]  // [K]
    /// Nats per token.
    package let entropyRate: Double

    /// - Parameter transitions: rows sum to 1; every token reachable from every other.
    package init(transitions: [[Double]]) {
        precondition(transitions.allSatisfy { $0.count == transitions.count && abs($0.reduce(0, +) - 1) < 1e-12 })
        self.transitions = transitions
        let stationary = Self.stationary(of: transitions)
        self.stationary = stationary
        entropyRate = zip(stationary, transitions).reduce(0) { sum, row in
            sum - row.0 * row.1.reduce(0) { $1 > 0 ? $0 + $1 * log($1) : $0 }
        }
    }

    /// Row i is softmax(sharpness * standard normal numbers): 0 is uniform, 2 is about 1.2 nats below it at K = 20.
    package init(tokens: Int, sharpness: Double = 2, seed: UInt64) {
        var numbers = PhiloxSequence(seed: seed, purpose: .initialisation)
        self.init(
            transitions: (0..<tokens).map { _ in
                let weights = (0..<tokens).map { _ in exp(sharpness * numbers.normal()) }
                let total = weights.reduce(0, +)
                return weights.map { $0 / total }
            })
    }

    /// A sequence that starts in the stationary distribution.
    package func sample(_ count: Int, seed: UInt64) -> [Int32] {
        var numbers = PhiloxSequence(seed: seed, purpose: .sampling)
        var tokens: [Int32] = []
        tokens.reserveCapacity(count)
        var distribution = stationary
        for _ in 0..<count {
            var rest = numbers.uniform()
            // Rounding can leave a sliver above the last cumulated probability: it belongs to a possible token.
            let token = distribution.firstIndex { rest -= $0; return rest < 0 } ?? distribution.lastIndex { $0 > 0 }!
            tokens.append(Int32(token))
            distribution = transitions[token]
        }
        return tokens
    }

    /// Mean of -ln p(next | token) over this very sequence under the true chain: the entropy rate plus sampling noise.
    package func crossEntropy(of tokens: [Int32]) -> Double {
        let total = zip(tokens, tokens.dropFirst()).reduce(0) { $0 - log(transitions[Int($1.0)][Int($1.1)]) }
        return total / Double(tokens.count - 1)
    }

    /// Power iteration on (P + 1) / 2, which has the same fixed point and never oscillates.
    private static func stationary(of transitions: [[Double]]) -> [Double] {
        var current = Array(repeating: 1 / Double(transitions.count), count: transitions.count)
        while true {
            var next = current.map { $0 / 2 }
            for (probability, row) in zip(current, transitions) {
                for (token, transition) in row.enumerated() { next[token] += probability * transition / 2 }
            }
            let total = next.reduce(0, +)
            next = next.map { $0 / total }
            let change = zip(current, next).reduce(0) { $0 + abs($1.0 - $1.1) }
            current = next
            if change < 1e-14 { return current }
        }
    }
}
