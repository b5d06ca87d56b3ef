import Files
import FoundationEssentials

/// `metrics.jsonl`: one JSON object per line.
package final class MetricsLog {
    private var file: RecordFile
    private let encoder = JSONEncoder()

    /// Opens the log, or starts one. Records after step `lastStep`, which a run resumed there will write again, and a
    /// line cut short by a crash are removed first, by replacing the file atomically.
    /// - Throws: `FileError`.
    package init(path: String, keepingThrough lastStep: Int = .max) throws {
        if Folder.exists(path) { try Self.removeRecords(after: lastStep, in: path) }
        file = try RecordFile(appendingTo: path)
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    }

    /// - Throws: `FileError`, or `EncodingError` for a number that JSON cannot represent; the log then ends with the last
    ///   complete line.
    package func append(_ record: MetricsRecord) throws {
        try file.append(Array(encoder.encode(record)) + [UInt8(ascii: "\n")])
    }

    /// Makes everything appended so far durable.
    /// - Throws: `FileError`.
    package func sync() throws { try file.sync() }

    private static func removeRecords(after lastStep: Int, in path: String) throws {
        let bytes = try File.contents(of: path)
        var kept: [UInt8] = []
        kept.reserveCapacity(bytes.count)
        var rest = bytes[...]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            let line = rest[...end]
            if let step = step(of: line), step <= lastStep { kept += line }
            rest = rest[(end + 1)...]
        }
        guard kept.count < bytes.count else { return }
        try kept.withUnsafeBytes { try File.publish($0, at: path) }
    }

    /// Nil if the line is not a record.
    private static func step(of line: ArraySlice<UInt8>) -> Int? {
        struct Record: Decodable { var step: Int }
        return try? JSONDecoder().decode(Record.self, from: Data(line)).step
    }
}
