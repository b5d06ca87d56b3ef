/// Rows of a chunk that are summed leaf by leaf, in which order, and the leaves along `SumTree`: all of a table, or some neighbours.
package struct Leaves {
    /// Leaf i of the table has the rows `rows[begins[i] ..< begins[i + 1]]`, at least one.
    let begins: Integers
    let rows: Integers
    /// The leaves, counted in the table.
    package let range: Range<Int>

    /// An empty table with room for `mostRows` rows; the caller fills in the leaves.
    package init(_ count: Int, mostRows: Int) {
        begins = Integers(count: count + 1)
        rows = Integers(count: mostRows)
        range = 0..<count
    }

    private init(_ table: Leaves, _ range: Range<Int>) {
        (begins, rows, self.range) = (table.begins, table.rows, range)
    }

    /// Values of four bytes that a table takes.
    package static func values(_ count: Int, rows: Double) -> Double { Double(count + 1) + rows }

    /// Shards, as `ShardRows` has them, of which each is a leaf.
    package init(_ count: Int, steps: Int, width: Int, batch: Int) {
        self.init(count, mostRows: count * steps * width)
        fill(steps: steps, width: width, batch: batch)
    }

    /// Some of the leaves, counted in the table.
    package subscript(_ leaves: Range<Int>) -> Leaves { Leaves(self, leaves) }

    package var count: Int { range.count }
    /// Rows of all leaves.
    package var rowCount: Int { places(range).count }

    /// Row number `place` of the table.
    package subscript(row place: Int) -> Int { Int(rows[place]) }

    /// Where in the table the rows of these leaves are.
    package func places(_ leaves: Range<Int>) -> Range<Int> { Int(begins[leaves.lowerBound])..<Int(begins[leaves.upperBound]) }

    /// The rows of a leaf; valid while the table is held.
    package func rows(of leaf: Int) -> UnsafeBufferPointer<Int32> {
        let places = places(leaf..<leaf + 1)
        return UnsafeBufferPointer(start: rows.base + places.lowerBound, count: places.count)
    }

    // MARK: Filling a table

    /// As `init(_:steps:width:batch:)`, in the memory at hand.
    package func fill(steps: Int, width: Int, batch: Int) {
        fill { leaf, append in
            ShardRows(shards: leaf..<leaf + 1, steps: steps, width: width, batch: batch).forEach(append)
        }
    }

    /// Leaves of `count` rows each, one after another.
    package func fill(rows count: Int) {
        fill { leaf, append in (leaf * count..<(leaf + 1) * count).forEach(append) }
    }

    /// - Parameter leaf: calls its second argument with each row of the leaf, in the order of the sums.
    package func fill(_ leaf: (_ index: Int, _ append: (_ row: Int) -> Void) -> Void) {
        var count = 0
        for index in range {
            begins[index] = Int32(count)
            leaf(index) { row in
                rows.base[count] = Int32(row)
                count += 1
            }
        }
        begins[range.upperBound] = Int32(count)
    }
}
