/// What one token stands for.
package enum TokenLevel: String, Codable, CaseIterable, Sendable {
    /// A Unicode scalar value of UTF-8 text. Never a grapheme cluster: those change with the Unicode version.
    case character
    /// One of the 256 byte values; any file is valid.
    case byte
    /// What stands between white space (Unicode's property White_Space) in UTF-8 text, with `<eos>` at the end of each line.
    case word
    /// What another tokenizer made of the text. Where pieces are read or written as text, ASCII white space stands between
    /// them, and a line ends in `<eos>` if there is one.
    case piece

    /// Whether white space separates tokens.
    package var isSpaced: Bool { self == .word || self == .piece }
}

/// One of the three parts of a dataset.
package enum Split: String, Codable, CodingKeyRepresentable, CaseIterable, Sendable {
    case train, valid, test
}
