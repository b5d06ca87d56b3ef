import Glibc

/// Softmax and cross-entropy of one row, and the gradient in place.
///
/// `logits[v]` becomes `softmax(logits)[v] - (v == target ? 1 : 0)`, the gradient of the negative log likelihood
/// (Bridle 1990). The maximum is subtracted first, so that nothing overflows.
/// - Returns: -log softmax(logits)[target] in nats; NaN when a logit is NaN.
public func crossEntropyGradient(_ logits: UnsafeMutablePointer<Float>, count: Int, target: Int) -> Double {
    let (largest, total) = exponentials(logits, count: count, of: logits[target])
    let scale = 1 / Float(total.sum)
    for (j, lanes) in LaneBlocks(count) { logits.store(logits.load(j, lanes) * scale, j, lanes) }
    logits[target] -= 1
    return log(total.sum) - Double(total.kept - largest)
}

/// -log softmax(logits)[target] in nats. `logits` is overwritten.
public func crossEntropy(_ logits: UnsafeMutablePointer<Float>, count: Int, target: Int) -> Double {
    let (largest, total) = exponentials(logits, count: count, of: logits[target])
    return log(total.sum) - Double(total.kept - largest)
}

/// Replaces logits by softmax(logits).
public func softmax(_ logits: UnsafeMutablePointer<Float>, count: Int) {
    let (_, total) = exponentials(logits, count: count, of: 0)
    let scale = 1 / Float(total.sum)
    for (j, lanes) in LaneBlocks(count) { logits.store(logits.load(j, lanes) * scale, j, lanes) }
}

/// `logits[j] = e^(logits[j] - largest)`; returns the largest logit and the sum of the exponentials.
@inline(__always)
private func exponentials(
    _ logits: UnsafeMutablePointer<Float>, count: Int, of kept: Float
) -> (largest: Float, (sum: Double, kept: Float)) {
    var maxima = Lanes(repeating: -.infinity)
    let whole = count & ~7
    var j = 0
    while j < whole {
        maxima = maximum(maxima, logits.load(j))
        j &+= 8
    }
    var largest = maxima.max()
    while j < count {
        largest = Swift.max(largest, logits[j])
        j &+= 1
    }
    var sum = 0.0
    var start = 0
    // Single-precision partial sums over 1024 at a time, those added up in double precision.
    while start < count {
        let length = min(1024, count - start)
        let block = logits + start
        var partial = Lanes.zero
        for (offset, lanes) in LaneBlocks(length) {
            let e = exponential(block.load(offset, lanes) - largest)
            block.store(e, offset, lanes)
            if lanes == 8 {
                partial += e
            } else {
                for lane in 0..<lanes { partial[lane] += e[lane] }
            }
        }
        sum += Double(partial.sum())
        start += length
    }
    return (largest, (sum, kept))
}
