/// Consecutive floats of a buffer, which they keep alive: unlike a pointer they cannot outlive their memory. Changing an
/// element changes the buffer.
package struct Elements: RandomAccessCollection, MutableCollection {
    private let owner: Buffer
    private let first: Int
    package let count: Int

    /// - Parameter range: within the buffer. Indices here start at 0.
    package init(of owner: Buffer, in range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= owner.count)
        self.owner = owner
        first = range.lowerBound
        count = range.count
    }

    package var startIndex: Int { 0 }
    package var endIndex: Int { count }

    package subscript(index: Int) -> Float {
        get {
            precondition(indices.contains(index))
            return withExtendedLifetime(owner) { owner.base[first + index] }
        }
        nonmutating set {
            precondition(indices.contains(index))
            withExtendedLifetime(owner) { owner.base[first + index] = newValue }
        }
    }

    /// Calls `body` with a pointer to the floats, which is valid until `body` returns.
    package func withUnsafe<Result>(_ body: (UnsafeMutableBufferPointer<Float>) throws -> Result) rethrows -> Result {
        try withExtendedLifetime(owner) {
            try body(UnsafeMutableBufferPointer(start: owner.base + first, count: count))
        }
    }

    /// Whether no element is NaN or infinite.
    package var areFinite: Bool {
        withUnsafe { values in
            // All exponent bits set: NaN or infinity. In integers, so that the loop becomes vector instructions.
            let exponent: UInt32 = 0x7f80_0000
            var bad: UInt32 = 0
            for value in values { bad |= value.bitPattern & exponent == exponent ? 1 : 0 }
            return bad == 0
        }
    }

    package func fill(_ value: Float) { withUnsafe { $0.update(repeating: value) } }

    /// Replaces all elements.
    /// - Parameter values: as many as there are elements.
    package func update(from values: some Collection<Float>) {
        precondition(values.count == count)
        withUnsafe { _ = $0.update(fromContentsOf: values) }
    }
}
