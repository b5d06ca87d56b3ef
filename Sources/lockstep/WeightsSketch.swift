import Checkpoints
import Corpus
import Diagnostics
import Inference
import Recurrent

/// The model that a .safetensors file describes, or its names and shapes do, and the vocabulary that goes with it.
struct WeightsSketch: Encodable {
    /// More than one where the file does not tell.
    let cells: [String]
    let layers: Int
    let embedding: Int
    let hidden: Int
    /// Where they differ.
    let hiddenSizes: [Int]?
    let options: [String: String]?
    let tied: Bool
    let vocabularySize: Int
    let vocabulary: VocabularySketch?

    struct VocabularySketch: Encodable {
        let level: String
        let hash: String
    }

    /// - Parameter vocabulary: the one that should go with the weights.
    /// - Throws: `SafetensorsError`, `ModelFileError` where the file holds no model; `OtherSize`; as `Vocabulary.open`.
    init(_ file: SafetensorsFile, _ shape: ShapeOptions, vocabulary: String?) throws {
        let candidates = try shape.cell.map { [$0] } ?? ModelFile.cells(in: file)
        let model = try ModelFile.configuration(of: file, cell: candidates[0], connections: shape.connections)
        cells = candidates.map(\.rawValue)
        let summary = ModelSummary(model)
        layers = model.layers
        embedding = model.embedding
        (hidden, hiddenSizes, options) = (summary.hidden, summary.hiddenSizes, summary.options)
        tied = model.tied
        vocabularySize = model.vocabulary
        self.vocabulary = try vocabulary.map { path in
            let vocabulary = try Vocabulary.open(path) { Failure.say("note: \($0)") }
            guard vocabulary.count == model.vocabulary else {
                throw OtherSize(file: path, model: file.path, expected: model.vocabulary, found: vocabulary.count)
            }
            return VocabularySketch(level: vocabulary.level.rawValue, hash: vocabulary.hash)
        }
    }

    var text: String {
        let model = ModelSummary(
            cell: cells.joined(separator: " or "), activation: "", embedding: embedding,
            hidden: hiddenSizes ?? Array(repeating: hidden, count: layers), tied: tied, vocabularySize: vocabularySize,
            options: options)
        let fit = vocabulary.map { [["fits", "a vocabulary of level \($0.level), SHA-256 \($0.hash)"]] } ?? []
        return table([["model", model.text]] + fit, textColumns: [0, 1])
    }
}
