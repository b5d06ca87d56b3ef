import Corpus
import Diagnostics
import Foundation
import Inference
import Recurrent
import TestSupport
import Testing

/// Word vectors of other programs.
@Suite struct PretrainedVectorsTests {
    private static let vocabulary = Vocabulary(
        words: ["<eos>", "<unk>", "the", "King", "king", "Sea", ". ."].map { Array($0.utf8) }, endOfSentence: 0, unknown: 1)

    private static func read(_ text: String, width: Int = 2) throws -> PretrainedVectors {
        try withTemporaryFolder { folder in
            let path = "\(folder)/vectors.txt"
            try Data(text.utf8).write(to: URL(filePath: path))
            return try PretrainedVectors(contentsOf: path, width: width, for: vocabulary)
        }
    }

    /// Rows of the embedding after the vectors have been taken; those without one are 9.
    private static func rows(_ vectors: PretrainedVectors) -> [[Float]] {
        let parameters = Arena(ParameterLayout(ModelConfiguration(cell: .elman, vocabulary: 7, embedding: 2, hidden: 2, layers: 1)))
        parameters.buffer.fill(9)
        vectors.load(into: parameters)
        let embedding = parameters.matrix("encoder.weight")
        return (0..<7).map { [embedding.row($0)[0], embedding.row($0)[1]] }
    }

    @Test(arguments: ["4 2\n", "", "4 2 \r\n"]) func bothFormats(header: String) throws {
        let vectors = try Self.read(header + "the 0.5 -1e-3\nking 1 2 \r\nother 3 4\n</s> 0.1 +5.\n")
        #expect(vectors.tokens == [0, 2, 3, 4] && vectors.lowerCased == 1)
        #expect(Self.rows(vectors) == [[0.1, 5], [9, 9], [0.5, -0.001], [1, 2], [1, 2], [9, 9], [9, 9]])
    }

    /// A word as it is spelled comes before its lower-case form, and the first of two before the second, in whatever order they come.
    @Test func spellings() throws {
        let both = try Self.read("sea 1 1\nking 2 2\nSea 3 3\nKing 4 4\nking 5 5\n")
        #expect(both.lowerCased == 0 && Self.rows(both)[3...5] == [[4, 4], [2, 2], [3, 3]])
        // GloVe has words with spaces.
        let spaced = try Self.read("the 1 2\n. . 3 4\n")
        #expect(Self.rows(spaced)[6] == [3, 4])
    }

    @Test(arguments: [
        ("", "the file has no vectors", "each line a word"), ("5 2\n", "the file has no vectors", "each line a word"),
        ("5 3\nthe 1 2 3\n", "line 1", "expected 2 values, as model.embedding says, found 3; set model.embedding to 3"),
        ("the 1 2 3\n", "line 1", "found 3"), ("the 1\n", "line 1", "found 1"),
        ("the 1 2\nking 1 2 3\n", "line 2", "expected a word and 2 numbers, found 4 fields, of which the last 3 are numbers"),
        ("the 1 2\nking 1\n", "line 2", "found 2 fields"), ("the 1 2\n\nking 1 2\n", "line 2", "found 0 fields"),
        ("the 1 2\nking 1 2e\n", "line 2", "the last 0 are numbers"), ("the 1 0x1\n", "line 1", "not a word"),
        ("the 1 nan\n", "line 1", "no finite number in single precision; found nan"), ("the 1 1e99\n", "line 1", "1e99"),
        ("3 2\nthe 1 2\nking 1 2\n", "expected 3 vectors, as the first line says, found 2", "fetch the file again"),
        ("a 1 2\nb 1 2\n", "none of the file's words is in the data's vocabulary", "2 vectors"),
        ("2 2\nthe \u{1}\u{2}\u{3}\u{0}\u{5}\nking", "line 2", "text, not binary"),
    ])
    func damagedFilesAreRefusedWithTheLine(text: String, place: String, message: String) {
        do {
            _ = try Self.read(text)
            Issue.record("not refused")
        } catch {
            let line = "\(error)"
            #expect((error as? VectorFileError)?.kind == .data && line.contains(place) && line.contains(message), "\(line)")
        }
    }
}
