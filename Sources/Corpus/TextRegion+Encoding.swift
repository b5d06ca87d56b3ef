import Files

extension [TextRegion] {
    /// Encodes the text with a vocabulary that is there already, reading it once.
    /// - Parameter policy: for what a vocabulary without `<unk>` lacks; what is marked is left out.
    /// - Returns: what `dataset.json` says of the file, and how many tokens were left out.
    /// - Throws: `FileError`, `GzipError`, `TextError`.
    func write(
        to path: String, vocabulary: Vocabulary, unknown policy: Vocabulary.UnknownPolicy, bufferSize: Int
    ) throws -> (record: DatasetManifest.SplitRecord, leftOut: Int) {
        // The file states at its head how many tokens it has.
        let spool = try TokenSpool(vocabularySize: vocabulary.count, folder: Folder.parent(of: path), named: path)
        var leftOut = 0
        var unknown = 0
        try forEachBlock(vocabulary: vocabulary, unknown: policy, bufferSize: bufferSize) { ids in
            if let id = vocabulary.unknown { unknown += ids.count { Int($0) == id } }
            let known = ids.contains(Vocabulary.missing) ? ids.filter { $0 != Vocabulary.missing } : nil
            leftOut += known.map { ids.count - $0.count } ?? 0
            if let known { try known.withUnsafeBufferPointer(spool.append) } else { try spool.append(ids) }
        }
        let tokens = try spool.store()
        let writer = try ArrayFileWriter(path, vocabularySize: vocabulary.count, count: tokens.count)
        for start in stride(from: 0, to: tokens.count, by: 1 << 16) {
            let block = tokens.tokens(in: start..<Swift.min(start + 1 << 16, tokens.count))
            try block.withUnsafeBufferPointer(writer.write)
        }
        let (bytes, sha256) = try writer.finish()
        return (DatasetManifest.SplitRecord(tokens: writer.count, unknown: unknown, bytes: bytes, sha256: sha256), leftOut)
    }

    /// Presents the ids of the text, block by block.
    func forEachBlock(
        vocabulary: Vocabulary, unknown policy: Vocabulary.UnknownPolicy = .error, bufferSize: Int,
        _ body: (UnsafeBufferPointer<Int32>) throws -> Void
    ) throws {
        var ids: [Int32] = []
        for region in self {
            try region.forEachPiece(bufferSize: bufferSize) { piece in
                if ids.count <= piece.bytes.count { ids = [Int32](repeating: 0, count: piece.bytes.count + 1) }
                return try ids.withUnsafeMutableBufferPointer {
                    let (consumed, produced) = try vocabulary.encode(piece, into: $0.baseAddress!, unknown: policy)
                    try body(UnsafeBufferPointer(rebasing: $0[..<produced]))
                    return consumed
                }
            }
        }
    }
}
