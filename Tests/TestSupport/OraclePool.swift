import Glibc

/// One vector of a sequence's outputs, in double precision, and the gradient back to all of them.
package struct OraclePool: Sendable {
    package enum Kind: String, Sendable, CaseIterable { case last, mean, max }

    private let kind: Kind
    /// Columns of layers that read from the end, whose last state is that of the first position.
    private let reverse: [Range<Int>]
    private let tops: [[Double]]  // [T][H]
    let length: Int
    let target: Int

    /// - Parameter targets: one, at the sequence's last position; -1 elsewhere.
    init(_ kind: Kind, tops: [[Double]], targets: [Int], reverse: [Range<Int>] = []) {
        self.kind = kind
        self.reverse = reverse
        self.tops = tops
        let last = targets.firstIndex { $0 >= 0 }!
        (length, target) = (last + 1, targets[last])
    }

    private func last(_ j: Int) -> Int { reverse.contains { $0.contains(j) } ? 0 : length - 1 }
    private var columns: Range<Int> { 0..<tops[0].count }
    private func column(_ j: Int) -> [Double] { tops[..<length].map { $0[j] } }

    var pooled: [Double] {
        columns.map { j in
            switch kind {
            case .last: tops[last(j)][j]
            case .mean: column(j).reduce(0, +) / Double(length)
            case .max: column(j).max()!
            }
        }
    }

    func backward(_ gradient: [Double]) -> [[Double]] {
        tops.indices.map { t in
            columns.map { j in
                guard t < length else { return 0 }
                switch kind {
                case .last: return t == last(j) ? gradient[j] : 0
                case .mean: return gradient[j] / Double(length)
                case .max: return column(j).firstIndex(of: column(j).max()!) == t ? gradient[j] : 0
                }
            }
        }
    }
}

extension OracleModel {
    /// -ln softmax(logits)[target] and its gradient, softmax(logits) - 1[target]; both zero without a target.
    func crossEntropy(_ logits: [Double], target: Int) -> (loss: Double, gradient: [Double]) {
        guard target >= 0 else { return (0, Array(repeating: 0, count: logits.count)) }
        let largest = logits.max()!
        let sum = logits.reduce(0) { $0 + exp($1 - largest) }
        var gradient = logits.map { exp($0 - largest) / sum }
        gradient[target] -= 1
        return (log(sum) + largest - logits[target], gradient)
    }
}
