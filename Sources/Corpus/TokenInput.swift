import Files

/// An array of token ids that another program made, open, hashed while it is read.
final class TokenInput {
    let path: String
    private let file: File
    private let header: ArrayHeader
    private let size: Int
    private let digest = Digest()

    /// - Throws: `FileError`, `PrepareError`, `TokenInputError`.
    init(_ path: String) throws {
        guard Folder.isFile(path) || !Folder.exists(path) else { throw PrepareError.notAFile(path: path) }
        self.path = path
        let file = try File.open(path, .read)
        self.file = file
        let size = try file.size()
        self.size = size
        var start = [UInt8](repeating: 0, count: min(size, ArrayHeader.largestSize))
        try start.withUnsafeMutableBytes { try file.readFully(into: $0) }
        header = try TokenInputError.wrapping {
            try start.withUnsafeBytes {
                try ArrayHeader(parsing: $0, fileSize: size, file: path, accepting: ArrayHeader.ElementType.integers)
            }
        }
        guard header.count > 0 else { throw PrepareError.emptyInput(path: path) }
        digest.update(Array(start[..<header.dataOffset]))
    }

    /// The number of tokens.
    var count: Int { header.count }

    func record() -> DatasetManifest.InputRecord {
        DatasetManifest.InputRecord(path: path, bytes: size, sha256: digest.hexadecimal())
    }

    /// Presents the tokens in `range` block by block.
    /// - Throws: `FileError`, `TokenInputError` for an id that is not below `vocabularySize`.
    func forEachBlock(
        in range: Range<Int>, below vocabularySize: Int, _ body: (UnsafeBufferPointer<Int32>) throws -> Void
    ) throws {
        let elementSize = header.elementType.size
        let blockCount = min(range.count, 1 << 16)
        let raw = UnsafeMutableRawBufferPointer.allocate(byteCount: blockCount * elementSize, alignment: 64)
        let ids = UnsafeMutableBufferPointer<Int32>.allocate(capacity: blockCount)
        defer {
            raw.deallocate()
            ids.deallocate()
        }
        try file.seek(to: header.dataOffset + range.lowerBound * elementSize)
        for start in stride(from: range.lowerBound, to: range.upperBound, by: blockCount) {
            let count = min(blockCount, range.upperBound - start)
            let bytes = UnsafeMutableRawBufferPointer(rebasing: raw[..<(count * elementSize)])
            try file.readFully(into: bytes)
            digest.update(UnsafeRawBufferPointer(bytes))
            let strange =
                switch header.elementType {
                case .unsigned16: convert(UInt16.self, bytes, to: ids, below: vocabularySize)
                case .unsigned32: convert(UInt32.self, bytes, to: ids, below: vocabularySize)
                case .signed32: convert(Int32.self, bytes, to: ids, below: vocabularySize)
                case .signed64: convert(Int64.self, bytes, to: ids, below: vocabularySize)
                case .float32, .float64: preconditionFailure("not accepted")
                }
            if let (index, token) = strange {
                throw TokenInputError(
                    cause: .tokenOutOfRange(
                        file: path, index: start + index, offset: header.dataOffset + (start + index) * elementSize,
                        token: token, vocabularySize: vocabularySize))
            }
            try body(UnsafeBufferPointer(rebasing: ids[..<count]))
        }
    }

    /// - Returns: the first id outside `0 ..< limit`, with its index.
    private func convert<Element: FixedWidthInteger>(
        _: Element.Type, _ bytes: UnsafeMutableRawBufferPointer, to ids: UnsafeMutableBufferPointer<Int32>,
        below limit: Int
    ) -> (index: Int, token: Int)? {
        for (index, element) in bytes.assumingMemoryBound(to: Element.self).enumerated() {
            let token = Int(truncatingIfNeeded: Element(littleEndian: element))
            guard token >= 0, token < limit else { return (index, token) }
            ids[index] = Int32(truncatingIfNeeded: token)
        }
        return nil
    }
}

/// The part of an array of tokens that belongs to one split.
struct TokenRegion {
    let input: TokenInput
    let range: Range<Int>
}

extension TextSource {
    /// Opens arrays of tokens and cuts them.
    /// - Returns: the inputs in the order given, and the regions of each existing split.
    /// - Throws: `FileError`, `PrepareError`, `TokenInputError`.
    func openTokens() throws -> (inputs: [TokenInput], regions: [(split: Split, regions: [TokenRegion])]) {
        switch self {
        case .separate(let train, let valid, let test):
            let files = [(Split.train, train), (.valid, valid)] + (test.map { [(Split.test, $0)] } ?? [])
            let inputs = try files.map { try TokenInput($0.1) }
            return (inputs, zip(files, inputs).map { ($0.0, [TokenRegion(input: $1, range: 0..<$1.count)]) })
        case .divided(let paths, let percentages):
            let inputs = try paths.map { try TokenInput($0) }
            let total = inputs.reduce(0) { $0 + $1.count }
            var regions: [(split: Split, regions: [TokenRegion])] = []
            var percent = 0
            for (split, share) in zip(Split.allCases, [percentages.train, percentages.valid, percentages.test]) {
                guard share > 0 else { continue }
                let part = TextSource.part(percent, of: total)..<TextSource.part(percent + share, of: total)
                var before = 0
                var pieces: [TokenRegion] = []
                for input in inputs {
                    let range = part.clamped(to: before..<before + input.count)
                    if !range.isEmpty {
                        pieces.append(
                            TokenRegion(input: input, range: range.lowerBound - before..<range.upperBound - before))
                    }
                    before += input.count
                }
                regions.append((split, pieces))
                percent += share
            }
            return (inputs, regions)
        }
    }
}

extension [TokenRegion] {
    /// Writes the token file of a split.
    /// - Returns: its description, and how often each id occurs.
    /// - Throws: `FileError`, `TokenInputError`.
    func write(
        to path: String, vocabulary: Vocabulary
    ) throws -> (record: DatasetManifest.SplitRecord, occurrences: [Int]) {
        let writer = try ArrayFileWriter(
            path, vocabularySize: vocabulary.count, count: reduce(0) { $0 + $1.range.count })
        var occurrences = [Int](repeating: 0, count: vocabulary.count)
        for region in self {
            try region.input.forEachBlock(in: region.range, below: vocabulary.count) { ids in
                for id in ids { occurrences[Int(id)] += 1 }
                try writer.write(ids)
            }
        }
        let (bytes, sha256) = try writer.finish()
        let record = DatasetManifest.SplitRecord(
            tokens: writer.count, unknown: vocabulary.unknown.map { occurrences[$0] } ?? 0, bytes: bytes,
            sha256: sha256)
        return (record, occurrences)
    }
}
