/// Sum of the squares of `count` floats, in double precision, in an order fixed by `count` alone.
package func sumOfSquares(_ values: UnsafePointer<Float>, count: Int) -> Double {
    var total = 0.0
    forEachSquare(values, count: count) { total += $0 }
    return total
}

/// The numbers whose sum, from first to last, is `sumOfSquares`. Those of a part that begins a multiple of `squareBlock` floats
/// later follow those of the floats before it.
package func squares(_ values: UnsafePointer<Float>, count: Int, into terms: UnsafeMutablePointer<Double>) {
    var place = 0
    forEachSquare(values, count: count) {
        terms[place] = $0
        place += 1
    }
}

/// How many these are.
package func squareCount(of count: Int) -> Int { (count + squareBlock - 1) / squareBlock + count % 8 }

package let squareBlock = 512

@inline(__always)
private func forEachSquare(_ values: UnsafePointer<Float>, count: Int, _ body: (Double) -> Void) {
    // Blocks keep the single-precision partial sums short: at most 64 additions per lane.
    var start = 0
    while start < count {
        let length = min(squareBlock, count - start)
        let whole = length & ~7
        var partial = Lanes.zero
        for j in stride(from: start, to: start + whole, by: 8) {
            let v = values.load(j)
            partial += v * v
        }
        body(Double(partial.total))
        for j in start + whole..<start + length { body(Double(values[j] * values[j])) }
        start += length
    }
}

/// `sums[j] = sum over rows of matrix[i, j]`.
package func sumRows(_ matrix: Matrix, into sums: UnsafeMutablePointer<Float>) {
    let blocks = 256
    // A column block of 1 KiB stays in the first cache while all rows pass by.
    var first = 0
    while first < matrix.columns {
        let width = min(blocks, matrix.columns - first)
        (sums + first).update(repeating: 0, count: width)
        for i in 0..<matrix.rows {
            let row = matrix.row(i) + first
            let sum = sums + first
            for (j, lanes) in LaneBlocks(width) { sum.store(sum.load(j) + row.load(j), j, lanes) }
        }
        first += width
    }
}

/// `sum = a + b`; `sum` may be one of them.
package func add(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, into sum: UnsafeMutablePointer<Float>, count: Int
) {
    for (j, lanes) in LaneBlocks(count) { sum.store(a.load(j) + b.load(j), j, lanes) }
}

/// `sum = sources[0] + sources[1] + ...`, in this order, in `range`; `sum` may be one of them.
package func add(_ sources: UnsafeMutableBufferPointer<UnsafePointer<Float>>, _ range: Range<Int>, into sum: Buffer) {
    // Blocks of 16 KiB stay in the first cache while all sources are added.
    for start in stride(from: range.lowerBound, to: range.upperBound, by: 4096) {
        let sums = sum.base + start
        for (j, lanes) in LaneBlocks(min(4096, range.upperBound - start)) {
            var sum = sources[0].load(start + j)
            for source in 1..<sources.count { sum += sources[source].load(start + j) }
            sums.store(sum, j, lanes)
        }
    }
}

/// The sum of `a[j] * b[j]`, in an order fixed by `count` alone: eight partial sums, then what is left.
package func dot(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, count: Int) -> Float {
    var partial = Lanes.zero
    let whole = count & ~7
    for j in stride(from: 0, to: whole, by: 8) { partial += a.load(j) * b.load(j) }
    return (whole..<count).reduce(partial.total) { $0 + a[$1] * b[$1] }
}
