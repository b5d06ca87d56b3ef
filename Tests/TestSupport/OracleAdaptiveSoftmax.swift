import Foundation

/// Adaptive softmax (Grave et al. 2017) in double precision, from its definition: the probability of a tail's token is that of the
/// tail in the head times that of the token in the tail.
package struct OracleAdaptiveSoftmax: Sendable {
    package let vocabulary: Int
    package let cutoffs: [Int]
    package let projections: [Int]
    /// H.
    package let width: Int
    /// Row-major: `head.weight` [first cutoff + tails, H], `tail.i.0.weight` [P, H], `tail.i.1.weight` [C, P].
    package let parameters: [String: [Double]]

    package init(vocabulary: Int, cutoffs: [Int], projections: [Int], width: Int, parameters: [String: [Double]]) {
        (self.vocabulary, self.cutoffs, self.projections, self.width) = (vocabulary, cutoffs, projections, width)
        self.parameters = parameters
    }

    /// ln p of every token [V].
    package func logProbabilities(_ h: [Double]) -> [Double] {
        let head = logSoftmax(product("head.weight", h))
        return (0..<vocabulary).map { token in
            guard let (tail, place) = tail(of: token) else { return head[token] }
            let own = logSoftmax(product("tail.\(tail).1.weight", product("tail.\(tail).0.weight", h)))
            return head[cutoffs[0] + tail] + own[place]
        }
    }

    /// -ln p(target), and its gradient with respect to h and all parameters, by the chain rule.
    package func loss(_ h: [Double], target: Int) -> (loss: Double, hidden: [Double], gradients: [String: [Double]]) {
        var gradients: [String: [Double]] = [:]
        let place = tail(of: target)
        let head = logSoftmax(product("head.weight", h))
        let headTarget = place.map { cutoffs[0] + $0.tail } ?? target
        let headDeltas = deltas(head, headTarget)
        gradients["head.weight"] = outer(headDeltas, h)
        var hidden = transposed("head.weight", headDeltas, columns: width)
        guard let (tail, index) = place else { return (-head[headTarget], hidden, gradients) }
        let projected = product("tail.\(tail).0.weight", h)
        let own = logSoftmax(product("tail.\(tail).1.weight", projected))
        let ownDeltas = deltas(own, index)
        gradients["tail.\(tail).1.weight"] = outer(ownDeltas, projected)
        let below = transposed("tail.\(tail).1.weight", ownDeltas, columns: projections[tail])
        gradients["tail.\(tail).0.weight"] = outer(below, h)
        hidden = zip(hidden, transposed("tail.\(tail).0.weight", below, columns: width)).map { $0 + $1 }
        return (-head[headTarget] - own[index], hidden, gradients)
    }

    private func tail(of token: Int) -> (tail: Int, place: Int)? {
        cutoffs.lastIndex { $0 <= token }.map { ($0, token - cutoffs[$0]) }
    }

    private func product(_ name: String, _ x: [Double]) -> [Double] {
        let weights = parameters[name]!
        return stride(from: 0, to: weights.count, by: x.count).map { row in
            x.indices.reduce(0) { $0 + weights[row + $1] * x[$1] }
        }
    }

    private func transposed(_ name: String, _ d: [Double], columns: Int) -> [Double] {
        (0..<columns).map { column in d.indices.reduce(0) { $0 + parameters[name]![$1 * columns + column] * d[$1] } }
    }

    private func outer(_ a: [Double], _ b: [Double]) -> [Double] { a.flatMap { a in b.map { a * $0 } } }

    private func deltas(_ logProbabilities: [Double], _ target: Int) -> [Double] {
        logProbabilities.enumerated().map { exp($1) - ($0 == target ? 1 : 0) }
    }

    private func logSoftmax(_ y: [Double]) -> [Double] {
        let largest = y.max()!
        let constant = largest + log(y.reduce(0) { $0 + exp($1 - largest) })
        return y.map { $0 - constant }
    }
}
