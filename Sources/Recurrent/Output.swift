/// What a network predicts.
package enum Output: Sendable, Equatable {
    /// The next token.
    case next
    /// A label for each token.
    case tags(labels: Int)
    /// A label for each sequence.
    case label(labels: Int, pooling: Pooling)
    /// Real numbers for each step at which there are some to predict: K of them.
    case values(Int)

    /// The number of labels; nil for tokens.
    package var labels: Int? {
        switch self {
        case .next, .values: nil
        case .tags(let labels), .label(let labels, _): labels
        }
    }

    /// Whether each token has a label.
    package var areTags: Bool { if case .tags = self { true } else { false } }
    /// Whether a sequence has one label as a whole.
    package var isOfSequences: Bool { if case .label = self { true } else { false } }

    /// The rows that the head reads.
    func rows(_ chunk: ChunkShape) -> ChunkShape { isOfSequences ? chunk.oneStep : chunk }
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

/// As in checkpoints: "tags, 72 labels", "class, 7 labels, mean", "values, 1 at a time"; nil for the next token.
extension Output {
    var text: String? {
        switch self {
        case .next: nil
        case .tags(let labels): "tags, \(labels) labels"
        case .label(let labels, let pooling): "class, \(labels) labels, \(pooling.rawValue)"
        case .values(let count): "values, \(count) at a time"
        }
    }

    /// - Returns: nil for a text that is not of this form.
    package init?(text: String) {
        let parts = text.split(separator: ", ", omittingEmptySubsequences: false)
        guard parts.count >= 2, let labels = parts[1].split(separator: " ").first.flatMap({ Int($0) }), 1...Output.mostLabels ~= labels else { return nil }
        switch (parts[0], parts.count) {
        case ("tags", 2): self = .tags(labels: labels)
        case ("values", 2): self = .values(labels)
        case ("class", 3):
            guard let pooling = Pooling(rawValue: String(parts[2])) else { return nil }
            self = .label(labels: labels, pooling: pooling)
        default: return nil
        }
        guard self.text == text else { return nil }
    }

    private static let mostLabels = 1 << 16
}
