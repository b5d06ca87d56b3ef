import Files

/// Writes an array file sequentially and computes its checksum at the same time.
final class ArrayFileWriter {
    private let file: File
    private let type: ArrayHeader.ElementType
    private let digest = Digest()
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    private var used = 0
    private(set) var count = 0

    /// Uses the smallest elements that can represent the ids of a vocabulary.
    /// - Parameter count: the number of ids that will be written.
    /// - Throws: `FileError`.
    convenience init(_ path: String, vocabularySize: Int, count: Int) throws {
        try self.init(path, vocabularySize <= 65_536 ? .unsigned16 : .unsigned32, count: count)
    }

    /// - Parameter count: the number of elements that will be written.
    /// - Throws: `FileError`.
    init(_ path: String, _ type: ArrayHeader.ElementType, count: Int) throws {
        self.type = type
        file = try File.open(path, .createNew)
        let header = ArrayHeader.encoded(type, count: count)
        buffer.copyBytes(from: header)
        used = header.count
    }

    deinit { buffer.deallocate() }

    /// - Throws: `FileError`.
    func write<Number: FixedWidthInteger>(_ ids: UnsafeBufferPointer<Number>) throws {
        let elementSize = type.size
        var rest = ids[...]
        while !rest.isEmpty {
            if used == buffer.count { try flush() }
            let part = UnsafeBufferPointer(rebasing: rest.prefix((buffer.count - used) / elementSize))
            let target = buffer.baseAddress! + used
            switch type {
            case .unsigned16: store(part, as: UInt16.self, at: target)
            case .unsigned32, .signed32: store(part, as: Int32.self, at: target)
            case .signed64: store(part, as: Int64.self, at: target)
            case .float32, .float64: preconditionFailure("integers")
            }
            used += part.count * elementSize
            rest = rest.dropFirst(part.count)
        }
        count += ids.count
    }

    /// Makes the file durable.
    /// - Returns: its size in bytes and checksum.
    /// - Throws: `FileError`.
    func finish() throws -> (bytes: Int, sha256: String) {
        try flush()
        try file.sync()
        let size = try file.size()
        try file.close()
        return (size, digest.hexadecimal())
    }

    private func flush() throws {
        let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<used])
        digest.update(bytes)
        try file.write(bytes)
        used = 0
    }

    private func store<Number: FixedWidthInteger, Element: FixedWidthInteger>(
        _ ids: UnsafeBufferPointer<Number>, as _: Element.Type, at target: UnsafeMutableRawPointer
    ) {
        let elements = target.assumingMemoryBound(to: Element.self)
        for index in ids.indices { elements[index] = Element(truncatingIfNeeded: ids[index]).littleEndian }
    }
}
