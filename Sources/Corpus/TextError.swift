import Diagnostics

/// Text that cannot be turned into tokens.
package enum TextError: DiagnosedError, Equatable {
    case invalidUTF8(file: String?, offset: Int)
    case wordTooLong(file: String?, offset: Int)
    /// `limit` in bytes.
    case tooLong(file: String?, limit: Int)
    /// `symbol` is what a person can read: a quoted character with its code point, or a byte in hexadecimal.
    case notInVocabulary(symbol: String, file: String?, offset: Int)

    package var kind: FailureKind { .data }

    package var diagnosis: Diagnosis {
        switch self {
        case .invalidUTF8(let file, let offset):
            Diagnosis(
                "invalid UTF-8", file: file, location: "byte \(offset)",
                remedy: "convert the text to UTF-8 or use --level byte")
        case .wordTooLong(let file, let offset):
            Diagnosis(
                "a word longer than \(longestWord) bytes", file: file, location: "byte \(offset)",
                remedy: "break it with white space, or use --level char or byte")
        case .tooLong(let file, let limit):
            Diagnosis(
                "a text longer than \(limit) bytes, or without an end", file: file,
                remedy: "make a dataset of it with lockstep prepare --vocabulary, and give that with --data")
        case .notInVocabulary(let symbol, let file, let offset):
            Diagnosis(
                "\(symbol) is not in the vocabulary, which has no <unk>", file: file, location: "byte \(offset)",
                remedy: "leave it out, or prepare the data and train again with text that has it")
        }
    }
}
