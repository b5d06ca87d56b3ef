import NGram
import Reporting

/// What an ARPA file holds.
struct NGramSketch: Encodable {
    /// How many n-grams of each length.
    let ngrams: [Int]
    /// Words that can come next.
    let vocabularySize: Int
    /// What a user should know of the file.
    let notes: [String]

    private enum CodingKeys: String, CodingKey {
        case ngrams, notes
        case vocabularySize = "vocabulary_size"
    }

    init(_ file: ARPAFile) {
        ngrams = file.model.levels.map(\.count)
        vocabularySize = file.model.wordSet.vocabularySize
        notes = file.notes
    }

    var text: String {
        let model = "\(ngrams.count)-gram, vocabulary \(Formatting.count(vocabularySize)): \(NGramSketch.text(ngrams))"
        return table([["model", model]] + notes.map { ["note", $0] }, textColumns: [0, 1])
    }

    /// "5 + 7 + 7 n-grams".
    static func text(_ counts: [Int]) -> String { counts.map(Formatting.count).joined(separator: " + ") + " n-grams" }
}
