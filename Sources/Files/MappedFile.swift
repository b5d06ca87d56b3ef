import Glibc

/// A file mapped read-only for as long as this object lives; pages come in as they are touched.
public final class MappedFile: @unchecked Sendable {
    public let path: String
    public let bytes: UnsafeRawBufferPointer

    /// - Throws: `FileError`.
    public init(_ path: String) throws {
        self.path = path
        let file = try File.open(path, .read)
        bytes = try file.map()
        try file.close()
    }

    deinit {
        if let base = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: base), bytes.count) }
    }
}
