import Files

/// Numbers on their way through a nameless file, so that any amount of them takes little memory.
final class IntegerSpool<Element: FixedWidthInteger> {
    private let file: File
    private var buffer: [Element] = []
    private(set) var count = 0

    private static var blockLength: Int { 1 << 15 }

    /// - Parameters:
    ///   - folder: whose file system holds the numbers.
    ///   - name: what errors call them.
    /// - Throws: `FileError`.
    init(folder: String, named name: String) throws {
        file = try File.temporary(in: folder, named: name)
        buffer.reserveCapacity(Self.blockLength)
    }

    /// - Throws: `FileError`.
    func append(_ value: Element) throws {
        if buffer.count == Self.blockLength { try flush() }
        buffer.append(value)
        count += 1
    }

    /// Presents all numbers, block by block, in memory that `body` may change.
    /// - Throws: `FileError`, and what `body` throws.
    func forEachBlock(_ body: (UnsafeMutableBufferPointer<Element>) throws -> Void) throws {
        try flush()
        try file.seek(to: 0)
        var block = [Element](repeating: 0, count: Self.blockLength)
        for first in stride(from: 0, to: count, by: block.count) {
            try block.withUnsafeMutableBufferPointer { block in
                let part = UnsafeMutableBufferPointer(rebasing: block[..<min(block.count, count - first)])
                try file.readFully(into: UnsafeMutableRawBufferPointer(part))
                try body(part)
            }
        }
    }

    private func flush() throws {
        try buffer.withUnsafeBytes { try file.write($0) }
        buffer.removeAll(keepingCapacity: true)
    }
}
