/// What a network predicts.
package enum Output: Sendable, Equatable {
    /// The next token.
    case next
    /// A label for each token.
    case tags(labels: Int)
    /// A label for each sequence.
    case label(labels: Int, pooling: Pooling)

    /// The number of labels; nil for tokens.
    package var labels: Int? {
        switch self {
        case .next: nil
        case .tags(let labels), .label(let labels, _): labels
        }
    }

    /// The rows that the head reads.
    func rows(_ chunk: ChunkShape) -> ChunkShape { if case .label = self { chunk.oneStep } else { chunk } }
}

/// What a classifier reads of a sequence's hidden vectors.
package enum Pooling: String, Sendable, CaseIterable {
    /// The last one.
    case last
    /// Their mean.
    case mean
    /// The largest value of each component.
    case max
}
