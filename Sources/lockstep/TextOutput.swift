import Corpus
import Files

/// Writes tokens to stdout as text as they are generated, in complete characters. A terminal gets neither bytes that are
/// not UTF-8 nor control characters, which could control it; a file or a pipe gets every byte unchanged.
struct TextOutput {
    private let vocabulary: Vocabulary
    private let isTerminal = StandardStream.output.isTerminal
    private var needsSpace: Bool
    /// The beginning of a character.
    private var unfinished: [UInt8] = []

    /// - Parameter prompt: written first.
    init(_ vocabulary: Vocabulary, after prompt: [UInt8]) {
        self.vocabulary = vocabulary
        needsSpace = vocabulary.level.isSpaced && !vocabulary.unfinishedWord(of: prompt).isEmpty
        put(prompt)
    }

    /// - Returns: whether there is still a reader.
    mutating func write(_ token: Int32) -> Bool {
        let endsLine = Int(token) == vocabulary.endOfSentence
        let space = needsSpace && !endsLine ? [UInt8(ascii: " ")] : []
        needsSpace = vocabulary.level.isSpaced && !endsLine
        return put(space + vocabulary.decode([token]))
    }

    /// - Returns: whether there is still a reader.
    @discardableResult
    mutating func finish() -> Bool {
        let rest = unfinished
        unfinished = []
        return show(rest + [UInt8(ascii: "\n")])
    }

    @discardableResult
    private mutating func put(_ bytes: [UInt8]) -> Bool {
        let text = unfinished + bytes
        let count = text.count - unfinishedUTF8(in: text)
        unfinished = Array(text[count...])
        return count == 0 || show(Array(text[..<count]))
    }

    private func show(_ bytes: [UInt8]) -> Bool {
        guard isTerminal else { return bytes.withUnsafeBytes { StandardStream.output.write($0) } }
        let harmless = String(decoding: bytes, as: UTF8.self).unicodeScalars.map { scalar in
            scalar.properties.generalCategory == .control && scalar != "\n" && scalar != "\t" ? "\u{FFFD}" : scalar
        }
        return StandardStream.output.write(String(String.UnicodeScalarView(harmless)))
    }
}
