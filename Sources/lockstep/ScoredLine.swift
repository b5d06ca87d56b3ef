import Corpus
import Elementary
import Inference

/// A line with its score, what the vocabulary lacks included.
struct ScoredLine {
    private let line: InputLine
    private let vocabulary: Vocabulary
    private let divisor: Double
    private let parts: [Double]
    /// Log probability of each token that the vocabulary lacks; nil where it is left out.
    private let missing: Double?
    /// In the base asked for.
    let score: Double
    /// Tokens that the score is the sum of.
    let scoredTokens: Int
    /// How many tokens are `<unk>`, or lacking.
    let unknown: Int

    /// - Parameter divisor: what a natural logarithm is divided by.
    init(_ line: InputLine, _ score: LineScore, rule: ScoreCommand.UnknownRule, divisor: Double, _ vocabulary: Vocabulary) {
        self.line = line
        self.vocabulary = vocabulary
        self.divisor = divisor
        parts = score.parts
        missing = rule == .uniform ? -Elementary.logarithm(Double(vocabulary.sizeOfTheRest)) / divisor : nil
        let lacking = line.ids.count { $0 == Vocabulary.missing }
        self.score = score.logProbability / divisor + Double(lacking) * (missing ?? 0)
        scoredTokens = score.tokens + (missing == nil ? 0 : lacking)
        unknown = lacking + (vocabulary.unknown.map { id in line.ids.count { Int($0) == id } } ?? 0)
    }

    private struct Object: Encodable {
        let id: String?
        let tokens: [String]
        let ids: [Int32?]
        let logProbabilities: [Double?]
        let score: Double
    }

    /// One object on one line, without a newline.
    func json() throws -> [UInt8] {
        var parts = parts.makeIterator()
        let known = line.ids.map { $0 == Vocabulary.missing ? nil : $0 }
        let object = Object(
            id: line.frame.identity, tokens: zip(line.ids, symbols).map(text), ids: known,
            logProbabilities: known.map { $0 == nil ? missing : parts.next().map { $0 / divisor } }, score: score == 0 ? 0 : score)
        return Array(try JSONText.line(object).utf8)
    }

    /// What each id was made from, where some have none; else nothing of interest.
    private var symbols: [[UInt8]] {
        guard line.ids.contains(Vocabulary.missing) else { return line.ids.map { _ in [] } }
        switch vocabulary.level {
        case .byte: return line.text.map { [$0] }
        case .character: return String(decoding: line.text, as: UTF8.self).unicodeScalars.map { Array(UTF8.encode($0)!) }
        case .word, .piece:
            let pieces = line.text.split(whereSeparator: isWhiteSpace).map(Array.init)
            return pieces + Array(repeating: [], count: max(0, line.ids.count - pieces.count))
        }
    }

    /// A byte that is no ASCII character shows as U+FFFD.
    private func text(_ id: Int32, _ symbol: [UInt8]) -> String {
        String(decoding: id == Vocabulary.missing ? symbol[...] : vocabulary.bytes(of: Int(id)), as: UTF8.self)
    }
}

extension Vocabulary {
    /// How many characters or bytes there are beside these. Of pieces nobody knows: as many as there are.
    fileprivate var sizeOfTheRest: Int {
        switch level {
        case .character: max(1, 0x11_0000 - 0x800 - count)
        case .byte: max(1, 256 - count)
        case .word, .piece: count
        }
    }
}
