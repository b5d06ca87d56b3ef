import Files

/// Token ids on their way into a nameless file, so that a text of any length takes little memory.
package final class TokenSpool {
    private let file: File
    private let elementSize: Int
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 64)
    private var used = 0

    /// - Parameters:
    ///   - folder: whose file system holds the ids.
    ///   - name: what errors call them.
    /// - Throws: `FileError`.
    package init(vocabularySize: Int, folder: String = File.temporaryFolder, named name: String) throws {
        elementSize = vocabularySize <= 65_536 ? 2 : 4
        file = try File.temporary(in: folder, named: name)
    }

    deinit { buffer.deallocate() }

    /// - Parameter ids: all of them below the vocabulary's size, and at least 0.
    /// - Throws: `FileError`.
    package func append(_ ids: UnsafeBufferPointer<Int32>) throws {
        for id in ids {
            if used == buffer.count { try flush() }
            if elementSize == 2 {
                buffer.storeBytes(of: UInt16(truncatingIfNeeded: id).littleEndian, toByteOffset: used, as: UInt16.self)
            } else {
                buffer.storeBytes(of: id.littleEndian, toByteOffset: used, as: Int32.self)
            }
            used += elementSize
        }
    }

    /// All of them, mapped. Nothing can be appended afterwards.
    /// - Throws: `FileError`.
    package func store() throws -> TokenStore {
        try flush()
        return try TokenStore(mapping: file, elementSize: elementSize)
    }

    private func flush() throws {
        try file.write(UnsafeRawBufferPointer(rebasing: buffer[..<used]))
        used = 0
    }
}
