import Diagnostics
import Files
import Glibc

/// Lines typed by a person or piped in by a program. A person gets a prompt sign, and may make mistakes.
struct PromptLines {
    private let lines: LineReader
    private let isTerminal = isatty(STDIN_FILENO) == 1

    /// - Parameter hint: shown to a person before the first line.
    init(hint: String) throws {
        lines = try LineReader(nil)
        if isTerminal { StandardStream.error.write(hint + "\n") }
    }

    /// Calls `body` with each line until the input ends or `body` returns false.
    /// - Parameter body: also gets the line's place, as in "line 3", for errors.
    /// - Throws: what `body` throws, unless a person can try again: then the error is shown and the next line read.
    func forEach(_ body: (_ line: [UInt8], _ place: String) throws -> Bool) throws {
        var number = 0
        while true {
            if isTerminal { StandardStream.error.write("> ") }
            guard var line = try lines.next() else {
                if isTerminal { StandardStream.error.write("\n") }
                return
            }
            number += 1
            if line.last == UInt8(ascii: "\r") { line.removeLast() }  // the end of a line may be CR LF
            do {
                guard try body(line, "standard input, line \(number)") else { return }
            } catch let error as UnknownInPrompt where isTerminal {
                Failure.say("\(error)")
            }
        }
    }
}

/// A prompt from the command line or a file.
enum Prompt {
    /// Bytes that a prompt is read up to; more would take minutes to read for a model, and hardly be meant.
    private static let longest = 1 << 24

    /// The whole of a file, as it is; of gzip, its content.
    /// - Parameter path: "-" for standard input.
    /// - Throws: `FileError`, `NotText`, `GzipError`, `UsageError` for one that is too long.
    static func contents(of path: String) throws -> [UInt8] {
        let source = try ByteSource(path)
        var prompt: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = try buffer.withUnsafeMutableBytes { try source.read(into: $0) }
            if count == 0 { return prompt }
            prompt += buffer[..<count]
            guard prompt.count <= longest else {
                throw UsageError("a prompt longer than \(longest) bytes", location: source.path, remedy: "give its end")
            }
        }
    }
}
