import Elementary
import Kernels

/// A predictor whose probabilities are a weighted mean of those of several parts.
package protocol Blend: TokenPredictor {
    /// The loss of the prediction just passed to `losses(of:each:)` under each part, nats.
    var parts: [Double] { get }
}

/// Weighted means of probabilities that are given as logarithms.
enum Mean {
    /// `-ln sum over m of weights[m] e^-nats[m]`, without overflow, since the smallest loss is taken out first. NaN if one is.
    static func nats(_ nats: [Double], _ weights: [Double]) -> Double {
        var smallest = Double.infinity
        for loss in nats {
            if loss.isNaN { return .nan }
            smallest = min(smallest, loss)
        }
        guard smallest.isFinite else { return smallest }
        var sum = 0.0
        for (loss, weight) in zip(nats, weights) { sum += weight * Elementary.exponential(smallest - loss) }
        return smallest - Elementary.logarithm(sum)
    }

    /// What logits [V] exceed the natural logarithms of their softmax by.
    /// - Parameter scratch: of V floats at least; overwritten.
    static func logarithmOfTotal(_ logits: UnsafeMutableBufferPointer<Float>, scratch: Buffer) -> Double {
        guard let largest = logits.max() else { return 0 }
        copy(logits.baseAddress!, to: scratch.base, count: logits.count)
        softmax(scratch.base, count: logits.count)
        // The softmax of the largest is one over the sum of all exponentials.
        let peak = UnsafeBufferPointer(start: scratch.base, count: logits.count).max()!
        return Double(largest) - Elementary.logarithm(Double(peak))
    }
}
