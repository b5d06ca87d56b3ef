import Corpus
import Diagnostics
import NGram
import TestSupport
import Testing

@Suite struct ARPATests {
    /// What is written is read again to the bit, also from gzip.
    @Test func readingGivesWhatWasWritten() throws {
        let text = LetterText(letters: 6, tokens: 500, seed: 2)
        let model = try KneserNey(text.counts(order: 4)).model
        let arpa = try text.arpa(order: 4)
        for file in [try read(arpa), try read(gzipped(Array(arpa.utf8)), as: "model.arpa.gz")] {
            #expect(file.notes.isEmpty)
            #expect(file.model.wordSet == model.wordSet)
            #expect(file.words.map { String(decoding: $0, as: UTF8.self) } == (0..<8).map(text.word))
            for (level, other) in zip(file.model.levels, model.levels) {
                #expect(Array(level.words.elements) == Array(other.words.elements))
                #expect(Array(level.children.elements) == Array(other.children.elements))
                #expect(Array(level.backoffs.elements) == Array(other.backoffs.elements))
                #expect(Array(level.logProbabilities.elements) == Array(other.logProbabilities.elements))
            }
            #expect(try ngram(file.model) { file.words[$0] } == arpa)
        }
    }

    /// As SRILM writes and prunes: comments before the head, n-grams in any order, no weight where nothing follows, `c d`
    /// missing although `b c d` is there.
    private static let foreign = """
        made by hand
        \\data\\
        ngram 1=6
        ngram  2 = 3
        ngram 3=2

        \\1-grams:
        -1.5 </s>
        -99 <s> -0.25
        -1 b -0.5
        -0.75 c -0.125
        -2 d
        -0.5 a -0.0625

        \\2-grams:
        -0.3 c b
        -0.2 b c -0.75
        -0.1 <s> b -0.4

        \\3-grams:
        -0.05 b c d
        -0.07 <s> b c
        \\end\\
        what comes after it does not matter
        """

