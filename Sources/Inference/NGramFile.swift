import Checkpoints
import NGram

/// Writes and reads an n-gram model as `model.safetensors`: the arrays of each level, which are used where they lie in the file.
package enum NGramFile {
    private static let words = "ngram.words"

    private static func name(_ level: Int, _ part: String) -> String { "ngram.\(level).\(part)" }

    package static func tensors(_ model: NGramModel) -> [NamedTensor] {
        let set = model.wordSet
        let description = [Int32(set.vocabularySize), Int32(set.count), set.begin ?? -1, set.end, set.unknown]
        return [NamedTensor(words, shape: [description.count], description)]
            + model.levels.enumerated().flatMap { index, level in
                let n = index + 1
                let isHighest = n == model.order
                return (n == 1 ? [] : [NamedTensor(name(n, "word"), level.words)])
                    + [NamedTensor(name(n, "log_probability"), level.logProbabilities)]
                    + (isHighest ? [] : [NamedTensor(name(n, "backoff"), level.backoffs), NamedTensor(name(n, "children"), level.children)])
            }
    }

    /// What the model was estimated with: the discounts D1, D2 and D3+ of each level, and the counts n1 to n4 behind them.
    package static func state(_ estimate: KneserNey) -> [NamedTensor] {
        let order = estimate.discounts.count
        return [
            NamedTensor("discounts", shape: [order, 3], estimate.discounts.flatMap(\.values)),
            NamedTensor("counts_of_counts", shape: [order, 4], estimate.discounts.flatMap { $0.countsOfCounts.map(Int64.init) }),
        ]
    }

    /// Opens the model of a checkpoint; pages are loaded when they are touched.
    /// - Throws: `NGramModelError`, `SafetensorsError`.
    package static func load(_ checkpoint: LoadedCheckpoint) throws -> NGramModel {
        let file = checkpoint.model
        do {
            let numbers: [Int32] = try file.elements(of: words)
            guard numbers.count == 5,
                let set = WordSet(
                    vocabularySize: Int(numbers[0]), count: Int(numbers[1]), begin: numbers[2] < 0 ? nil : numbers[2], end: numbers[3],
                    unknown: numbers[4])
            else { throw NGramModelError(level: 1, "its words are not described") }
            let names = Set(file.names)
            let order = (1...).first { !names.contains(name($0 + 1, "log_probability")) }!
            let levels = try (1...order).map { n in
                NGramModel.Level(
                    words: n == 1 ? Column([]) : try file.column(name(n, "word")),
                    logProbabilities: try file.column(name(n, "log_probability")),
                    backoffs: n == order ? Column([]) : try file.column(name(n, "backoff")),
                    children: n == order ? Column([]) : try file.column(name(n, "children")))
            }
            return try NGramModel(set, levels: levels)
        } catch var error as NGramModelError {
            error.file = file.path
            throw error
        }
    }
}

extension NamedTensor {
    fileprivate init<Element: TensorElement>(_ name: String, _ column: Column<Element>) {
        self.init(name, shape: [column.count]) { body in try body(column.elements) }
    }
}

extension SafetensorsFile {
    fileprivate func column<Element: TensorElement>(_ name: String) throws -> Column<Element> {
        Column(try mapped(name), owner: self)
    }
}
