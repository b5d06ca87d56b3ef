import Files

/// A sequence of token ids: a memory-mapped `.npy` file, whose pages are loaded as they are read, or text encoded in memory.
///
/// Unchecked because of the pointer; what it points to never changes.
package final class TokenStore: @unchecked Sendable {
    /// Path of the file, or a description of the tokens for errors if there is no file.
    package let path: String
    /// The number of tokens.
    package let count: Int
    /// Numbers in place of tokens, whose rows are their ids; nil for tokens.
    package let values: ValueFile?
    /// Bytes per token in `elements`: 2 or 4, little endian.
    private let elementSize: Int
    private let elements: UnsafeRawBufferPointer
    /// Offset of the first element in the file.
    private let dataOffset: Int
    /// Keeps the mapping alive; nil if `elements` is this object's own memory.
    private let file: MappedFile?

    /// Maps a token file and checks its header; the ids themselves are checked by `validate`.
    /// - Throws: `FileError`, `ArrayFileError`.
    package init(contentsOf path: String) throws {
        let file = try MappedFile(path)
        let header = try ArrayHeader(parsing: file.bytes, fileSize: file.bytes.count, file: path)
        self.path = path
        self.file = file
        values = nil
        count = header.count
        elementSize = header.elementType.size
        dataOffset = header.dataOffset
        elements = UnsafeRawBufferPointer(rebasing: file.bytes[header.dataOffset...])
    }

    /// Maps a file of ids without a header.
    /// - Throws: `FileError`.
    init(mapping file: File, elementSize: Int) throws {
        let map = try MappedFile(file)
        path = file.path
        self.file = map
        values = nil
        count = map.bytes.count / elementSize
        self.elementSize = elementSize
        dataOffset = 0
        elements = map.bytes
    }

    /// - Parameter ids: all of them at least 0.
    package init(_ ids: [Int32], name: String = "tokens") {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: ids.count * 4, alignment: 4)
        ids.withUnsafeBytes { memory.copyMemory(from: $0) }
        path = name
        file = nil
        values = nil
        count = ids.count
        elementSize = 4
        dataOffset = 0
        elements = UnsafeRawBufferPointer(memory)
    }

    /// Rows of numbers in place of tokens.
    init(rowsOf values: ValueFile) {
        self.values = values
        path = values.path
        file = nil
        count = values.rows
        elementSize = 0
        dataOffset = 0
        elements = UnsafeRawBufferPointer(start: nil, count: 0)
    }

    /// Size of the file in bytes when it was mapped; 0 if there is no file.
    package var fileSize: Int { file?.bytes.count ?? values?.fileSize ?? 0 }

    deinit { if file == nil { elements.deallocate() } }

    /// Writes `count` ids, those from `position` on, to `target[0]`, `target[stride]`, `target[2 * stride]`, ...
    @inline(__always)
    package func copy(
        from position: Int, count: Int, to target: UnsafeMutablePointer<Int32>, stride: Int = 1
    ) {
        precondition(position >= 0 && count >= 0 && count <= self.count && position <= self.count - count)
        if values != nil {
            for index in 0..<count { target[index &* stride] = Int32(position &+ index) }
        } else if elementSize == 2 {
            copy(UInt16.self, from: position, count: count, to: target, stride: stride)
        } else {
            copy(UInt32.self, from: position, count: count, to: target, stride: stride)
        }
    }

    package func tokens(in range: Range<Int>) -> [Int32] {
        [Int32](unsafeUninitializedCapacity: range.count) { ids, count in
            count = range.count
            if let target = ids.baseAddress { copy(from: range.lowerBound, count: range.count, to: target) }
        }
    }

    /// Reads every id once, or every number.
    /// - Throws: `ArrayFileError.tokenOutOfRange` for the first one that is not below `vocabularySize`; `ValueFileError`.
    package func validate(vocabularySize: Int) throws {
        if let values { return try values.validate() }
        let found =
            elementSize == 2
            ? firstIndex(notBelow: vocabularySize, UInt16.self) : firstIndex(notBelow: vocabularySize, UInt32.self)
        guard let found else { return }
        throw ArrayFileError.tokenOutOfRange(
            file: path, index: found.index, offset: dataOffset + found.index * elementSize, token: found.token,
            vocabularySize: vocabularySize)
    }

    /// How often each id occurs.
    /// - Parameter vocabularySize: above every id.
    package func counts(vocabularySize: Int) -> [Int] {
        var counts = [Int](repeating: 0, count: vocabularySize)
        if values != nil { return counts }
        for index in 0..<count {
            let token = elementSize == 2 ? Int(element(UInt16.self, at: index)) : Int(element(UInt32.self, at: index))
            counts[token] += 1
        }
        return counts
    }

    /// Checks that the file is unchanged, before anything learned from it is saved.
    /// - Parameter hash: the file's SHA-256.
    /// - Throws: `FileChanged`, `FileError`.
    package func check(hash: String) throws {
        try file?.check(hash: hash)
        try values?.check(hash: hash)
    }

    private func copy<Element: FixedWidthInteger>(
        _: Element.Type, from position: Int, count: Int, to target: UnsafeMutablePointer<Int32>, stride: Int
    ) {
        for index in 0..<count {
            target[index &* stride] = Int32(truncatingIfNeeded: element(Element.self, at: position &+ index))
        }
    }

    private func firstIndex<Element: FixedWidthInteger & UnsignedInteger>(
        notBelow limit: Int, _: Element.Type
    ) -> (index: Int, token: Int)? {
        // The maximum of a block first: a loop without an exit is vectorised.
        let block = 4096
        for start in stride(from: 0, to: count, by: block) {
            let range = start..<min(start + block, count)
            var largest: Element = 0
            for index in range { largest = max(largest, element(Element.self, at: index)) }
            if Int(largest) < limit { continue }
            for index in range where Int(element(Element.self, at: index)) >= limit {
                return (index, Int(element(Element.self, at: index)))
            }
        }
        return nil
    }

    /// Files need not align their elements.
    @inline(__always)
    private func element<Element: FixedWidthInteger>(_: Element.Type, at index: Int) -> Element {
        let size = MemoryLayout<Element>.size
        let base = elements.baseAddress.unsafelyUnwrapped
        return Element(littleEndian: base.loadUnaligned(fromByteOffset: index &* size, as: Element.self))
    }
}
