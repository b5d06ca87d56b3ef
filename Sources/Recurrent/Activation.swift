import Kernels

/// The nonlinearity of cells that leave the choice: y = g(a). docs/mathematics.md (4).
package enum Activation: String, Sendable, CaseIterable {
    case tanh, sigmoid, relu

    var nonlinearity: CellArithmetic.Nonlinearity {
        switch self {
        case .tanh: .tanh
        case .sigmoid: .sigmoid
        case .relu: .relu
        }
    }
}
