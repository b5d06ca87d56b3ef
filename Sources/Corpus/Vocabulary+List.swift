import Diagnostics
import Files

extension Vocabulary {
    /// The vocabulary of another tokenizer, from a plain list: UTF-8 text with one token per line, whose id is the number of
    /// lines before it. A carriage return at the end of a line does not belong to the token.
    /// - Throws: `FileError`, `TokenListError`.
    package init(listIn path: String) throws {
        var text = try File.contents(of: path)[...]
        if text.starts(with: InputFile.byteOrderMark) { text = text.dropFirst(3) }
        if text.last == newline { text.removeLast() }
        guard !text.isEmpty else { throw TokenListError.empty(file: path) }
        var tokens = ByteStringTable()
        for (id, line) in text.split(separator: newline, omittingEmptySubsequences: false).enumerated() {
            let token = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
            guard String(validating: token, as: UTF8.self) != nil else {
                throw TokenListError.invalidUTF8(file: path, line: id + 1)
            }
            guard Vocabulary.isSpacedToken(token) else { throw TokenListError.invalidToken(file: path, line: id + 1) }
            let (first, isNew) = tokens.insert(token)
            guard isNew else { throw TokenListError.duplicateToken(file: path, line: id + 1, first: first + 1) }
        }
        self.init(level: .piece, tokens: tokens, occurrences: [Int](repeating: 0, count: tokens.count))
    }
}

extension Vocabulary {
    /// The vocabulary of a word model of another program.
    /// - Parameters:
    ///   - words: by id, no two the same; those of the end of a line and of unknown words are spelled in whatever way.
    package init(words: [[UInt8]], endOfSentence: Int, unknown: Int) {
        var tokens = ByteStringTable()
        for (id, word) in words.enumerated() {
            let isNew =
                switch id {
                case endOfSentence: tokens.insert(Vocabulary.endOfSentenceToken.utf8).isNew
                case unknown: tokens.insert(Vocabulary.unknownToken.utf8).isNew
                default: tokens.insert(word).isNew
                }
            precondition(isNew, "two words with the same spelling")
        }
        self.init(level: .word, tokens: tokens, occurrences: [Int](repeating: 0, count: tokens.count))
    }
}

/// A list of tokens that cannot be a vocabulary.
package enum TokenListError: DiagnosedError, Equatable {
    case empty(file: String)
    case invalidUTF8(file: String, line: Int)
    case invalidToken(file: String, line: Int)
    case duplicateToken(file: String, line: Int, first: Int)

    package var kind: FailureKind { .data }

    package var diagnosis: Diagnosis {
        switch self {
        case .empty(let file): Diagnosis("the list has no tokens", file: file, expected: "one token per line")
        case .invalidUTF8(let file, let line):
            Diagnosis(
                "invalid UTF-8", file: file, location: "line \(line)",
                remedy: "spell the token differently, as <0x80>; only its id counts")
        case .invalidToken(let file, let line):
            Diagnosis(
                "not a token", file: file, location: "line \(line)",
                expected: "a token without white space, of 1 to \(longestWord) bytes",
                remedy: "spell white space differently, as \u{2581}; only the token's id counts")
        case .duplicateToken(let file, let line, let first):
            Diagnosis(
                "the same token as in line \(first)", file: file, location: "line \(line)",
                remedy: "spell one of them differently; only their ids count")
        }
    }
}

/// Ready-made tokens that cannot be used.
package struct TokenInputError: DiagnosedError, Equatable {
    package let cause: ArrayFileError

    static func wrapping<Result>(_ body: () throws -> Result) throws -> Result {
        do { return try body() } catch let cause as ArrayFileError { throw TokenInputError(cause: cause) }
    }

    package var kind: FailureKind { .data }

    package var diagnosis: Diagnosis {
        var diagnosis = cause.diagnosis
        diagnosis.remedy =
            switch cause {
            case .tokenOutOfRange: "give the vocabulary with which the ids were made"
            default: "save the ids with numpy.save, as one dimension of uint16, uint32, int32 or int64"
            }
        return diagnosis
    }
}
