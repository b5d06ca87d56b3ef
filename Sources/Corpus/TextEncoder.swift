import Files

/// Encodes the parts of a text with a vocabulary that is known only after all of them have been read.
///
/// Bytes and characters are read twice, since reading them again costs no more than storing their symbols. Words are looked up
/// once, and their symbols are stored in a file. Memory depends only on the size of the vocabulary.
struct TextEncoder {
    private let folder: String
    private let bufferSize: Int
    private var reader: SymbolReader
    private var counts: [Split: SymbolCounts] = [:]

    /// - Parameters:
    ///   - folder: the folder for the token files.
    ///   - bufferSize: bytes to read at once.
    init(level: TokenLevel, folder: String, bufferSize: Int) {
        self.folder = folder
        self.bufferSize = bufferSize
        reader = SymbolReader(level: level)
    }

    /// Whether `encode` reads the text again.
    static func readsTwice(_ level: TokenLevel) -> Bool { level != .word }
    private var readsTwice: Bool { TextEncoder.readsTwice(reader.level) }

    /// Step 1, for each part, the training part first: words are learned from it.
    /// - Throws: `FileError`, `TextError`, `PrepareError`.
    mutating func count(_ split: Split, _ regions: [TextRegion]) throws {
        let file = readsTwice ? nil : try File.open(symbolPath(of: split), .createNew)
        var counts = SymbolCounts()
        try forEachBlock(of: regions, learning: split == .train) { symbols in
            counts.add(UnsafeBufferPointer(symbols))
            try file?.write(UnsafeRawBufferPointer(symbols))
        }
        try file?.close()
        self.counts[split] = counts
    }

    /// Step 2: the vocabulary of the training part. Words outside it are always `<unk>`; characters and bytes need `<unk>`
    /// only if another part has symbols that the training part lacks.
    /// - Parameter limit: as for `Vocabulary`.
    func vocabulary(limit: Int?) -> Vocabulary {
        let training = counts[.train]!
        let othersHaveMore = counts.values.contains { $0.hasSymbols(missingIn: training) }
        return Vocabulary(reader, counts: training, limit: limit, needsUnknown: othersHaveMore)
    }

    /// Step 3, for each part: its token file.
    /// - Throws: `FileError`, `TextError`, `PrepareError`.
    mutating func encode(
        _ split: Split, _ regions: [TextRegion], with vocabulary: Vocabulary
    ) throws -> DatasetManifest.SplitRecord {
        let ids = vocabulary.ids(of: reader)
        let unknown = Int32(vocabulary.unknown ?? -1)
        var unknownCount = 0
        let writer = try ArrayFileWriter(
            "\(folder)/\(DatasetManifest.fileName(of: split))", vocabularySize: vocabulary.count,
            count: counts[split]!.total)
        func write(_ symbols: UnsafeMutableBufferPointer<Int32>) throws {
            guard ids.translate(symbols) == nil else { throw PrepareError.inputChanged(path: regions[0].input.path) }
            for id in symbols where id == unknown { unknownCount += 1 }
            try writer.write(UnsafeBufferPointer(symbols))
        }
        if readsTwice {
            try forEachBlock(of: regions, learning: false, write)
        } else {
            try forEachKeptBlock(of: split, write)
        }
        let (bytes, sha256) = try writer.finish()
        return DatasetManifest.SplitRecord(tokens: writer.count, unknown: unknownCount, bytes: bytes, sha256: sha256)
    }

    private mutating func forEachBlock(
        of regions: [TextRegion], learning: Bool, _ body: (UnsafeMutableBufferPointer<Int32>) throws -> Void
    ) throws {
        var symbols: [Int32] = []
        for region in regions {
            try region.forEachPiece(bufferSize: bufferSize) { piece in
                if symbols.count <= piece.bytes.count { symbols = [Int32](repeating: 0, count: piece.bytes.count + 1) }
                return try symbols.withUnsafeMutableBufferPointer {
                    let (consumed, produced) = try reader.read(piece, learning: learning, into: $0.baseAddress!)
                    try body(UnsafeMutableBufferPointer(rebasing: $0[..<produced]))
                    return consumed
                }
            }
        }
    }

    private func symbolPath(of split: Split) -> String { "\(folder)/\(split.rawValue).symbols" }

    private func forEachKeptBlock(
        of split: Split, _ body: (UnsafeMutableBufferPointer<Int32>) throws -> Void
    ) throws {
        let path = symbolPath(of: split)
        let file = try File.open(path, .read)
        let symbols = UnsafeMutableBufferPointer<Int32>.allocate(capacity: 1 << 17)
        defer { symbols.deallocate() }
        var left = counts[split]!.total
        while left > 0 {
            let block = UnsafeMutableBufferPointer(rebasing: symbols.prefix(left))
            try file.readFully(into: UnsafeMutableRawBufferPointer(block))
            try body(block)
            left -= block.count
        }
        try file.close()
        try Folder.remove(path)
    }
}
