import Collectives
import Inference
import TestSupport
import Testing

/// Spans as conlleval counts them, each case worked out by hand from its rules.
@Suite struct LabelScoresTests {
    private static let labels = ["O", "B-a", "I-a", "B-b", "I-b"]

    private func scores(_ actual: String, _ predicted: String, labels: [String] = labels) -> LabelScores {
        var scores = LabelScores(labels, areTags: true)
        func ids(_ text: String) -> [Int] { text.split(separator: " ").map { labels.firstIndex(of: String($0))! } }
        scores.add(actual: ids(actual), predicted: ids(predicted))
        return scores
    }

    /// Spans there, spans predicted, spans that are both.
    @Test(arguments: [
        ("B-a I-a O B-b", "B-a I-a O B-b", 2, 2, 2),
        ("B-a I-a O", "B-a O O", 1, 1, 0),  // another end
        ("B-a I-a O", "O I-a O", 1, 1, 0),  // another start
        ("B-a I-a I-a", "B-a B-a I-a", 1, 2, 0),  // B begins a span, whatever was before
        ("I-a I-a O I-b", "B-a I-a O B-b", 2, 2, 2),  // I after O begins one, too
        ("B-a I-b O", "B-a B-b O", 2, 2, 2),  // so does another type
        ("B-a I-a", "B-b I-b", 1, 1, 0),  // the type counts
        ("O O", "O O", 0, 0, 0), ("B-a B-a", "B-a O", 2, 1, 1), ("O B-a", "B-a B-a", 1, 2, 1),
    ]) func spansAreThoseOfConlleval(actual: String, predicted: String, there: Int, found: Int, correct: Int) {
        #expect(scores(actual, predicted).allSpans == LabelScores.Score(actual: there, predicted: found, correct: correct))
    }

    @Test func endsAndSingles() {
        let labels = ["O", "B-a", "I-a", "E-a", "S-a"]
        #expect(scores("B-a I-a E-a S-a O", "B-a I-a E-a S-a O", labels: labels).allSpans == .init(actual: 2, predicted: 2, correct: 2))
        #expect(scores("B-a E-a E-a", "S-a S-a S-a", labels: labels).allSpans == .init(actual: 2, predicted: 3, correct: 1))
    }

    @Test func labelsThatAreNoTagsHaveNoSpans() {
        #expect(LabelScores(["N", "V"], areTags: true).allSpans == nil)
        #expect(LabelScores(["O", "B-a", "other"], areTags: true).allSpans == nil)
        #expect(LabelScores(["O", "B-a"], areTags: false).allSpans == nil)
        #expect(LabelScores(["O", "B", "I"], areTags: true).allSpans != nil)
    }

    @Test func accuracyPrecisionRecallAndConfusion() throws {
        let scores = scores("O O B-a I-a", "O B-a B-a B-b")
        #expect(scores.accuracy == 0.5 && scores.total == 4)
        #expect(scores.count(0, as: 1) == 1 && scores.count(2, as: 3) == 1 && scores.count(1, as: 1) == 1)
        #expect(scores.scores[1] == .init(actual: 1, predicted: 2, correct: 1))
        #expect(scores.scores[1].precision == 0.5 && scores.scores[1].recall == 1 && abs(scores.scores[1].f1 - 2.0 / 3) < 1e-15)
        #expect(scores.scores[4] == .init() && scores.scores[4].f1 == 0)
        // Over ranks.
        let sums = try withThreadRanks(3) { communicator -> LabelScores in
            var own = LabelScores(Self.labels, areTags: true)
            if communicator.rank > 0 { own.add(actual: [0, 1], predicted: [communicator.rank, 1]) }
            return try own.summed(communicator)
        }
        for sum in sums {
            #expect(sum.total == 4 && sum.correct == 2 && sum.count(0, as: 1) == 1 && sum.count(0, as: 2) == 1)
            #expect(sum.allSpans == .init(actual: 2, predicted: 4, correct: 2))
        }
    }
}
