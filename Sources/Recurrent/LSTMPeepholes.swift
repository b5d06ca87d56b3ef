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
        gradients =
            sums?.nodes.map { Matrix($0.gradients.matrix(shape.name(LSTMPeepholes.name)).base, rows: 1, columns: size) } ?? []
        products = Buffer(count: shape.chunk.training ? shape.chunk.rows * size : 0)
    }

    /// One row: pre-activations become gates, c and h follow.
    func step(
        _ gate: UnsafeMutablePointer<Float>, _ bias: UnsafePointer<Float>, before: UnsafePointer<Float>,
        after: UnsafeMutablePointer<Float>, hidden h: UnsafeMutablePointer<Float>
    ) {
        let size = hidden
        let (pi, pf, po) = (weights.row(0), weights.row(1), weights.row(2))
        for (j, n) in LaneBlocks(size) {
            let old = before.load(j)
            let i = logistic((gate.load(j) + bias.load(j)).addingProduct(pi.load(j), old))
            let f = logistic((gate.load(j + size) + bias.load(j + size)).addingProduct(pf.load(j), old))
            let g = hyperbolicTangent(gate.load(j + 2 * size) + bias.load(j + 2 * size))
            let c = (i * g).addingProduct(f, old)
            let o = logistic((gate.load(j + 3 * size) + bias.load(j + 3 * size)).addingProduct(po.load(j), c))
            gate.store(i, j, n)
            gate.store(f, j + size, n)
            gate.store(g, j + 2 * size, n)
            gate.store(o, j + 3 * size, n)
            after.store(c, j, n)
            h.store(o * hyperbolicTangent(c), j, n)
        }
    }

    /// One row: gates become dL/d(pre-activations), `cellGradient` passes on to step t-1.
    /// - Parameter row: t * B + b.
    func stepBackward(
        _ gate: UnsafeMutablePointer<Float>, row: Int, before: UnsafePointer<Float>, after: UnsafePointer<Float>,
        above: UnsafePointer<Float>, hiddenGradient: UnsafePointer<Float>, cellGradient: UnsafeMutablePointer<Float>
    ) {
        let size = hidden
        let (pi, pf, po) = (weights.row(0), weights.row(1), weights.row(2))
        let product = products.base + row * 3 * size
        for (j, n) in LaneBlocks(size) {
            let i = gate.load(j)
            let f = gate.load(j + size)
            let g = gate.load(j + 2 * size)
            let o = gate.load(j + 3 * size)
            let (old, c) = (before.load(j), after.load(j))
            let y = hyperbolicTangent(c)
            let dh = above.load(j) + hiddenGradient.load(j)
            let dOutput = dh * y * o * (1 - o)
            let dc = cellGradient.load(j).addingProduct(dh * o, 1 - y * y).addingProduct(dOutput, po.load(j))
            let dInput = dc * g * i * (1 - i)
            let dForget = dc * old * f * (1 - f)
            gate.store(dInput, j, n)
            gate.store(dForget, j + size, n)
            gate.store(dc * i * (1 - g * g), j + 2 * size, n)
            gate.store(dOutput, j + 3 * size, n)
            product.store(dInput * old, j, n)
            product.store(dForget * old, j + size, n)
            product.store(dOutput * c, j + 2 * size, n)
            cellGradient.store((dc * f).addingProduct(dInput, pi.load(j)).addingProduct(dForget, pf.load(j)), j, n)
        }
    }

    /// The gradients of the peepholes (overwritten).
    func finishBackward(_ sums: LayerGradients, rows: Int) {
        sums.sumRows(Matrix(products.base, rows: rows, columns: 3 * hidden), into: gradients)
    }
}

extension ModelConfiguration {
    /// The LSTM's gates that are left out.
    var absentGates: [Gate] { Gate.allCases.filter { !gates.contains($0) } }
}
