import Kernels
import Recurrent

/// What is done to a reduced, scaled gradient that is too large.
public enum GradientClip: Sendable, Equatable {
    case none
    /// `g <- g * c / ||g||` when `||g|| > c`, with the norm over all parameters (Pascanu et al. 2013, algorithm 1).
    case norm(Double)
    /// Each component into [-c, c] (Mikolov 2012, section 3.2.2).
    case value(Double)
}

/// A gradient's Euclidean norm, and whether it can be trusted.
public struct GradientNorm: Sendable {
    public let value: Double
    /// The first tensor that holds a NaN or an infinity (or whose squares overflow), nil when all is finite.
    public let nonFinite: String?

    /// In layout order, in double precision: the same bits for the same gradient.
    public init(_ gradients: Arena) {
        var total = 0.0
        var culprit: String?
        for entry in gradients.layout.entries {
            let square = sumOfSquares(gradients.buffer.base + entry.offset, count: entry.count)
            // A comparison with NaN is false: `square > limit` would let it through.
            if !square.isFinite, culprit == nil { culprit = entry.name }
            total += square
        }
        value = total.squareRoot()
        nonFinite = culprit
    }
}
