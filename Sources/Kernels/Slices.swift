/// The same units in each of several blocks of a row: of a range of hidden units, the columns in every gate.
package struct Slices: Sendable, Equatable {
    /// In each block.
    package let units: Range<Int>
    package let blocks: Int
    /// The width of a block.
    package let stride: Int

    /// - Parameters:
    ///   - units: within 0 ..< stride. All of them are one block.
    package init(_ units: Range<Int>, ofBlocks blocks: Int, width stride: Int) {
        let isWhole = units.count == stride
        self.units = isWhole ? 0..<blocks * stride : units
        self.blocks = isWhole ? 1 : blocks
        self.stride = isWhole ? blocks * stride : stride
    }

    /// Of all blocks.
    package var width: Int { blocks * stride }
    package var isEmpty: Bool { units.isEmpty }
    package var isWhole: Bool { units.count == stride }

    /// Calls `body` with the columns of each block. Allocates nothing.
    package func forEach(_ body: (Range<Int>) throws -> Void) rethrows {
        if isEmpty { return }
        for block in 0..<blocks { try body(block * stride + units.lowerBound..<block * stride + units.upperBound) }
    }
}
