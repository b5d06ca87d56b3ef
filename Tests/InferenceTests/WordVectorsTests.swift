import Diagnostics
import Foundation
import Inference
import Kernels
import TestSupport
import Testing

/// Word vectors: neighbours by cosine, analogies, and the file for other programs.
@Suite struct WordVectorsTests {
    /// Gender and royalty are axes; apple lies elsewhere, lord points where king does.
    private static let words = ["man", "woman", "king", "queen", "apple", "lord", "nothing"]
    private let embedding: Buffer
    private var matrix: Matrix { Matrix(embedding.base, rows: 7, columns: 3) }

    init() {
        let rows: [Float] = [1, 0, 0, -1, 0, 0, 2, 2, 0, -3, 3, 0, 0, 0, 5, 1, 1, 0, 0, 0, 0]
        embedding = Buffer(count: rows.count)
        for (index, value) in rows.enumerated() { embedding.elements[index] = value }
    }

    private func nearest(_ terms: [(Int, Float)], count: Int) throws -> [WordVectors.Neighbour] {
        try WordVectors(matrix).nearest(to: [.init(terms.map { (token: $0.0, sign: $0.1) })], count: count)[0]
    }

    @Test func neighboursAreOrderedByAngleAndThenById() throws {
        let found = try nearest([(0, 1)], count: 10)
        #expect(found.map(\.token) == [2, 5, 4, 6, 3, 1])  // without man; king before lord, apple before nothing
        #expect(found[0].cosine == found[1].cosine && abs(found[0].cosine - Float(0.5).squareRoot()) < 1e-6)
        #expect(found[2].cosine == 0 && found[5].cosine == -1)
        #expect(try nearest([(0, 1)], count: 2) == Array(found.prefix(2)))
    }

    @Test func kingMinusManPlusWomanIsQueen() throws {
        let found = try nearest([(2, 1), (0, -1), (1, 1)], count: 3)
        #expect(found[0].token == 3 && Set(found.map(\.token)).isDisjoint(with: [0, 1, 2]))
    }

    /// More queries than one product answers give what each gives alone.
    @Test func manyQueriesAreAnsweredOneByOne() throws {
        let queries = (0..<150).map { WordVectors.Query([(token: $0 % 7, sign: 1)]) }
        let vectors = WordVectors(matrix)
        let together = try vectors.nearest(to: queries, count: 3)
        #expect(together.count == 150)
        for (query, found) in zip(queries, together) { #expect(try vectors.nearest(to: [query], count: 3)[0] == found) }
    }

    @Test func analogiesCountWhatTheVocabularyCovers() throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/questions"
            try ": family\nman woman king queen\nman woman lord queen\n\n: other things\nman woman king apple\nman woman boy girl\n"
                .write(toFile: path, atomically: true, encoding: .utf8)
            let scores = try AnalogyQuestions(contentsOf: path).answers(of: WordVectors(matrix)) { Self.words.firstIndex(of: $0) }
            #expect(scores == [
                AnalogyScore(name: "family", questions: 2, covered: 2, correct: 2),
                AnalogyScore(name: "other things", questions: 2, covered: 1, correct: 0),
            ])
            #expect(AnalogyScore.total(scores) == AnalogyScore(name: "all", questions: 4, covered: 3, correct: 2))
        }
    }

    @Test(arguments: [("a b c d\na b c\n", 2, 3), ("", 0, 0), (": only\n", 1, 0), ("a b c d e\n", 1, 5)])
    func aFileOfSomethingElseIsRefused(text: String, line: Int, found: Int) throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/questions"
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            #expect(throws: AnalogyFileError(file: path, line: line, found: found)) { try AnalogyQuestions(contentsOf: path) }
        }
    }

    @Test func theFileGivesTheSameValuesBack() throws {
        try withTemporaryFolder { folder in
            embedding.elements[4] = 0.1
            embedding.elements[5] = -1.17549435e-38
            let path = "\(folder)/vectors.txt"
            try WordVectors.write(matrix, symbol: { Self.words[$0] }, to: path)
            let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false)
            #expect(lines.first == "7 3" && lines.last == "" && lines.count == 9)
            for (row, line) in lines.dropFirst().dropLast().enumerated() {
                let parts = line.split(separator: " ")
                #expect(parts[0] == Self.words[row])
                #expect(parts.dropFirst().map { Float($0) } == (0..<3).map { embedding.elements[row * 3 + $0] })
            }
        }
    }
}
