import Elementary

/// Softmax and cross-entropy of one row, and the gradient in place, in three passes that stay in the cache.
///
/// `logits[v]` becomes `d[v] = softmax(logits + bias)[v] - (v == target ? 1 : 0)`, the gradient of the negative log
/// likelihood (Bridle 1990), which is also added to `biasGradient[v]`. The maximum is subtracted first, so that nothing
/// overflows.
/// - Returns: -log softmax(logits + bias)[target] in nats; NaN when a logit is NaN.
package func crossEntropyGradient(
    _ logits: UnsafeMutablePointer<Float>, bias: UnsafePointer<Float>, biasGradient: UnsafeMutablePointer<Float>,
    count: Int, target: Int
) -> Double {
    let chosen = logits[target] + bias[target]
    let (largest, sum) = exponentials(logits, bias: bias, count: count)
    let scale = 1 / Float(sum)
    logits[target] -= Float(sum)
    for (j, lanes) in LaneBlocks(count) {
        let d = logits.load(j) * scale
        logits.store(d, j, lanes)
        biasGradient.store(biasGradient.load(j) + d, j, lanes)
    }
    return Elementary.logarithm(sum) - Double(chosen - largest)
}

/// -log softmax(logits + bias)[target] in nats. `logits` is overwritten.
package func crossEntropy(
    _ logits: UnsafeMutablePointer<Float>, bias: UnsafePointer<Float>, count: Int, target: Int
) -> Double {
    let chosen = logits[target] + bias[target]
    let (largest, sum) = exponentials(logits, bias: bias, count: count)
    return Elementary.logarithm(sum) - Double(chosen - largest)
}

/// Replaces logits, which are in a `Buffer`, by softmax(logits).
package func softmax(_ logits: UnsafeMutablePointer<Float>, count: Int) {
    let largest = UnsafeBufferPointer(start: logits, count: count).max() ?? 0
    let scale = 1 / Float(exponentiate(logits, count: count, minus: largest))
    for (j, lanes) in LaneBlocks(count) { logits.store(logits.load(j) * scale, j, lanes) }
}

/// `logits[j] = e^(logits[j] + bias[j] - largest)`; returns the largest logit and the sum of the exponentials.
@inline(__always)
private func exponentials(
    _ logits: UnsafeMutablePointer<Float>, bias: UnsafePointer<Float>, count: Int
) -> (largest: Float, sum: Double) {
    // Two maxima side by side, or each comparison would wait for the one before.
    var maxima = (Lanes(repeating: -.infinity), Lanes(repeating: -.infinity))
    let whole = count & ~15
    var j = 0
    while j < whole {
        let (a, b) = (logits.load(j) + bias.load(j), logits.load(j + 8) + bias.load(j + 8))
        logits.store(a, j)
        logits.store(b, j + 8)
        maxima = (maximum(maxima.0, a), maximum(maxima.1, b))
        j &+= 16
    }
    var largest = maximum(maxima.0, maxima.1).max()
    while j < count {
        logits[j] += bias[j]
        largest = Swift.max(largest, logits[j])
        j &+= 1
    }
    return (largest, exponentiate(logits, count: count, minus: largest))
}

/// `values[j] = e^(values[j] - largest)`; returns their sum.
private func exponentiate(_ values: UnsafeMutablePointer<Float>, count: Int, minus largest: Float) -> Double {
    var sum = 0.0
    // Single-precision partial sums over 1024 at a time, those added up in double precision.
    for start in stride(from: 0, to: count, by: 1024) {
        let block = values + start
        let length = min(1024, count - start)
        var partial = (Lanes.zero, Lanes.zero)
        let whole = length & ~15
        var j = 0
        while j < whole {
            let (a, b) = (exponential(block.load(j) - largest), exponential(block.load(j + 8) - largest))
            block.store(a, j)
            block.store(b, j + 8)
            partial = (partial.0 + a, partial.1 + b)
            j &+= 16
        }
        sum += Double((partial.0 + partial.1).total)
        for (j, lanes) in LaneBlocks(length - whole) {
            let e = exponential(block.load(whole + j) - largest)
            block.store(e, whole + j, lanes)
            for lane in 0..<lanes { sum += Double(e[lane]) }
        }
    }
    return sum
}
