import Files
import SwiftProtobuf

/// Walks through the valid records at the start of an event file.
struct EventReader {
    private let file: File
    /// Our events have a few hundred bytes, and samples a few thousand.
    private static let largestEvent: UInt64 = 1 << 24

    /// - Throws: `FileError`.
    init(_ path: String) throws { file = try File.open(path, .read) }

    /// How many bytes at the start of the file hold valid events of steps up to `lastStep`, and whether one of them shows
    /// something. Steps do not decrease within a file, since a single session wrote it.
    /// - Throws: `FileError`.
    func prefix(throughStep lastStep: Int) throws -> (bytes: Int, hasSummaries: Bool) {
        var end = 0
        var hasSummaries = false
        while let (event, size) = try next(), event.step <= lastStep {
            end += size
            if case .summary = event.what { hasSummaries = true }
        }
        return (end, hasSummaries)
    }

    /// Nil at the end, and before a damaged or incomplete record.
    private func next() throws -> (TensorBoardEvent, size: Int)? {
        guard let head = try read(12) else { return nil }
        let length = head[..<8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard Self.checksum(head[8...]) == CRC32C.masked(head[..<8]), length <= Self.largestEvent,
            let data = try read(Int(length)), let tail = try read(4), Self.checksum(tail[...]) == CRC32C.masked(data),
            let event = try? TensorBoardEvent(serializedBytes: data)
        else { return nil }
        return (event, 16 + data.count)
    }

    private static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 { bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) } }

    /// Nil if the file has fewer bytes left.
    private func read(_ count: Int) throws -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let read = try bytes.withUnsafeMutableBytes { try file.read(into: UnsafeMutableRawBufferPointer(rebasing: $0[done...])) }
            if read == 0 { return nil }
            done += read
        }
        return bytes
    }
}
