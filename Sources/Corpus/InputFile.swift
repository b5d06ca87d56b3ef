import Files

/// An input text, open, hashed while it is read. What is hashed and counted of gzip is its content.
final class InputFile {
    /// How often, and from where, the text is read.
    enum Reading {
        /// From first byte to last.
        case once
        /// From any place. What can be read only once (a pipe, gzip) waits in a nameless file in this folder.
        case again(folder: String)
    }

    static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    /// As typed; what `dataset.json` calls it.
    let name: String
    /// What messages call it.
    let path: String
    /// Bytes; nil before a text that is read once has ended.
    private(set) var size: Int?
    /// Where the text starts: after a byte-order mark.
    let start: Int
    let isCompressed: Bool
    let foreignFormat: CompressedFormat?
    private(set) var digest = Digest()

    /// For reading from any place.
    private let file: File?
    /// For reading once.
    private let source: ByteSource
    /// The first bytes of `source`, looked at and not yet handed on.
    private var lead: [UInt8] = []
    /// Bytes handed on since `record`.
    private(set) var handed = 0

    /// - Throws: `FileError`, `NotText`, `CompressedText`, `GzipError`, `PrepareError.emptyInput`.
    init(_ path: String, level: TokenLevel, name: String? = nil, reading: Reading) throws {
        let source = try ByteSource(path)
        self.name = name ?? path
        self.path = source.path
        self.source = source
        isCompressed = try source.isCompressed()
        foreignFormat = try source.foreignFormat()
        // Any bytes can be trained on at level byte.
        if level != .byte { try source.requireText() }

        switch reading {
        case .once:
            file = nil
            while lead.count < 4 {  // the mark and what follows it
                let next = try InputFile.bytes(upTo: 4 - lead.count, of: source)
                if next.isEmpty { break }
                lead += next
            }
        case .again(let folder):
            let file = try source.isRandomAccess() ? File.open(path, .read) : InputFile.copy(source, in: folder)
            self.file = file
            size = try file.size()
            lead = [UInt8](repeating: 0, count: 4)
            let count = try lead.withUnsafeMutableBytes { try file.read(into: $0) }
            lead.removeLast(4 - count)
        }
        let hasMark = level != .byte && lead.starts(with: InputFile.byteOrderMark)
        start = hasMark ? 3 : 0
        guard lead.count > start else { throw PrepareError.emptyInput(path: self.path) }
        lead.removeFirst(start)
        beginAgain()
    }

    /// The whole text.
    var text: Range<Int> { start..<(size ?? .max) }

    /// Before `read`.
    func seek(to offset: Int) throws {
        if let file { try file.seek(to: offset) } else { precondition(offset == start, "read once") }
    }

    /// Reads up to `buffer.count` bytes; 0 at the end.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        if let file { return try file.read(into: buffer) }
        guard !lead.isEmpty else {
            let count = try source.read(into: buffer)
            if count == 0, !buffer.isEmpty { size = handed }
            return count
        }
        let count = min(lead.count, buffer.count)
        buffer.copyBytes(from: lead[..<count])
        lead.removeFirst(count)
        return count
    }

    /// These bytes belong to the text.
    func count(_ bytes: UnsafeRawBufferPointer) {
        digest.update(bytes)
        handed += bytes.count
    }

    /// Size and checksum of what was read. The next reading starts a new checksum.
    func record() -> DatasetManifest.InputRecord {
        defer { beginAgain() }
        return DatasetManifest.InputRecord(path: name, bytes: size ?? handed, sha256: digest.hexadecimal())
    }

    private func beginAgain() {
        digest = Digest()
        handed = start
        if start > 0 { digest.update(InputFile.byteOrderMark) }
    }

    private static func bytes(upTo count: Int, of source: ByteSource) throws -> ArraySlice<UInt8> {
        var bytes = [UInt8](repeating: 0, count: count)
        let found = try bytes.withUnsafeMutableBytes { try source.read(into: $0) }
        return bytes[..<found]
    }

    private static func copy(_ source: ByteSource, in folder: String) throws -> File {
        let file = try File.temporary(in: folder, named: source.path)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 64)
        defer { buffer.deallocate() }
        while true {
            let count = try source.read(into: buffer)
            if count == 0 { break }
            try file.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
        try file.seek(to: 0)
        return file
    }
}
