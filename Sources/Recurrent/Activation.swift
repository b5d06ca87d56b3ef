import Kernels

/// The nonlinearity of cells that leave the choice: y = g(a). docs/mathematics.md (4).
package enum Activation: String, Sendable, CaseIterable {
    case tanh, sigmoid, relu

    /// g(a).
    @inline(__always)
    func callAsFunction(_ a: Lanes) -> Lanes {
        switch self {
        case .tanh: hyperbolicTangent(a)
        case .sigmoid: logistic(a)
        // max(0, a) in this order keeps a NaN visible.
        case .relu: maximum(a, Lanes.zero)
        }
    }

    /// From dL/dy to dL/da.
    @inline(__always)
    func backward(_ gradient: Lanes, at y: Lanes) -> Lanes {
        switch self {
        case .tanh: gradient * (1 - y * y)
        case .sigmoid: gradient * y * (1 - y)
        case .relu: gradient.replacing(with: 0, where: y .<= 0)
        }
    }
}
