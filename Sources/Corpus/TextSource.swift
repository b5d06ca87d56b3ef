import Files

/// Where a dataset's text comes from, or its tokens when they are ready-made.
public enum TextSource: Sendable, Equatable {
    /// Files one after the other, cut in three: percentages of the bytes for train, valid and test, each cut moved on
    /// to the next start of a character (at word level, of a line).
    case divided(files: [String], percentages: SplitPercentages)
    /// One file for each part.
    case separate(train: String, valid: String, test: String?)
}

/// Three whole percentages that add up to 100, the first above 0.
public struct SplitPercentages: Sendable, Equatable {
    public let train, valid, test: Int

    /// nil unless they are as described.
    public init?(train: Int, valid: Int, test: Int) {
        let each = 0...100
        guard each ~= train, each ~= valid, each ~= test, train > 0, train + valid + test == 100 else { return nil }
        (self.train, self.valid, self.test) = (train, valid, test)
    }

    public static let standard = SplitPercentages(train: 80, valid: 10, test: 10)!
}

/// An input file, open, hashed while it is read.
final class InputFile {
    static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    let file: File
    /// What `dataset.json` calls it.
    let name: String
    let size: Int
    /// Where the text starts: after a byte-order mark.
    let start: Int
    private(set) var digest = Digest()

    /// - Throws: `FileError`, `PrepareError`.
    init(_ path: String, name: String, level: TokenLevel) throws {
        guard Folder.isFile(path) || !Folder.exists(path) else { throw PrepareError.notAFile(path: path) }
        let file = try File.open(path, .read)
        self.file = file
        self.name = name
        size = try file.size()
        var mark = [UInt8](repeating: 0, count: 3)
        let count = try mark.withUnsafeMutableBytes { try file.read(into: $0) }
        let hasMark = level != .byte && count == 3 && mark == InputFile.byteOrderMark
        start = hasMark ? 3 : 0
        guard size > start else { throw PrepareError.emptyInput(path: path) }
        beginAgain()
    }

    /// What was read; the next reading is hashed anew.
    func record() -> DatasetManifest.InputRecord {
        defer { beginAgain() }
        return DatasetManifest.InputRecord(path: name, bytes: size, sha256: digest.hexadecimal())
    }

    private func beginAgain() {
        digest = Digest()
        if start > 0 { digest.update(InputFile.byteOrderMark) }
    }
}

/// A stretch of an input file that belongs to one split.
struct TextRegion {
    let input: InputFile
    let range: Range<Int>
}

extension TextSource {
    /// Opens the inputs and cuts them.
    /// - Returns: the inputs in the order typed, and the regions of each split there is.
    /// - Throws: `FileError`, `PrepareError`.
    func open(level: TokenLevel) throws -> (inputs: [InputFile], regions: [(split: Split, regions: [TextRegion])]) {
        switch self {
        case .separate(let train, let valid, let test):
            let files = [(Split.train, train), (.valid, valid)] + (test.map { [(Split.test, $0)] } ?? [])
            let inputs = try files.map { try InputFile($0.1, name: $0.1, level: level) }
            return (inputs, zip(files, inputs).map { ($0.0, [TextRegion(input: $1, range: $1.start..<$1.size)]) })
        case .divided(let paths, let percentages):
            let inputs = try paths.map { try InputFile($0, name: $0, level: level) }
            let total = inputs.reduce(0) { $0 + $1.size - $1.start }
            var regions: [(split: Split, regions: [TextRegion])] = []
            var percent = 0
            for (split, share) in zip(Split.allCases, [percentages.train, percentages.valid, percentages.test]) {
                guard share > 0 else { continue }
                let range = TextSource.part(percent, of: total)..<TextSource.part(percent + share, of: total)
                regions.append((split, try TextSource.regions(range, of: inputs, level: level)))
                percent += share
            }
            return (inputs, regions)
        }
    }

    static func part(_ percent: Int, of total: Int) -> Int {
        total / 100 * percent + total % 100 * percent / 100  // total * percent / 100, no overflow
    }

    /// - Parameter range: of the inputs' texts laid end to end.
    private static func regions(_ range: Range<Int>, of inputs: [InputFile], level: TokenLevel) throws -> [TextRegion] {
        var regions: [TextRegion] = []
        var before = 0
        for input in inputs {
            let length = input.size - input.start
            let lower = try boundary(atOrAfter: min(max(range.lowerBound - before, 0), length), in: input, level: level)
            let upper = try boundary(atOrAfter: min(max(range.upperBound - before, 0), length), in: input, level: level)
            if lower < upper { regions.append(TextRegion(input: input, range: lower..<upper)) }
            before += length
        }
        return regions
    }

    /// The first start of a token (of a line at word level), or the end of the file, from `position` in the text on.
    private static func boundary(atOrAfter position: Int, in input: InputFile, level: TokenLevel) throws -> Int {
        var offset = input.start + position
        if position == 0 || level == .byte || offset == input.size { return offset }
        if level == .word { offset -= 1 }  // a line may start right at the cut
        try input.file.seek(to: offset)
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = try buffer.withUnsafeMutableBytes { try input.file.read(into: $0) }
            if count == 0 { return offset }
            for byte in buffer[..<count] {
                if level == .character, byte & 0xC0 != 0x80 { return offset }
                offset += 1
                if level == .word, byte == newline { return offset }
            }
        }
    }
}

extension TextRegion {
    /// Presents the region piece by piece.
    /// - Parameters:
    ///   - bufferSize: bytes to read at once; grows when not even one word fits.
    ///   - body: returns how many bytes it consumed; the rest comes again. The last piece must be consumed whole.
    /// - Throws: `FileError`, `PrepareError.inputChanged`.
    func forEachPiece(bufferSize: Int, _ body: (TextPiece) throws -> Int) throws {
        var buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bufferSize, alignment: 64)
        defer { buffer.deallocate() }
        var offset = range.lowerBound
        var held = 0
        var remaining = range.count
        try input.file.seek(to: offset)
        while remaining > 0 {
            if held == buffer.count {
                let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: held * 2, alignment: 64)
                larger.copyMemory(from: UnsafeRawBufferPointer(buffer))
                buffer.deallocate()
                buffer = larger
            }
            let room = UnsafeMutableRawBufferPointer(rebasing: buffer[held..<min(buffer.count, held + remaining)])
            let count = try input.file.read(into: room)
            guard count > 0 else { throw PrepareError.inputChanged(path: input.file.path) }
            input.digest.update(UnsafeRawBufferPointer(rebasing: room[..<count]))
            held += count
            remaining -= count
            let text = UnsafeRawBufferPointer(rebasing: buffer[..<held]).assumingMemoryBound(to: UInt8.self)
            let consumed = try body(
                TextPiece(bytes: text, offset: offset, file: input.file.path, isLast: remaining == 0))
            offset += consumed
            held -= consumed
            buffer.baseAddress!.copyMemory(from: buffer.baseAddress! + consumed, byteCount: held)
        }
        assert(held == 0)
    }
}
