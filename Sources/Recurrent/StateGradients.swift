import Kernels

/// The norms of the gradient that reaches one layer's states in a backward pass: of dE/dh_t at every step t, and of dE/dc_t where
/// there is a c. docs/mathematics.md (56) and (57).
///
/// dE/dh_t counts every way from h_t to the loss: the layers above at step t, and the layer's own next step. dE/dc_t counts the
/// way through h_t as well, which c_t makes.
package final class StateGradients {
    private let batch: Int
    /// Of h, [T, B].
    package private(set) var hidden: [Double]
    /// Of c, [T, B]; empty in a layer without.
    package private(set) var cell: [Double] = []

    init(steps: Int, batch: Int) {
        self.batch = batch
        hidden = Array(repeating: 0, count: steps * batch)
    }

    /// - Parameters:
    ///   - t: the step.
    ///   - size: H.
    ///   - terms: whose sum is dE/dh_t, [B, H] each.
    func noteHidden(_ t: Int, size: Int, _ terms: UnsafePointer<Float>...) {
        for b in 0..<batch {
            hidden[t * batch + b] = StateGradients.norm(size) { j in terms.reduce(0) { $0 + Double($1[b * size + j]) } }
        }
    }

    /// - Parameter value: of dE/dc_t in stream b and place j.
    func noteCell(_ t: Int, size: Int, _ value: (_ b: Int, _ j: Int) -> Double) {
        if cell.isEmpty { cell = Array(repeating: 0, count: hidden.count) }
        for b in 0..<batch { cell[t * batch + b] = StateGradients.norm(size) { value(b, $0) } }
    }

    private static func norm(_ size: Int, _ value: (Int) -> Double) -> Double {
        (0..<size).reduce(0) { sum, j in
            let x = value(j)
            return sum + x * x
        }.squareRoot()
    }
}
