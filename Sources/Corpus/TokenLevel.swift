/// What one token stands for.
public enum TokenLevel: String, Codable, CaseIterable, Sendable {
    /// A Unicode scalar value of UTF-8 text. Never a grapheme cluster: those change with the Unicode version.
    case character
    /// One of the 256 byte values; any file will do.
    case byte
    /// What stands between ASCII white space in UTF-8 text, with `<eos>` at the end of each line.
    case word
}

/// One of the three parts of a dataset.
public enum Split: String, Codable, CodingKeyRepresentable, CaseIterable, Sendable {
    case train, valid, test
}