    @Test func foreignFilesBackOff() throws {
        let file = try read(Self.foreign)
        #expect(file.words.map { String(decoding: $0, as: UTF8.self) } == ["</s>", "b", "c", "d", "a", "<unk>"])
        #expect(file.notes.count == 1 && file.notes[0].hasSuffix("has no <unk>: its probability is 1e-100"))
        let (end, b, c, d, a) = (Int32(0), Int32(1), Int32(2), Int32(3), Int32(4))
        // <s> b c; b c d, though c d is missing; a after b c d, of which nothing is a context; then after a.
        let expected: [Float] = [-0.1, -0.07, -0.05, -0.5, -0.0625 - 1, -0.2, -0.75 - 0.125 - 1.5, -0.25 - 0.75]
        for (x, y) in zip(file.model.logProbabilities(of: [b, c, d, a, b, c, end, c]), expected) { #expect(abs(x - y) < 1e-6, "\(x) \(y)") }
    }

    /// Each names the line, and says what is wrong and what to do.
    @Test(arguments: [
        ("ngram 3=2", "ngram 3=3", 23, "not as many 3-grams as the head of the file says; expected 3, found 2"),
        ("ngram 3=2", "ngram 3=1", 22, "not as many 3-grams as the head of the file says; expected 1, found 2"),
        ("ngram 3=2", "ngram 3=99999999999999", 23, "not as many 3-grams"),
        ("ngram 3=2", "ngram 3=999999999999999999999", 5, "not a count of n-grams"),
        ("ngram 3=2", "ngram 3=-2", 5, "not a count of n-grams"),
        ("ngram 3=2", "ngram 4=2", 5, "not a count of n-grams; expected ngram N=COUNT"),
        ("ngram 1=6\n", "", 3, "not a count of n-grams"),
        ("\\data\\", "data", 1, "not an ARPA file"),
        ("-0.3 c b\n", "-0.3 c b\n-0.2 c b\n", 19, "not as many 2-grams"),
        ("-0.2 b c -0.75", "-0.2 c b -0.75", 17, "the same n-gram as in line 16"),
        ("-2 d", "-2 b", 12, "the same n-gram as in line 10"),
        ("-0.3 c b", "nan c b", 16, "not a finite number; expected a logarithm to base 10, found 'nan'"),
        ("-0.3 c b", "-inf c b", 16, "not a finite number"),
        ("-0.3 c b", "-1e99 c b", 16, "not a finite number"),
        ("-0.75 c -0.125", "-0.75 c inf", 11, "not a finite number"),
        ("-0.3 c b", "0.3 c b", 16, "a probability above 1"),
        ("-0.3 c b", "-0.3 c e", 16, "a word that is not among the 1-grams; found 'e'"),
        ("-0.3 c b", "-0.3 c", 16, "not an n-gram of this length"),
        ("-0.05 b c d", "-0.05 b c d -1", 21, "not an n-gram of this length"),
        ("-0.05 b c d", "-0.05 d c d", 21, "the n-gram without its last word is not in the file; found 'd c d'"),
        ("\\2-grams:", "\\3-grams:", 15, "the ARPA file has something else here; expected \\2-grams:, found '\\3-grams:'"),
        ("\\end\\", "\\fin\\", 23, "the ARPA file has something else here; expected \\end\\"),
        ("-0.5 a -0.0625", "-0.5 <eos> -0.0625", 13, "the file has both"),
    ]) func damageIsNamed(old: String, new: String, line: Int, words: String) throws {
        try #require(Self.foreign.contains(old))
        let error = try #require(throws: ARPAError.self) { try read(Self.foreign.replacing(old, with: new, maxReplacements: 1)) }
        #expect(error.description.contains(words), "\(error)")
        #expect(error.line == line, "\(error)")
        #expect(error.kind == .data && error.description.contains("line \(line)"))
    }

    /// Cut at any byte before the end it is an error, never a trap.
    @Test func truncatedFilesAreRefused() throws {
        let bytes = Array(Self.foreign.utf8)
        let end = Self.foreign.utf8.count - "\nwhat comes after it does not matter".utf8.count
        for length in 0..<end {
            do {
                _ = try read(Array(bytes[..<length]))
                Issue.record("\(length) bytes were read")
            } catch is ARPAError {} catch let error as any DiagnosedError { #expect(length == 0, "\(error)") }
        }
        _ = try read(Array(bytes[..<end]))
    }

    @Test func aModelNeedsWords() throws {
        let text = "\\data\\\nngram 1=2\n\\1-grams:\n-1 <s>\n-1 </s>\n\\end\\\n"
        #expect(try #require(throws: ARPAError.self) { try read(text) }.description.contains("a model without words"))
    }

    /// Numbers that no search may follow.
    @Test func storedModelsAreChecked() throws {
        let words = WordSet(vocabularySize: 2, lineEnd: 0, unknown: 1)
        func model(
            words two: [Int32] = [0, 1], children: [Int32] = [0, 0, 1, 2], probability: Float = -1, backoff: Float = -1
        ) throws -> NGramModel {
            try NGramModel(
                words,
                levels: [
                    .init(
                        words: Column([]), logProbabilities: Column([-1, probability, -1]), backoffs: Column([-1, backoff, -1]),
                        children: Column(children)),
                    .init(words: Column(two), logProbabilities: Column([-1, -1]), backoffs: Column([]), children: Column([])),
                ])
        }
        _ = try model()
        for bad in [[0, 3], [-1, 1], [0]] as [[Int32]] { #expect(throws: NGramModelError.self) { try model(words: bad) } }
        for bad in [[0, 0, 1, 3], [1, 1, 1, 2], [0, 2, 1, 2], [0, 0, 1], [0, -1, 1, 2]] as [[Int32]] {
            #expect(throws: NGramModelError.self) { try model(children: bad) }
        }
        #expect(throws: NGramModelError.self) { try model(words: [1, 0], children: [0, 2, 2, 2]) }
        for bad in [0.5, .nan, -.infinity] as [Float] { #expect(throws: NGramModelError.self) { try model(probability: bad) } }
        #expect(throws: NGramModelError.self) { try model(backoff: .nan) }
        for bad in [(0, 3, 0, 1), (2, 2, 0, 2), (2, 3, 0, 0), (2, 3, -1, 1)] as [(Int, Int, Int32, Int32)] {
            #expect(WordSet(vocabularySize: bad.0, count: bad.1, begin: nil, end: bad.2, unknown: bad.3) == nil)
        }
        #expect(WordSet(vocabularySize: 2, count: 3, begin: 1, end: 0, unknown: 2) == nil)
    }
}
