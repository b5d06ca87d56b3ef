/// How each layer's output is connected with its input, by its name in configurations and checkpoints. A connection is a file: the
/// layer that wraps another. It is registered by its place here.
package enum Connections: String, Sendable, CaseIterable {
    case none, residual, highway, dense

    /// The layer around each recurrent layer; nil for none.
    var wrapper: (any Layer.Type)? {
        switch self {
        case .none: nil
        case .residual: ResidualLayer.self
        case .highway: HighwayLayer.self
        case .dense: DenseLayer.self
        }
    }

    /// Whether input and output of each layer have one width, because they are added up.
    package var needsEqualWidths: Bool { self == .residual || self == .highway }
}

extension ModelConfiguration {
    /// What each layer is: the recurrent one, or the connection around it.
    var layer: any Layer.Type { connections.wrapper ?? recurrentLayer }

    /// The cell's layer, or two of them in both directions.
    var recurrentLayer: any Layer.Type { bidirectional ? BidirectionalLayer.self : cell.layer(self) }
}
