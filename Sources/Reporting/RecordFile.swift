import Files

/// A file that grows by complete records: each is written by one system call as it comes, and no part of a failed write
/// remains.
struct RecordFile {
    private let file: File
    /// Where the last complete record ends.
    private var size: Int

    /// - Throws: `FileError`.
    init(appendingTo path: String) throws {
        file = try File.open(path, .append)
        size = try file.size()
    }

    /// - Throws: `FileError`; the file then ends with the last complete record.
    mutating func append(_ record: [UInt8]) throws {
        do {
            try record.withUnsafeBytes { try file.write($0) }
        } catch {
            try? file.truncate(to: size)
            throw error
        }
        size += record.count
    }

    /// Makes everything written so far durable.
    /// - Throws: `FileError`.
    func sync() throws { try file.sync() }
}
