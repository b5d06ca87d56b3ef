import Diagnostics
import Glibc

/// Bytes from outside, read once from first to last: a file, a pipe or standard input. What begins as gzip, whatever its
/// name, is decompressed.
package final class ByteSource {
    /// What stands for standard input on a command line.
    package static let standardInput = "-"

    /// As typed; "standard input" for that.
    package let path: String
    private let isStandardInput: Bool
    private let file: File
    /// Read to recognise the format, and not yet handed on.
    private var head: [UInt8] = []
    private var isRecognised = false
    private var decoder: GzipDecoder?
    private var format: CompressedFormat?

    /// Opens a named pipe, too, and waits for its writer.
    /// - Parameter path: "-" for standard input.
    /// - Throws: `FileError`, `NotText`.
    package init(_ path: String) throws {
        isStandardInput = path == ByteSource.standardInput
        guard !isStandardInput else {
            self.path = "standard input"
            file = File.standardInput()
            return
        }
        self.path = path
        if Folder.exists(path), !ByteSource.isReadableOnce(path) { throw NotText(path: path) }
        // A regular file is checked as such.
        file = try File.open(path, Folder.isFile(path) || !Folder.exists(path) ? .read : .stream)
    }

    /// Not a folder, nor a device: those have no end, but for a terminal.
    private static func isReadableOnce(_ path: String) -> Bool {
        var info = stat()
        guard stat(path.cBytes, &info) == 0 else { return true }
        switch info.st_mode & S_IFMT {
        case S_IFREG, S_IFIFO, S_IFSOCK: return true
        case S_IFCHR: return (try? File.open(path, .stream))?.isTerminal ?? false
        default: return false
        }
    }

    /// Whether the file can be read from any place, and again: a regular file that is not compressed.
    /// - Throws: `FileError`.
    package func isRandomAccess() throws -> Bool {
        try !isStandardInput && Folder.isFile(path) && !isCompressed()
    }

    /// Whether it is gzip.
    /// - Throws: `FileError`.
    package func isCompressed() throws -> Bool {
        try recognise()
        return decoder != nil
    }

    /// For text.
    /// - Throws: `CompressedText` for a compressed format that is not decompressed here; `FileError`.
    package func requireText() throws {
        if let format = try foreignFormat() { throw CompressedText(path: path, format: format) }
    }

    /// A compressed format that is handed on as it is.
    /// - Throws: `FileError`.
    package func foreignFormat() throws -> CompressedFormat? {
        try recognise()
        return format
    }

    /// Reads up to `buffer.count` bytes; 0 at the end.
    /// - Throws: `FileError`, `GzipError`.
    package func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        try recognise()
        guard let decoder else { return try readRaw(into: buffer) }
        return try decoder.read(into: buffer, from: readRaw)
    }

    /// Whether reading would not wait: there are bytes, or the end has come.
    var isReadable: Bool { !head.isEmpty || file.isReadable }

    private func readRaw(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        guard !head.isEmpty else { return try file.read(into: buffer) }
        let count = min(head.count, buffer.count)
        buffer.copyBytes(from: head[..<count])
        head.removeFirst(count)
        return count
    }

    /// Not before the first reading, which may wait for somebody to type. Waits for no more bytes than tell the format.
    private func recognise() throws {
        guard !isRecognised else { return }
        isRecognised = true
        let magics = [GzipDecoder.magic] + CompressedFormat.allCases.map(\.magic)
        while head.count < CompressedFormat.longestStart,
            magics.contains(where: { $0.starts(with: head) || head.starts(with: $0) })
        {
            var more = [UInt8](repeating: 0, count: CompressedFormat.longestStart - head.count)
            let count = try more.withUnsafeMutableBytes { try file.read(into: $0) }
            if count == 0 { break }
            head += more[..<count]
        }
        if head.starts(with: GzipDecoder.magic) { decoder = try GzipDecoder(path) }
        format = CompressedFormat(startingWith: head)
    }
}

/// A folder or a device in place of a text.
package struct NotText: DiagnosedError, Equatable {
    package let path: String
    package var kind: FailureKind { .data }
    package var diagnosis: Diagnosis {
        Diagnosis("a folder or a device, not a text", file: path, remedy: "give a file, a pipe, or - for standard input")
    }
}
