import Elementary

/// What a loss is the mean of, which says what is shown beside it: a perplexity is one of tokens.
package enum LossMeasure: Sendable, CaseIterable {
    /// Nats per token.
    case tokens
    /// Nats per label.
    case labels
    /// Squared error of the values predicted.
    case values

    /// What is predicted, in the plural: what the counts of a run are counts of.
    package var noun: String {
        switch self {
        case .tokens: "tokens"
        case .labels: "labels"
        case .values: "predictions"
        }
    }

    /// Of the loss.
    package var unit: String {
        switch self {
        case .tokens: "nats per token"
        case .labels: "nats per label"
        case .values: "mean squared error"
        }
    }

    /// exp(loss); nil unless the loss is of tokens.
    package func perplexity(_ loss: Double) -> Double? { self == .tokens ? Elementary.exponential(loss) : nil }

    /// The root of the mean squared error, in the unit of the values; nil unless the loss is of values.
    package func root(_ loss: Double) -> Double? { self == .values ? loss.squareRoot() : nil }
}
