import Files

/// A text under a vocabulary.
package struct EncodedText {
    package let tokens: TokenStore
    /// Size and checksum of the text; for gzip, of its content.
    package let sha256: String
    /// How many of the tokens are `<unk>`.
    package let unknown: Int

    package init(tokens: TokenStore, sha256: String, unknown: Int) {
        self.tokens = tokens
        self.sha256 = sha256
        self.unknown = unknown
    }
}

extension Vocabulary {
    /// Reads a text once, from first byte to last, in bounded memory; its tokens wait in a nameless file.
    /// - Parameters:
    ///   - path: a file, which may be gzip, a pipe, or "-" for standard input.
    ///   - limit: the most bytes of text to read.
    /// - Throws: `FileError`, `NotText`, `CompressedText`, `GzipError`, `PrepareError.emptyInput`, `TextError`.
    package func encode(contentsOf path: String, limit: Int) throws -> EncodedText {
        let input = try InputFile(path, level: level, reading: .once)
        let spool = try TokenSpool(vocabularySize: count, named: input.path)
        var unknownCount = 0
        try [TextRegion(input)].forEachBlock(vocabulary: self, bufferSize: 1 << 17) { ids in
            guard input.handed <= limit else { throw TextError.tooLong(file: input.path, limit: limit) }
            if let unknown { unknownCount += ids.count { Int($0) == unknown } }
            try spool.append(ids)
        }
        return EncodedText(tokens: try spool.store(), sha256: input.record().sha256, unknown: unknownCount)
    }
}
