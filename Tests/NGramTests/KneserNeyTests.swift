import Collectives
import Corpus
import Foundation
import NGram
import TestSupport
import Testing

@Suite struct KneserNeyTests {
    /// The figures that KenLM gives for these two lines with the discounts 0.5, 1 and 1.5.
    @Test func twoLinesOfKenLM() throws {
        let text = LetterText(["a a b a", "b a a b"], letters: 2)
        let discounts = try KneserNey(text.counts(order: 3)).discounts
        #expect(discounts.allSatisfy { $0.areFallback && $0.values == [0.5, 1, 1.5] })
        let expected = """
            \\data\\
            ngram 1=5
            ngram 2=7
            ngram 3=7

            \\1-grams:
            -0.46943438 a -0.30103
            -0.5720968 b -0.30103
            -0.5720968 </s> 0
            -0.90309 <unk> 0
            0 <s> -0.30103

            \\2-grams:
            -0.3771202 a a -0.30103
            -0.58682 a b -0.30103
            -0.58682 a </s> 0
            -0.2984526 b a -0.30103
            -0.5220179 b </s> 0
            -0.3771202 <s> a -0.30103
            -0.4157496 <s> b -0.30103

            \\3-grams:
            -0.20102891 a a b
            -0.2997394 a b a
            -0.397617 a b </s>
            -0.3374108 b a a
            -0.4208291 b a </s>
            -0.1488509 <s> a a
            -0.1240779 <s> b a

            \\end\\

            """
        let found = try text.arpa(order: 3)
        let separators: Set<Character> = [" ", "\t"]
        let lines = { (text: String) in text.split(separator: "\n").map { $0.split { separators.contains($0) } } }
        #expect(lines(found).count == lines(expected).count)
        for (line, other) in zip(lines(found), lines(expected)) {
            #expect(line.count == other.count)
            for (field, otherField) in zip(line, other) {
                if let number = Double(otherField) {
                    #expect(abs(Double(field)! - number) < 1e-6, "\(line)")
                } else {
                    #expect(field == otherField)
                }
            }
        }
    }

    /// Every n-gram and every context, with estimated discounts and with the fallback.
    @Test(arguments: [(1, 300), (2, 300), (3, 300), (3, 20), (4, 6000), (5, 1)]) func isTheFormula(order: Int, tokens: Int) throws {
        let text = LetterText(letters: 7, tokens: tokens, seed: 5)
        let estimate = try KneserNey(text.counts(order: order))
        let oracle = Oracle(text.lines, order: order, vocabulary: (0..<7).map(text.word))
        for (level, discounts) in estimate.discounts.enumerated() {
            for (a, b) in zip(discounts.values, oracle.discounts[level]) { #expect(abs(a - b) < 1e-12) }
        }
        if tokens == 6000 { #expect(estimate.discounts.contains { !$0.areFallback }) }
        #expect(estimate.model.levels.map(\.count).reduce(0, +) - 1 == oracle.probabilities.count)  // <s> is not in the oracle
        let arpa = try text.arpa(order: order)
        var found = 0
        for line in arpa.split(separator: "\n") {
            let fields = line.split(separator: "\t")
            guard fields.count > 1 else { continue }
            let gram = fields[1].split(separator: " ").map(String.init)
            if fields.count > 2 { #expect(abs(Double(fields[2])! - log10(oracle.weights[gram] ?? 1)) < 1e-6, "\(line)") }
            guard gram != ["<s>"] else { continue }
            found += 1
            #expect(abs(Double(fields[0])! - log10(oracle.probabilities[gram]!)) < 1e-6, "\(line)")
        }
        #expect(found == oracle.probabilities.count)
    }

    /// For contexts that were seen and others, the words' probabilities are those of backing off, and their sum is 1.
    @Test func isADistribution() throws {
        let text = LetterText(letters: 5, tokens: 400, seed: 8)
        let model = try KneserNey(text.counts(order: 4)).model
        let oracle = Oracle(text.lines, order: 4, vocabulary: (0..<5).map(text.word))
        let words = MarkovSource(tokens: 7, seed: 9).sample(200, seed: 1)  // ends of lines and <unk> among them
        let scored = model.logProbabilities(of: words)
        var (context, next, history) = (model.start, model.start, ["<s>"])
        var all = [Float](repeating: 0, count: 7)
        for (word, score) in zip(words, scored) {
            all.withUnsafeMutableBufferPointer { model.logProbabilities(after: context, into: $0) }
            #expect(abs(all.reduce(0.0) { $0 + pow(10, Double($1)) } - 1) < 1e-5)
            #expect(abs(all[Int(word)] - score) < 1e-6)
            #expect(abs(Double(score) - log10(oracle.probability(of: text.word(word), after: history.suffix(3)))) < 1e-5)
            _ = model.logProbability(of: word, after: context, next: &next)
            swap(&context, &next)
            history = word == text.end ? ["<s>"] : history + [text.word(word)]
        }
    }

    /// Counts are integers: the same on any number of ranks, also on more than there are tokens.
    @Test(arguments: [1, 400]) func anyNumberOfRanksCountsTheSame(tokens: Int) throws {
        let text = LetterText(letters: 6, tokens: tokens, seed: 3)
        let one = try text.counts(order: 4)
        for ranks in [2, 3, 7] {
            let counts = try withThreadRanks(ranks) { try text.counts(order: 4, $0) }
            #expect(counts.allSatisfy { $0 == one }, "\(ranks) ranks")
        }
    }

    /// A vocabulary without an end of a line or `<unk>`: one line, and both are words of the model all the same.
    @Test func textWithoutLines() throws {
        let words = WordSet(vocabularySize: 3, lineEnd: nil, unknown: nil)
        let counts = try NGramCounts(
            TokenStore([0, 1, 2, 0, 1, 2, 0, 0, 1]), order: 2, wordSet: words, communicator: SingleRank())
        let model = try KneserNey(counts).model
        let arpa = try ngram(model) { [UInt8(ascii: "x") + UInt8($0)] }
        #expect(arpa.contains("ngram 1=6\n") && arpa.contains("\t</s>\t0\n") && arpa.contains("\t<unk>\t0\n") && arpa.contains("\t<s> x\n"))
        #expect(try read(arpa).model.levels.map(\.count) == model.levels.map(\.count))
    }
}
