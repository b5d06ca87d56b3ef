/// A kind of recurrent layer, by its name in configurations and checkpoints.
///
/// A cell is a file: the layer with its plan, forward and backward pass, and beside it the cell's name. It is registered by
/// its place in the catalog.
package struct Cell: RawRepresentable, CaseIterable, Hashable, Sendable {
    /// The catalog, in the order in which users see it.
    package static let allCases: [Cell] = [.elman, .lstm, .gru, .gruResetAfter, .window]

    package let rawValue: String
    private let layer: any Layer.Type
    private let normalizedLayer: any Layer.Type
    /// Whether `ModelConfiguration.activation` is the cell's nonlinearity.
    package let choosesActivation: Bool
    /// Of the blocks of H rows of the gate matrices, in order.
    private let gateNames: [String]

    /// - Parameters:
    ///   - normalized: the layer with layer normalisation, where it is another class.
    ///   - gates: names of the gates, for people.
    package init(
        _ name: String, _ layer: any Layer.Type, normalized: (any Layer.Type)? = nil, choosesActivation: Bool = false, gates: [String] = []
    ) {
        rawValue = name
        self.layer = layer
        normalizedLayer = normalized ?? layer
        self.choosesActivation = choosesActivation
        gateNames = gates
    }

    /// The cell of this name in the catalog.
    package init?(rawValue: String) {
        guard let cell = Cell.allCases.first(where: { $0.rawValue == rawValue }) else { return nil }
        self = cell
    }

    package static func == (a: Cell, b: Cell) -> Bool { a.rawValue == b.rawValue }
    package func hash(into hasher: inout Hasher) { hasher.combine(rawValue) }

    /// As in "i"; the number of a gate that has no name.
    package func gateName(_ gate: Int) -> String { gateNames.indices.contains(gate) ? gateNames[gate] : "\(gate + 1)" }

    /// The class of a model's layers.
    func layer(_ model: ModelConfiguration) -> any Layer.Type { model.normalization == .layer ? normalizedLayer : layer }

    /// Rows of the recurrent weights in units of H; nil for a cell without them.
    package var gates: Int? {
        let model = ModelConfiguration(cell: self, vocabulary: 1, embedding: 1, hidden: 1, layers: 1)
        return ParameterLayout(model).entries.first { $0.name == "rnn.weight_hh_l0" }?.shape[0]
    }
}
