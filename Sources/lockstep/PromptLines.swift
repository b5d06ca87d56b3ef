import Diagnostics
import Files
import Glibc

/// Lines typed by a person or piped in by a program. A person gets a sign to type after, and may make mistakes.
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
    func forEach(_ body: (_ line: String, _ place: String) throws -> Bool) throws {
        var number = 0
        while true {
            if isTerminal { StandardStream.error.write("> ") }
            guard let bytes = try lines.next() else {
                if isTerminal { StandardStream.error.write("\n") }
                return
            }
            number += 1
            guard let line = String(validating: bytes, as: UTF8.self) else {
                throw UsageError("not UTF-8 text", location: "standard input, line \(number)")
            }
            do {
                guard try body(line, "standard input, line \(number)") else { return }
            } catch let error as UnknownInPrompt where isTerminal {
                Failure.say("\(error)")
            }
        }
    }
}
