import Foundation

/// The model's shape, for programs that read checkpoints but not YAML.
package struct ModelSummary: Codable, Equatable, Sendable {
    package var cell: String
    package var activation: String
    package var layers: Int
    package var embedding: Int
    /// Of the lowest layer.
    package var hidden: Int
    /// Of each layer, where they differ.
    package var hiddenSizes: [Int]?
    package var tied: Bool
    package var vocabularySize: Int
    /// Further choices about the layers, by name, where they differ from the default; nil if none does.
    package var options: [String: String]?
    /// Nil if the state is carried over line ends.
    package var lineEnd: LineEnd?
    /// By id; nil for a model that predicts tokens.
    package var labels: [String]?

    /// What happens where a line ends.
    package struct LineEnd: Codable, Equatable, Sendable {
        /// "cut" or "reset", as `training.line_end`.
        package var rule: String
        /// The id of the token that ends a line.
        package var token: Int

        package init(rule: String, token: Int) {
            self.rule = rule
            self.token = token
        }
    }

    /// The length of the longest n-grams; nil for a network. An n-gram model has no layers, and 0 for their sizes.
    package var order: Int?

    package init(ngramOrder order: Int, vocabularySize: Int) {
        self.init(cell: Manifest.ngram, activation: "", embedding: 0, hidden: [0], tied: false, vocabularySize: vocabularySize)
        layers = 0
        self.order = order
    }

    package init(
        cell: String, activation: String, embedding: Int, hidden: [Int], tied: Bool, vocabularySize: Int,
        options: [String: String]? = nil, lineEnd: LineEnd? = nil, labels: [String]? = nil
    ) {
        self.cell = cell
        self.activation = activation
        layers = hidden.count
        self.embedding = embedding
        self.hidden = hidden[0]
        hiddenSizes = Set(hidden).count > 1 ? hidden : nil
        self.tied = tied
        self.vocabularySize = vocabularySize
        self.options = options
        self.lineEnd = lineEnd
        self.labels = labels
    }

    static let sizes = 1...Int(Int32.max)

    /// A size that no model of the kind has, as in "layers 0".
    func impossibleSize(kind: String) -> String? {
        let layerSizes = [("layers", layers), ("embedding", embedding), ("hidden", hidden)]
            + (hiddenSizes ?? []).map { ("hidden_sizes", $0) }
        let own = kind == Manifest.ngram ? [("order", order ?? 0)] : layerSizes
        return ([("vocabulary_size", vocabularySize)] + own).first { !ModelSummary.sizes.contains($0.1) }.map { "\($0.0) \($0.1)" }
    }

    private enum CodingKeys: String, CodingKey {
        case cell, activation, layers, embedding, hidden, tied, options, order, labels
        case hiddenSizes = "hidden_sizes"
        case vocabularySize = "vocabulary_size"
        case lineEnd = "line_end"
    }
}

extension ModelSummary {
    /// The key of a description in the metadata of a file of weights.
    package static let metadataKey = "lockstep"

    /// The description in the form in which a file of weights carries it, since not all of it shows in names and shapes; empty for
    /// an n-gram model, which has no weights.
    var metadata: [String: String] {
        get throws {
            if order != nil { return [:] }
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return [ModelSummary.metadataKey: String(decoding: try encoder.encode(self), as: UTF8.self)]
        }
    }

    /// What a file of weights says of its model, as lockstep writes it; nil if it says nothing.
    /// - Throws: `SafetensorsError.badDescription`.
    package init?(describing file: SafetensorsFile) throws {
        guard let text = file.metadata[ModelSummary.metadataKey] else { return nil }
        guard let summary = try? JSONDecoder().decode(ModelSummary.self, from: Data(text.utf8)), summary.order == nil,
            summary.impossibleSize(kind: Manifest.recurrent) == nil
        else { throw SafetensorsError.badDescription(file: file.path) }
        self = summary
    }
}
