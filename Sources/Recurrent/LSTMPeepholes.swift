import Kernels

/// The LSTM's peepholes (Gers and Schmidhuber 2000), diagonal: the gates see the cell state of their own unit.
///
///     i = sigmoid(a_i + p_i c_{t-1})    f = sigmoid(a_f + p_f c_{t-1})    o = sigmoid(a_o + p_o c_t)
///
/// Derivation: docs/mathematics.md (18a) to (18c).
final class LSTMPeepholes {
    static let name = "weight_ch"
    private let hidden: Int
    private let weights: Matrix  // [3, H]: p_i, p_f, p_o
    private let gradients: [Matrix]  // [3, H] for each node, as [1, 3H]
    private let products: Buffer  // di c_{t-1}, df c_{t-1}, do c_t of every row, [T*B, 3H]

    /// Adds what the peepholes of an LSTM need to its plan.
    static func extend(_ plan: inout LayerPlan, _ shape: LayerShape) {
        if shape.model.peepholes == .none { return }
        let h = shape.hidden
        let absent = shape.model.absentGates.map { Gate.allCases.firstIndex(of: $0)! }
        plan.parameters.append(
            ParameterPlan(
                shape.name(name), [3, h], .uniform(shape.model.initialRange), absentRows: absent.map { $0..<$0 + 1 }))
        if shape.chunk.training { plan.values += 3 * shape.chunk.values * Double(h) }
    }

    init(_ shape: LayerShape, _ parameters: Arena, _ sums: GradientSums?) {
        hidden = shape.hidden
        weights = parameters.matrix(shape.name(LSTMPeepholes.name))
        let size = 3 * shape.hidden
        gradients = (sums?.gradients(of: shape.name(LSTMPeepholes.name)) ?? []).map { Matrix($0.base, rows: 1, columns: size) }
        products = Buffer(count: shape.chunk.training ? shape.chunk.rows * size : 0)
    }

    var row: Row { Row(weights.base) }
    /// p_o, [H].
    var output: UnsafePointer<Float> { UnsafePointer(weights.row(2)) }

    /// What row `index` = t * B + b and those behind it add to the gradients, before they are summed.
    func products(_ index: Int) -> Row { products.row(at: index * 3 * hidden) }

    /// The gradients of the peepholes (overwritten).
    func finishBackward(_ sums: LayerGradients, rows: Int) {
        sums.sumRows(Matrix(products.base, rows: rows, columns: 3 * hidden), into: gradients)
    }
}

extension ModelConfiguration {
    /// The LSTM's gates that are left out.
    var absentGates: [Gate] { Gate.allCases.filter { !gates.contains($0) } }
}
