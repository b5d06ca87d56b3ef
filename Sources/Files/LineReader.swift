import Diagnostics
import Glibc

/// The lines of a file, a pipe or standard input, one at a time; of gzip, the lines of its content.
package final class LineReader {
    /// Bytes; a longer line would need memory without bound.
    static let longestLine = 1 << 27

    private let source: ByteSource
    private let longest: Int
    private var number = 0
    private var buffer: [UInt8]
    private var unread: Range<Int> = 0..<0
    private var ended = false

    /// - Parameter path: nil or "-" for standard input.
    /// - Throws: `FileError`, `NotText`.
    package convenience init(_ path: String?) throws { try self.init(path, longest: LineReader.longestLine) }

    init(_ path: String?, longest: Int) throws {
        source = try ByteSource(path ?? ByteSource.standardInput)
        self.longest = longest
        buffer = [UInt8](repeating: 0, count: 1 << 16)
    }

    /// Whether asking for the next line would not wait for whoever writes it, provided that it writes whole lines.
    package var isReady: Bool { ended || lineEnd != nil || source.isReadable }

    /// The place of the next newline in the buffer.
    private var lineEnd: Int? {
        buffer.withUnsafeBytes { bytes in
            memchr(bytes.baseAddress! + unread.lowerBound, 0x0A, unread.count).map { UnsafeRawPointer($0) - bytes.baseAddress! }
        }
    }

    /// - Throws: `CompressedText` for a compressed format that is not decompressed here; `FileError`.
    package func requireText() throws { try source.requireText() }

    /// What messages call the input.
    package var path: String { source.path }

    /// The next line without its newline, nil at the end. A last line needs no newline.
    /// - Throws: `FileError`, `GzipError`, `LineTooLong`.
    package func next() throws -> [UInt8]? {
        var line: [UInt8] = []
        number += 1
        while !ended {
            if let end = lineEnd {
                line += buffer[unread.lowerBound..<end]
                unread = end + 1..<unread.upperBound
                return line
            }
            line += buffer[unread]
            guard line.count <= longest else { throw LineTooLong(path: source.path, number: number, limit: longest) }
            let count = try buffer.withUnsafeMutableBytes { try source.read(into: $0) }
            unread = 0..<count
            ended = count == 0
        }
        return line.isEmpty ? nil : line
    }
}

/// A line that may have no end.
package struct LineTooLong: DiagnosedError, Equatable {
    package let path: String
    /// From 1.
    package let number: Int
    /// Bytes.
    package let limit: Int

    package var kind: FailureKind { .data }
    package var diagnosis: Diagnosis {
        Diagnosis(
            "a line longer than \(limit) bytes", file: path, location: "line \(number)", remedy: "break the text into lines")
    }
}
