/// A row of floats in memory with another owner, read and written a vector at a time:
///
///     for place in LaneBlocks(size) { h[place] = o[place] * hyperbolicTangent(c[place]) }
///
/// The one way by which arithmetic outside this module reaches memory; valid as long as the memory's owner.
@usableFromInline
package struct Row {
    @usableFromInline let base: UnsafeMutablePointer<Float>

    @inlinable @inline(__always)
    package init(_ base: UnsafeMutablePointer<Float>) { self.base = base }

    /// Reading may pass the row's end, as every `Buffer` has room behind it; writing does not.
    @inlinable
    package subscript(place: LaneBlocks.Element) -> Lanes {
        @inline(__always) get { base.load(place.offset) }
        @inline(__always) nonmutating set { base.store(newValue, place.offset, place.lanes) }
    }

    /// The row that starts `count` floats further on.
    @inlinable @inline(__always)
    package static func + (row: Row, count: Int) -> Row { Row(row.base + count) }
}

extension Buffer {
    /// The row that starts at `offset`.
    @inline(__always)
    package func row(at offset: Int = 0) -> Row { Row(base + offset) }
}
