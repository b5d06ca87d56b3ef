import Kernels
import Recurrent

/// How a reduced, scaled gradient that is too large is clipped: docs/mathematics.md (36).
package enum GradientClip: Sendable, Equatable {
    case none
    /// `g <- g * c / ||g||` when `||g|| > c`, with the norm over all parameters (Pascanu et al. 2013, algorithm 1).
    case norm(Double)
    /// Each component into [-c, c] (Mikolov 2012, section 3.2.2).
    case value(Double)
}

/// A gradient's Euclidean norm, and whether it can be trusted.
package struct GradientNorm: Sendable {
    package let value: Double
    /// The first tensor that has a NaN or an infinity (or whose squares overflow); nil if all are finite.
    package let nonFinite: String?

    /// In layout order, in double precision: the same bits for the same gradient.
    package init(_ gradients: Arena) {
        let squares = UnsafeMutableBufferPointer<Double>.allocate(capacity: gradients.layout.entries.count)
        defer { squares.deallocate() }
        squares.initialize(repeating: 0)
        GradientNorm.addSquares(gradients, range: 0..<gradients.buffer.count, into: squares)
        self.init(squares: squares, layout: gradients.layout)
    }

    /// The norm, from the sum of squares of each tensor, in layout order.
    package init(squares: UnsafeMutableBufferPointer<Double>, layout: ParameterLayout) {
        // A comparison with NaN is false: `square > limit` would let it through.
        nonFinite = squares.firstIndex { !$0.isFinite }.map { layout.entries[$0].name }
        value = squares.reduce(0, +).squareRoot()
    }

    /// Adds the squares of the elements in `range` of the arena to the sum of each tensor.
    package static func addSquares(_ gradients: Arena, range: Range<Int>, into squares: UnsafeMutableBufferPointer<Double>) {
        for (index, entry) in gradients.layout.entries.enumerated() {
            let own = entry.range.clamped(to: range)
            squares[index] += sumOfSquares(gradients.buffer.base + own.lowerBound, count: own.count)
        }
    }
}
