/// `y = x W^T`, or `y += x W^T`, for one row x [k] and weights W [n, k]. Bound by reading W, for which this loop gets the whole
/// bandwidth of a core out of memory, and oneDNN's products of one row about half.
func multiplyRow(
    _ x: UnsafePointer<Float>, by weights: UnsafePointer<Float>, inputs k: Int, outputs n: Int,
    into y: UnsafeMutablePointer<Float>, accumulate: Bool
) {
    let whole = k & ~31
    for i in 0..<n {
        let w = weights + i * k
        // Four sums, for the additions of one would have to wait for one another.
        var (a, b, c, d) = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
        var j = 0
        while j < whole {
            a = a.addingProduct(w.load(j), x.load(j))
            b = b.addingProduct(w.load(j &+ 8), x.load(j &+ 8))
            c = c.addingProduct(w.load(j &+ 16), x.load(j &+ 16))
            d = d.addingProduct(w.load(j &+ 24), x.load(j &+ 24))
            j &+= 32
        }
        while j &+ 8 <= k {
            a = a.addingProduct(w.load(j), x.load(j))
            j &+= 8
        }
        var sum = ((a + b) + (c + d)).sum()
        while j < k {
            sum += w[j] * x[j]
            j &+= 1
        }
        y[i] = accumulate ? y[i] + sum : sum
    }
}
