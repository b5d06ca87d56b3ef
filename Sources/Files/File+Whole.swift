import Glibc

extension File {
    /// Publishes a complete small file: temporary file beside it, fsync, rename, fsync of the folder. Readers see the
    /// old content or the new, never part of either. A link stays one: the file it points to is replaced.
    /// - Throws: `FileError`; the temporary file is then gone and the old content untouched.
    package static func publish(_ bytes: UnsafeRawBufferPointer, at path: String) throws {
        try publish(at: path) { write in try write(bytes) }
    }

    /// The same for a file of any size.
    /// - Parameter content: writes it piece by piece.
    /// - Throws: `FileError`, and what `content` throws.
    package static func publish(
        at path: String, content: (_ write: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
    ) throws {
        let end = try Folder.followingLinks(path)
        let path = Folder.isFolder(end) ? path : end
        let temporary = TemporaryItem(beside: path)
        defer { temporary.remove() }
        let file = try File.open(temporary.path, .write)
        try content { try file.write($0) }
        try file.sync()
        try file.close()
        try temporary.undisturbed { try Folder.rename(temporary.path, to: path) }
        try Folder.sync(Folder.parent(of: path))
    }

    package static func publish(_ text: String, at path: String) throws {
        var text = text
        try text.withUTF8 { try publish(UnsafeRawBufferPointer($0), at: path) }
    }

    /// The whole of a small file. Refuses more than `limit` bytes, so that a hostile file cannot fill the memory.
    package static func contents(of path: String, limit: Int = 1 << 30) throws -> [UInt8] {
        let file = try File.open(path, .read)
        let size = try file.size()
        guard size <= limit else { throw FileError(operation: "read \(size) bytes (limit \(limit)) of", path: path, code: EFBIG) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: max(4096, min(size + 1, 1 << 20)))
        while true {
            let count = try buffer.withUnsafeMutableBytes { try file.read(into: $0) }
            if count == 0 { return bytes }
            // A device or a growing file has more bytes than its size says.
            guard bytes.count + count <= limit else {
                throw FileError(operation: "read more than \(limit) bytes of", path: path, code: EFBIG)
            }
            bytes.append(contentsOf: buffer[..<count])
        }
    }
}
