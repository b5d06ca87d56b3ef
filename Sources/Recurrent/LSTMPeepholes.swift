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
    func step(_ gates: Row, _ bias: Row, before: Row, after: Row, hidden: Row) {
        let size = self.hidden
        let (gi, gf, gg, go) = (gates, gates + size, gates + 2 * size, gates + 3 * size)
        let (bi, bf, bg, bo) = (bias, bias + size, bias + 2 * size, bias + 3 * size)
        let (pi, pf, po) = (Row(weights.row(0)), Row(weights.row(1)), Row(weights.row(2)))
        for j in LaneBlocks(size) {
            let old = before[j]
            let i = logistic((gi[j] + bi[j]).addingProduct(pi[j], old))
            let f = logistic((gf[j] + bf[j]).addingProduct(pf[j], old))
            let g = hyperbolicTangent(gg[j] + bg[j])
            let c = (i * g).addingProduct(f, old)
            let o = logistic((go[j] + bo[j]).addingProduct(po[j], c))
            (gi[j], gf[j], gg[j], go[j]) = (i, f, g, o)
            after[j] = c
            hidden[j] = o * hyperbolicTangent(c)
        }
    }

    /// One row: gates become dL/d(pre-activations), `cellGradient` passes on to step t-1.
    /// - Parameter row: t * B + b.
    func stepBackward(
        _ gates: Row, row: Int, before: Row, after: Row, above: Row, hiddenGradient: Row, cellGradient: Row
    ) {
        let size = hidden
        let (gi, gf, gg, go) = (gates, gates + size, gates + 2 * size, gates + 3 * size)
        let (pi, pf, po) = (Row(weights.row(0)), Row(weights.row(1)), Row(weights.row(2)))
        let product = products.row(at: row * 3 * size)
        let (ri, rf, ro) = (product, product + size, product + 2 * size)
        for j in LaneBlocks(size) {
            let (i, f, g, o) = (gi[j], gf[j], gg[j], go[j])
            let (old, c) = (before[j], after[j])
            let y = hyperbolicTangent(c)
            let dh = above[j] + hiddenGradient[j]
            let dOutput = dh * y * o * (1 - o)
            let dc = cellGradient[j].addingProduct(dh * o, 1 - y * y).addingProduct(dOutput, po[j])
            let dInput = dc * g * i * (1 - i)
            let dForget = dc * old * f * (1 - f)
            (gi[j], gf[j], gg[j], go[j]) = (dInput, dForget, dc * i * (1 - g * g), dOutput)
            (ri[j], rf[j], ro[j]) = (dInput * old, dForget * old, dOutput * c)
            cellGradient[j] = (dc * f).addingProduct(dInput, pi[j]).addingProduct(dForget, pf[j])
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
