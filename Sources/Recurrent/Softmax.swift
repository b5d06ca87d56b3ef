import Elementary

/// How the head turns the uppermost layer's output into the probabilities of the next token. A kind is a file: the head, and what
/// describes it. It is registered by its place here.
package enum Softmax: Sendable, Equatable {
    /// One product with every token's weights.
    case full
    case adaptive(AdaptiveSoftmax)
    /// The full one, trained on samples.
    case sampled(SampledSoftmax)

    /// What stands at the top.
    func head(training: Bool) -> any Head.Type {
        switch self {
        case .full: SoftmaxHead.self
        case .adaptive: AdaptiveHead.self
        case .sampled: training ? SampledHead.self : SoftmaxHead.self
        }
    }

    /// Whether the head's weights may be the embedding. The tails of an adaptive softmax are narrower.
    package var canBeTied: Bool { if case .adaptive = self { false } else { true } }

    /// The output bias before training. NCE takes e^y for a probability, so its model starts as the noise; with a bias of 0 each
    /// token would start at probability 1. docs/mathematics.md, Sampled training.
    var initialBias: InitialValues {
        if case .sampled(let softmax) = self, softmax.loss == .nce { .noise(softmax) } else { .constant(0) }
    }

    /// Whether training touches some rows of the weights only.
    var isSampled: Bool { if case .sampled = self { true } else { false } }
}

/// The clusters of an adaptive softmax (Grave et al. 2017): the ids below the first cutoff are the head's, those from one cutoff to
/// the next a tail's. The last tail ends with the vocabulary. docs/mathematics.md (33a) to (33d).
package struct AdaptiveSoftmax: Sendable {
    /// The first id of each tail, ascending.
    package let cutoffs: [Int]
    /// P of each tail, the width to which it projects the hidden values.
    package let projections: [Int]
    /// The share of the predictions that lie in each tail: what is expected of the text, for the count of products.
    package var shares: [Double]

    /// - Parameters:
    ///   - vocabulary: V, which lies beyond the last cutoff.
    ///   - shares: nil for those of Zipf's law, 1 / rank.
    package init(cutoffs: [Int], projections: [Int], vocabulary: Int, shares: [Double]? = nil) {
        self.cutoffs = cutoffs
        self.projections = projections
        self.shares = shares ?? AdaptiveSoftmax.zipf(cutoffs, vocabulary: vocabulary)
    }

    /// P of each tail for a given divisor, as `torch.nn.AdaptiveLogSoftmaxWithLoss` has it: H / divisor^(i + 1), rounded down.
    package static func projections(width: Int, divisor: Double, tails: Int) -> [Int] {
        var power = 1.0
        return (0..<tails).map { _ in
            power *= divisor
            return Int(Double(width) / power)
        }
    }

    /// The ids of each tail.
    package func tails(_ vocabulary: Int) -> [Range<Int>] {
        zip(cutoffs, cutoffs.dropFirst() + [vocabulary]).map { $0..<$1 }
    }

    /// Whether these are clusters of a vocabulary of this size.
    package func fits(vocabulary: Int) -> Bool {
        let bounds = [0] + cutoffs + [vocabulary]
        return !cutoffs.isEmpty && projections.count == cutoffs.count && projections.allSatisfy { $0 > 0 }
            && zip(bounds, bounds.dropFirst()).allSatisfy { $0 < $1 }
    }

    /// The share of each tail where token r occurs in proportion to 1 / (r + 1).
    private static func zipf(_ cutoffs: [Int], vocabulary: Int) -> [Double] {
        // The sum of 1/1 ... 1/n, to a few digits.
        func harmonic(_ n: Int) -> Double { n < 1 ? 0 : Elementary.logarithm(Double(n)) + 0.5772156649 + 0.5 / Double(n) }
        return zip(cutoffs, cutoffs.dropFirst() + [vocabulary]).map { (harmonic($1) - harmonic($0)) / harmonic(vocabulary) }
    }
}

/// The shares only say what is expected.
extension AdaptiveSoftmax: Equatable {
    package static func == (a: AdaptiveSoftmax, b: AdaptiveSoftmax) -> Bool {
        a.cutoffs == b.cutoffs && a.projections == b.projections
    }
}

/// As in checkpoints: "adaptive, cutoffs 2000 10000, projections 50 12".
extension AdaptiveSoftmax {
    static let name = "adaptive"

    var text: String {
        func list(_ numbers: [Int]) -> String { numbers.map(String.init).joined(separator: " ") }
        return "\(AdaptiveSoftmax.name), cutoffs \(list(cutoffs)), projections \(list(projections))"
    }

    /// - Returns: nil for a text that is not of this form, or says clusters that do not fit.
    init?(text: String, vocabulary: Int) {
        let parts = text.split(separator: ", ", omittingEmptySubsequences: false).map { $0.split(separator: " ") }
        guard parts.count == 3, parts[0] == [Substring(AdaptiveSoftmax.name)], parts[1].first == "cutoffs", parts[2].first == "projections"
        else { return nil }
        let (cutoffs, projections) = (parts[1].dropFirst().map { Int($0) }, parts[2].dropFirst().map { Int($0) })
        self.init(cutoffs: cutoffs.compactMap(\.self), projections: projections.compactMap(\.self), vocabulary: vocabulary)
        guard self.text == text, fits(vocabulary: vocabulary) else { return nil }
    }
}
