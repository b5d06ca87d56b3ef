/// Layer normalisation of a row (Ba, Kiros and Hinton 2016): `y = gain * (a - mean) / deviation`, where mean and deviation are those of
/// the row's own values. docs/mathematics.md (n1) to (n4).
///
/// As PyTorch's LayerNorm: the variance is that of the values and not of a sample, with 1e-5 added.
package enum LayerNormalization {
    private static let epsilon = 1e-5

    /// Replaces a by `(a - mean) / deviation`.
    /// - Returns: 1 / deviation.
    package static func apply(to row: UnsafeMutablePointer<Float>, count: Int) -> Float {
        let mean = Float(sum(count) { row.load($0) } / Double(count))
        let squares = sum(count) { offset in
            let distance = row.load(offset) - mean
            return distance * distance
        }
        let scale = Float(1 / (squares / Double(count) + epsilon).squareRoot())
        for (j, n) in LaneBlocks(count) { row.store((row.load(j) - mean) * scale, j, n) }
        return scale
    }

    /// From dL/dy to dL/da, which may take its place; `normalized`, which holds `(a - mean) / deviation`, becomes the row's share of
    /// dL/d(gain).
    /// - Parameter scale: 1 / deviation.
    package static func backward(
        _ gradient: UnsafePointer<Float>, _ normalized: UnsafeMutablePointer<Float>, gain: UnsafePointer<Float>, scale: Float,
        into result: UnsafeMutablePointer<Float>, count: Int
    ) {
        let mean = Float(sum(count) { gradient.load($0) * gain.load($0) } / Double(count))
        let slope = Float(sum(count) { gradient.load($0) * gain.load($0) * normalized.load($0) } / Double(count))
        for (j, n) in LaneBlocks(count) {
            let (dy, x) = (gradient.load(j), normalized.load(j))
            result.store((dy * gain.load(j) - mean - x * slope) * scale, j, n)
            normalized.store(dy * x, j, n)
        }
    }

    /// A sum in an order fixed by `count` alone: lanes within blocks of 512 values, then their totals in double precision.
    /// - Parameter term: the eight terms from an offset on, of which those past the end are not used.
    @inline(__always)
    private static func sum(_ count: Int, _ term: (_ offset: Int) -> Lanes) -> Double {
        var total = 0.0
        for start in stride(from: 0, to: count, by: 512) {
            let end = min(start + 512, count)
            var partial = Lanes.zero
            for j in stride(from: start, to: end & ~7, by: 8) { partial += term(j) }
            total += Double(partial.total)
            if end % 8 > 0 {
                let last = term(end & ~7)
                for lane in 0..<end % 8 { total += Double(last[lane]) }
            }
        }
        return total
    }
}
