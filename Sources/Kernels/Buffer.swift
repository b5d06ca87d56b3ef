import Synchronization

/// Memory of `count` floats, aligned to 64 bytes (one cache line, one AVX-512 register): zero-initialised memory of its
/// own, or memory that ranks share.
package final class Buffer {
    /// Valid only while the buffer is held: by a property, or by `withExtendedLifetime`. Swift may free a local buffer
    /// right after the last line that names it.
    package let base: UnsafeMutablePointer<Float>
    package let count: Int
    private let owner: AnyObject?

    /// Counts the bytes of buffers made within `Buffer.$tally.withValue(...)`, to check the memory formula against.
    @TaskLocal package static var tally: Tally?

    package final class Tally: Sendable {
        private let count = Atomic<Int>(0)
        package init() {}
        package var bytes: Int { count.load(ordering: .relaxed) }
        fileprivate func add(_ bytes: Int) { count.add(bytes, ordering: .relaxed) }
    }

    /// Floats after the last one that may be read: the rest of a vector.
    package static let slack = 8

    /// `count` floats, rounded up to whole cache lines: what follows them begins with a line, as the buffer does.
    package static func wholeLines(_ count: Int) -> Int { (count + 15) & ~15 }

    package init(count: Int) {
        precondition(count >= 0)
        self.count = count
        owner = nil
        Buffer.tally?.add(count * MemoryLayout<Float>.stride)
        let room = count + Buffer.slack
        let bytes = UnsafeMutableRawPointer.allocate(byteCount: room * MemoryLayout<Float>.stride, alignment: 64)
        base = bytes.bindMemory(to: Float.self, capacity: room)
        base.initialize(repeating: 0, count: room)
    }

    /// Uses memory that belongs to `owner`, which is kept, with `slack` floats behind it.
    /// - Parameter isCounted: whether it counts as a buffer's own.
    package init(_ memory: UnsafeMutableBufferPointer<Float>, of owner: AnyObject, isCounted: Bool = false) {
        precondition(UInt(bitPattern: memory.baseAddress) % 64 == 0)
        if isCounted { Buffer.tally?.add(memory.count * MemoryLayout<Float>.stride) }
        base = memory.baseAddress!
        count = memory.count
        self.owner = owner
    }

    deinit { if owner == nil { UnsafeMutableRawPointer(base).deallocate() } }

    /// All floats, as a collection that holds the buffer.
    package var elements: Elements { Elements(of: self, in: 0..<count) }

    /// The memory as numbers in double precision, half as many, of a buffer that holds nothing else.
    package var doubles: UnsafeMutablePointer<Double> {
        UnsafeMutableRawPointer(base).assumingMemoryBound(to: Double.self)
    }

    package func fill(_ value: Float) { base.update(repeating: value, count: count) }
}

/// Memory of `count` integers, token ids for example, counted like that of buffers.
package final class Integers {
    /// Valid only while the owner is held; see `Buffer.base`.
    package let base: UnsafeMutablePointer<Int32>
    package let count: Int

    package init(count: Int, repeating value: Int32 = 0) {
        precondition(count >= 0)
        self.count = count
        Buffer.tally?.add(count * MemoryLayout<Int32>.stride)
        base = .allocate(capacity: count)
        base.initialize(repeating: value, count: count)
    }

    deinit { base.deallocate() }

    package subscript(index: Int) -> Int32 {
        get { base[index] }
        set { base[index] = newValue }
    }
}

/// A row-major matrix in memory with another owner: `rows` rows of `columns` floats, `stride` apart.
package struct Matrix {
    package let base: UnsafeMutablePointer<Float>
    package let rows: Int
    package let columns: Int
    package let stride: Int

    @inlinable
    package init(_ base: UnsafeMutablePointer<Float>, rows: Int, columns: Int, stride: Int? = nil) {
        self.base = base
        self.rows = rows
        self.columns = columns
        self.stride = stride ?? columns
    }

    @inlinable
    package func row(_ index: Int) -> UnsafeMutablePointer<Float> { base + index * stride }

    /// `count` rows starting with row `first`.
    @inlinable
    package func rows(_ first: Int, count: Int) -> Matrix {
        Matrix(base + first * stride, rows: count, columns: columns, stride: stride)
    }

    /// `count` columns of every row, starting with column `first`.
    @inlinable
    package func columns(_ first: Int, count: Int) -> Matrix {
        Matrix(base + first, rows: rows, columns: count, stride: stride)
    }
}

/// Copies `count` floats; the ranges may overlap.
///
/// Not inlined, and used instead of `update(from:)` in this package's arithmetic, for a compiler error (Swift 6.3,
/// LLVM): where a throwing function ends in an inlined `memmove`, that becomes a jump that does not restore the register
/// of the thrown error, and the caller sees an error that nobody threw. Seen in release builds only.
@inline(never)
package func copy(_ source: UnsafePointer<Float>, to destination: UnsafeMutablePointer<Float>, count: Int) {
    destination.update(from: source, count: count)
}
