import Files

/// A memory-mapped `.npy` file of signed integers: labels, or the places where sequences start.
///
/// Unchecked because of the pointer; what it points to never changes.
final class MappedIntegers<Element: FixedWidthInteger>: @unchecked Sendable {
    let path: String
    let count: Int
    private let file: MappedFile
    private let elements: UnsafeRawPointer
    /// Offset of the first element in the file.
    private let dataOffset: Int

    /// - Parameter type: that of `Element`.
    /// - Throws: `FileError`, `ArrayFileError`.
    init(contentsOf path: String, _ type: ArrayHeader.ElementType) throws {
        precondition(type.size == MemoryLayout<Element>.size)
        let file = try MappedFile(path)
        let header = try ArrayHeader(parsing: file.bytes, fileSize: file.bytes.count, file: path, accepting: [type])
        self.path = path
        self.file = file
        count = header.count
        dataOffset = header.dataOffset
        elements = file.bytes.baseAddress! + header.dataOffset
    }

    /// Size of the file in bytes when it was mapped.
    var fileSize: Int { file.bytes.count }

    /// Files need not align their elements.
    @inline(__always) subscript(index: Int) -> Element {
        precondition(index >= 0 && index < count)
        return Element(littleEndian: elements.loadUnaligned(fromByteOffset: index &* MemoryLayout<Element>.size, as: Element.self))
    }

    /// The place of an element in the file, in bytes.
    func offset(of index: Int) -> Int { dataOffset + index * MemoryLayout<Element>.size }

    /// As `TokenStore.check`.
    func check(hash: String) throws { try file.check(hash: hash) }
}
