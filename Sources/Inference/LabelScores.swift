import Collectives

/// How predicted labels agree with the right ones: counts from which accuracy, precision, recall and F1 follow.
package struct LabelScores: Sendable, Equatable {
    /// Precision, recall and F1 of one kind of thing.
    package struct Score: Sendable, Equatable {
        /// Those there are, those predicted, and those that are both.
        package var actual = 0
        package var predicted = 0
        package var correct = 0

        /// 0 where nothing was predicted, as conlleval has it.
        package var precision: Double { predicted == 0 ? 0 : Double(correct) / Double(predicted) }
        /// 0 where there is nothing.
        package var recall: Double { actual == 0 ? 0 : Double(correct) / Double(actual) }
        package var f1: Double { actual + predicted == 0 ? 0 : 2 * Double(correct) / Double(actual + predicted) }

        package init(actual: Int = 0, predicted: Int = 0, correct: Int = 0) {
            (self.actual, self.predicted, self.correct) = (actual, predicted, correct)
        }

        static func += (sum: inout Score, term: Score) {
            sum.actual += term.actual
            sum.predicted += term.predicted
            sum.correct += term.correct
        }
    }

    private struct Cell: Hashable {
        let actual: Int32
        let predicted: Int32
    }

    package let labels: [String]
    private var cells: [Cell: Int] = [:]
    /// By type; nil where labels are no tags of spans.
    package private(set) var spans: [String: Score]?
    private let tags: [SpanTag]

    /// - Parameter areTags: whether labels are of tokens, which may be tags of spans.
    package init(_ labels: [String], areTags: Bool) {
        self.init(labels, tags: areTags ? SpanTag.all(labels) ?? [] : [])
    }

    /// Adds the labels of one sequence.
    package mutating func add(actual: [Int], predicted: [Int]) {
        precondition(actual.count == predicted.count)
        for (a, p) in zip(actual, predicted) { cells[Cell(actual: Int32(a), predicted: Int32(p)), default: 0] += 1 }
        guard spans != nil else { return }
        let (there, found) = (SpanTag.spans(actual.map { tags[$0] }), SpanTag.spans(predicted.map { tags[$0] }))
        for span in there { spans![span.type, default: Score()].actual += 1 }
        for span in found { spans![span.type, default: Score()].predicted += 1 }
        let known = Set(there)
        for span in found where known.contains(span) { spans![span.type]!.correct += 1 }
    }

    /// Collective. The sum over all ranks, on all of them.
    /// - Throws: transport errors.
    package func summed(_ communicator: any Communicator) throws -> LabelScores {
        let types = SpanTag.types(tags)
        var own = [cells.count]
        for (cell, count) in cells { own += [Int(cell.actual), Int(cell.predicted), count] }
        for type in types {
            let score = spans?[type] ?? Score()
            own += [score.actual, score.predicted, score.correct]
        }
        var sum = LabelScores(labels, tags: tags)
        for numbers in try communicator.allGather(numbers: own) {
            for index in 0..<numbers[0] {
                let cell = numbers[(1 + 3 * index)...]
                sum.cells[Cell(actual: Int32(cell.first!), predicted: Int32(cell[cell.startIndex + 1])), default: 0] += cell[cell.startIndex + 2]
            }
            for (index, type) in types.enumerated() {
                let first = 1 + 3 * numbers[0] + 3 * index
                let score = Score(actual: numbers[first], predicted: numbers[first + 1], correct: numbers[first + 2])
                if score != Score() { sum.spans![type, default: Score()] += score }
            }
        }
        return sum
    }

    private init(_ labels: [String], tags: [SpanTag]) {
        self.labels = labels
        self.tags = tags
        spans = tags.isEmpty ? nil : [:]
    }

    /// How often label `actual` was predicted to be `predicted`.
    package func count(_ actual: Int, as predicted: Int) -> Int { cells[Cell(actual: Int32(actual), predicted: Int32(predicted))] ?? 0 }

    package var total: Int { cells.values.reduce(0, +) }
    package var correct: Int { cells.reduce(0) { $0 + ($1.key.actual == $1.key.predicted ? $1.value : 0) } }
    package var accuracy: Double { total == 0 ? 0 : Double(correct) / Double(total) }

    /// Of each label.
    package var scores: [Score] {
        var scores = labels.map { _ in Score() }
        for (cell, count) in cells {
            scores[Int(cell.actual)].actual += count
            scores[Int(cell.predicted)].predicted += count
            if cell.actual == cell.predicted { scores[Int(cell.actual)].correct += count }
        }
        return scores
    }

    /// Of all spans, whatever their type; nil where labels are no tags of spans.
    package var allSpans: Score? {
        spans.map { $0.values.reduce(into: Score()) { $0 += $1 } }
    }
}
