import Corpus
import Diagnostics
import Files

/// A line of `score`'s input.
struct InputLine {
    /// Symbols without an id have `Vocabulary.missing`.
    let ids: [Int32]
    /// What the ids stand for; empty unless it is kept.
    let text: [UInt8]
    let frame: LineFormat.Frame
}

/// The lines that `score` reads, as the model's vocabulary sees them.
final class ScoreInput {
    private let lines: LineReader
    private let format: LineFormat
    private let vocabulary: Vocabulary
    private let unknown: ScoreCommand.UnknownRule
    /// Of the line that `next` has returned, from 1.
    private(set) var number = 0

    /// - Throws: `FileError`, `NotText`.
    init(_ command: ScoreCommand, _ vocabulary: Vocabulary) throws {
        lines = try LineReader(command.file)
        (format, unknown, self.vocabulary) = (command.format, command.unknown, vocabulary)
    }

    /// What messages call the input.
    var path: String { lines.path }
    /// Whether the next line is there already.
    var isReady: Bool { lines.isReady }

    /// The next line without what ends it, and whether that was CR LF; nil at the end.
    /// - Throws: `CompressedText`, `FileError`, `GzipError`, `LineTooLong`.
    func next() throws -> (bytes: ArraySlice<UInt8>, isReturned: Bool)? {
        if number == 0, vocabulary.level != .byte { try lines.requireText() }
        guard let line = try lines.next() else { return nil }
        number += 1
        let bytes = number == 1 ? vocabulary.text(ofFile: line) : line
        let isReturned = bytes.last == carriageReturn
        return (bytes.dropLast(isReturned ? 1 : 0), isReturned)
    }

    /// Enough lines to find many of similar length, but no line that would have to be waited for while others are ready.
    /// - Parameters:
    ///   - most: tokens, about.
    ///   - longest: tokens of a line.
    ///   - keepingText: keep what the ids stand for.
    ///   - end: what follows a line's text, by whether it ended in CR LF.
    /// - Returns: the lines, none at the end, and the error of the line after them if it cannot be read.
    func batch(
        tokens most: Int, longest: Int = .max, keepingText: Bool = true, end: (_ isReturned: Bool) -> [UInt8] = { _ in [] }
    ) -> (lines: [InputLine], problem: (any Error)?) {
        var batch: [InputLine] = []
        var tokens = 0
        do {
            while batch.count < 1024, tokens < most, batch.isEmpty || isReady {
                guard let line = try next() else { break }
                let (text, frame) = try format.parse(line.bytes, file: path, number: number)
                let whole = Array(text) + end(line.isReturned)
                let ids = try encode(whole)
                guard ids.count <= longest else {
                    throw UnreadableLine(file: path, number: number, expected: "at most \(longest) tokens", remedy: "divide the line")
                }
                batch.append(InputLine(ids: ids, text: keepingText ? whole : [], frame: frame))
                tokens += ids.count
            }
            return (batch, nil)
        } catch {
            return (batch, error)
        }
    }

    private func encode(_ text: [UInt8]) throws -> [Int32] {
        do {
            return try vocabulary.encode(text, completingLastLine: false, unknown: unknown == .error ? .error : .mark)
        } catch let error as TextError {
            throw UnreadableText(file: path, line: number, cause: error)
        }
    }
}

private let carriageReturn = UInt8(ascii: "\r")
