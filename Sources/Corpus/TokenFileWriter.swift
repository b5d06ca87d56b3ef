import Files

/// Writes a token file: header last, since the count is known only then.
final class TokenFileWriter {
    private let file: File
    private let elementSize: Int
    private(set) var count = 0

    /// The smallest element that holds the ids of a vocabulary.
    init(_ path: String, vocabularySize: Int) throws {
        elementSize = vocabularySize <= 65_536 ? 2 : 4
        file = try File.open(path, .createNew)
        try file.seek(to: ArrayHeader.writtenSize)
    }

    func write(_ ids: UnsafeBufferPointer<Int32>) throws {
        if elementSize == 2 {
            try ids.map { UInt16(truncatingIfNeeded: $0).littleEndian }.withUnsafeBytes { try file.write($0) }
        } else {
            try ids.map { $0.littleEndian }.withUnsafeBytes { try file.write($0) }
        }
        count += ids.count
    }

    /// - Returns: the file's size in bytes.
    func finish() throws -> Int {
        try file.seek(to: 0)
        try ArrayHeader.encoded(elementSize: elementSize, count: count).withUnsafeBytes { try file.write($0) }
        let size = try file.size()
        try file.sync()
        try file.close()
        return size
    }
}
