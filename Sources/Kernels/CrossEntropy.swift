import CProducts
import Elementary

/// Softmax and cross-entropy of one row, and the gradient in place, in three passes that stay in the cache.
///
/// `logits[v]` becomes `d[v] = softmax(logits + bias)[v] - (v == target ? 1 : 0)`, the gradient of the negative log
/// likelihood (Bridle 1990), which is also added to `biasGradient[v]`. Without a bias, nil stands for both. The maximum is subtracted first, so that nothing
/// overflows.
/// - Returns: -log softmax(logits + bias)[target] in nats; NaN when a logit is NaN.
package func crossEntropyGradient(
    _ logits: UnsafeMutablePointer<Float>, bias: UnsafePointer<Float>?, biasGradient: UnsafeMutablePointer<Float>?,
    count: Int, target: Int, using vectors: Vectors = .active
) -> Double {
    let loops = vectors.softmax
    let chosen = bias.map { logits[target] + $0[target] } ?? logits[target]
    let largest = loops.largest(logits, bias, count)
    let sum = loops.exponentiate(logits, bias, largest, count)
    logits[target] -= Float(sum)
    loops.scale(logits, 1 / Float(sum), biasGradient, count)
    return Elementary.logarithm(sum) - Double(chosen - largest)
}

/// -log softmax(logits + bias)[target] in nats. `logits` is overwritten.
package func crossEntropy(
    _ logits: UnsafeMutablePointer<Float>, bias: UnsafePointer<Float>?, count: Int, target: Int, using vectors: Vectors = .active
) -> Double {
    let loops = vectors.softmax
    let chosen = bias.map { logits[target] + $0[target] } ?? logits[target]
    let largest = loops.largest(logits, bias, count)
    return Elementary.logarithm(loops.exponentiate(logits, bias, largest, count)) - Double(chosen - largest)
}

/// Replaces logits by softmax(logits).
package func softmax(_ logits: UnsafeMutablePointer<Float>, count: Int, using vectors: Vectors = .active) {
    let loops = vectors.softmax
    let sum = loops.exponentiate(logits, nil, loops.largest(logits, nil, count), count)
    loops.scale(logits, 1 / Float(sum), nil, count)
}
