import Elementary
import Recurrent

/// Labels sequences: each of their tokens, or each as a whole. A sequence's labels do not depend on those beside it.
package final class Labeller {
    package struct Choice: Sendable, Equatable {
        package let label: Int
        package let probability: Double
    }

    private let predictor: RecurrentPredictor
    private var reader: SequenceBatchReader?
    private let labelsTokens: Bool

    /// Sequences read side by side at the most.
    private static let widest = 32

    /// - Parameter predictor: of a model that predicts labels.
    package init(_ predictor: RecurrentPredictor) {
        self.predictor = predictor
        labelsTokens = predictor.configuration.output.areTags
    }

    /// - Parameter sequences: of tokens; one without tokens has no labels.
    /// - Returns: for each sequence a choice for each token, or one choice.
    /// - Throws: `OutputNotFinite`, `KernelError`.
    package func label(_ sequences: [[Int32]]) throws -> [[Choice]] {
        var choices = sequences.map { _ in [Choice]() }
        let order = sequences.indices.filter { !sequences[$0].isEmpty }.sorted { sequences[$0].count < sequences[$1].count }
        var first = 0
        while first < order.count {
            // A long sequence has fewer beside it.
            var count = min(Labeller.widest, order.count - first)
            while count > 1, count > SequenceEvaluator.width(steps: sequences[order[first + count - 1]].count) { count -= 1 }
            let group = order[first..<first + count].map(\.self)
            first += count
            let reader = try SequenceBatchReader.room(in: &reader, for: predictor, width: count, steps: sequences[group.last!].count)
            try reader.read(group.map { sequences[$0].count }) { column, inputs, targets, stride in
                let tokens = sequences[group[column]]
                for (t, token) in tokens.enumerated() {
                    inputs[t * stride] = token
                    targets[t * stride] = labelsTokens || t == tokens.count - 1 ? 0 : -1
                }
            }
            try reader.predictions { column, _, logits in choices[group[column]].append(try Labeller.choice(logits)) }
        }
        return choices
    }

    /// The most probable label, and its softmax.
    private static func choice(_ logits: UnsafeMutableBufferPointer<Float>) throws -> Choice {
        let best = logits.indices.largest { logits[$0] }
        var sum = 0.0
        for logit in logits { sum += Elementary.exponential(Double(logit) - Double(logits[best])) }
        guard sum.isFinite, logits[best].isFinite else { throw OutputNotFinite() }
        return Choice(label: best, probability: 1 / sum)
    }
}
