import Diagnostics
import Files
import FoundationEssentials

/// `vocabulary.json`:
///
///     {
///       "counts" : [ 120, 80, 0 ],
///       "end_of_sentence" : 1,
///       "format" : "lockstep vocabulary",
///       "level" : "word",
///       "tokens" : [ "the", "<eos>", "<unk>" ],
///       "unknown" : 2,
///       "version" : 1
///     }
///
/// `tokens` are by id and `counts` their occurrences in the training split. `level` is a `TokenLevel`. At byte level, where a token need not be
/// text, each token is a number from 0 to 255; only `<unk>` is a string. `unknown` and `end_of_sentence` are left out
/// where there is no such token.
private struct VocabularyFile: Codable {
    var format = "lockstep vocabulary"
    var version = 1
    var level: String
    var tokens: [Token]
    var counts: [Int]
    var unknown: Int?
    var endOfSentence: Int?

    enum Token: Codable {
        case text(String)
        case byte(Int)

        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            if let text = try? value.decode(String.self) {
                self = .text(text)
            } else {
                self = .byte(try value.decode(Int.self))
            }
        }

        func encode(to encoder: any Encoder) throws {
            var value = encoder.singleValueContainer()
            switch self {
            case .text(let text): try value.encode(text)
            case .byte(let byte): try value.encode(byte)
            }
        }
    }

    enum CodingKeys: String, CodingKey {
        case format, version, level, tokens, counts, unknown
        case endOfSentence = "end_of_sentence"
    }
}

extension Vocabulary {
    /// Reads and checks a `vocabulary.json`.
    /// - Throws: `FileError`, `JSONFileError`, `VocabularyError`.
    package init(contentsOf path: String) throws {
        let file = try JSONFile.read(VocabularyFile.self, from: path, format: "lockstep vocabulary", limit: 1 << 30)
        guard let level = TokenLevel(rawValue: file.level) else {
            throw VocabularyError.unknownLevel(file: path, level: file.level)
        }
        guard !file.tokens.isEmpty else { throw VocabularyError.empty(file: path) }
        guard file.counts.count == file.tokens.count else {
            throw VocabularyError.countsDisagree(file: path, tokens: file.tokens.count, counts: file.counts.count)
        }
        if let id = file.counts.firstIndex(where: { $0 < 0 }) {
            throw VocabularyError.negativeCount(file: path, id: id, count: file.counts[id])
        }

        var tokens = ByteStringTable()
        for (id, token) in file.tokens.enumerated() {
            guard let bytes = Vocabulary.bytes(of: token, level: level) else {
                throw VocabularyError.invalidToken(file: path, id: id, level: level)
            }
            let (first, isNew) = tokens.insert(bytes)
            guard isNew else { throw VocabularyError.duplicateToken(file: path, id: id, first: first) }
        }
        self.init(level: level, tokens: tokens, occurrences: file.counts)

        for (name, stated, found) in [
            (Vocabulary.unknownToken, file.unknown, unknown),
            (Vocabulary.endOfSentenceToken, file.endOfSentence, endOfSentence),
        ] {
            guard stated == found else {
                throw VocabularyError.specialTokenMisplaced(file: path, token: name, stated: stated, found: found)
            }
            guard level != .word || found != nil else {
                throw VocabularyError.specialTokenMissing(file: path, token: name)
            }
        }
    }

    /// The content of `vocabulary.json`.
    func json() throws -> String {
        try JSONFile.text(
            VocabularyFile(
                level: level.rawValue,
                tokens: (0..<count).map {
                    level == .byte && $0 != unknown
                        ? .byte(Int(bytes(of: $0).first!)) : .text(String(decoding: bytes(of: $0), as: UTF8.self))
                },
                counts: occurrences, unknown: unknown, endOfSentence: endOfSentence))
    }

    /// nil when the token cannot be one of this level.
    private static func bytes(of token: VocabularyFile.Token, level: TokenLevel) -> [UInt8]? {
        switch token {
        case .byte(let value):
            guard level == .byte, let byte = UInt8(exactly: value) else { return nil }
            return [byte]
        case .text(let text):
            let bytes = Array(text.utf8)
            switch level {
            case .byte: return bytes == Array(unknownToken.utf8) ? bytes : nil
            case .character: return text.unicodeScalars.count == 1 || bytes == Array(unknownToken.utf8) ? bytes : nil
            case .word, .piece: return isSpacedToken(bytes) ? bytes : nil
            }
        }
    }

    /// Whether it can stand between white space, as words and pieces do.
    static func isSpacedToken(_ bytes: some Collection<UInt8>) -> Bool {
        1...longestWord ~= bytes.count && !bytes.contains(where: isWhiteSpace)
    }
}

/// A `vocabulary.json` that contradicts itself.
package enum VocabularyError: DiagnosedError, Equatable {
    case unknownLevel(file: String, level: String)
    case empty(file: String)
    case countsDisagree(file: String, tokens: Int, counts: Int)
    case negativeCount(file: String, id: Int, count: Int)
    case invalidToken(file: String, id: Int, level: TokenLevel)
    case duplicateToken(file: String, id: Int, first: Int)
    case specialTokenMissing(file: String, token: String)
    case specialTokenMisplaced(file: String, token: String, stated: Int?, found: Int?)

    package var kind: FailureKind { .data }

    package var diagnosis: Diagnosis {
        var diagnosis =
            switch self {
            case .unknownLevel(let file, let level):
                Diagnosis(
                    "unknown level", file: file, location: "level",
                    expected: TokenLevel.allCases.map(\.rawValue).joined(separator: ", "), found: "\"\(level)\"")
            case .empty(let file): Diagnosis("the vocabulary has no tokens", file: file, location: "tokens")
            case .countsDisagree(let file, let tokens, let counts):
                Diagnosis(
                    "tokens and counts differ in length", file: file, location: "counts", expected: "\(tokens)",
                    found: "\(counts)")
            case .negativeCount(let file, let id, let count):
                Diagnosis("negative count", file: file, location: "counts[\(id)]", found: "\(count)")
            case .invalidToken(let file, let id, let level):
                Diagnosis(
                    "not a token of level \(level.rawValue)", file: file, location: "tokens[\(id)]",
                    expected: level.tokenDescription)
            case .duplicateToken(let file, let id, let first):
                Diagnosis("the same token as tokens[\(first)]", file: file, location: "tokens[\(id)]")
            case .specialTokenMissing(let file, let token):
                Diagnosis("a word vocabulary without \(token)", file: file, location: "tokens")
            case .specialTokenMisplaced(let file, let token, let stated, let found):
                Diagnosis(
                    "the stated id of \(token) is not where it stands in tokens", file: file,
                    expected: found.map(String.init) ?? "none", found: stated.map(String.init) ?? "none")
            }
        diagnosis.remedy = "prepare the data again"
        return diagnosis
    }
}

extension TokenLevel {
    fileprivate var tokenDescription: String {
        switch self {
        case .character: "a string of one character, or \"<unk>\""
        case .byte: "a number from 0 to 255, or \"<unk>\""
        case .word, .piece: "a string without white space, of 1 to \(longestWord) bytes"
        }
    }
}
