import CProducts

/// What the cells compute between their products, for B rows (streams) of H units: gates and states of one time step, forward and
/// backward. The loops are in C, once for each instruction set, and all give the same bytes; `cells.h` says what each argument is.
package struct CellArithmetic: Sendable {
    private let functions: lockstep_cells
    private let size: Int  // H
    private let first: Int
    private let count: Int

    /// - Parameters:
    ///   - size: H.
    ///   - units: those that are computed; nil for all. Arguments are whole rows all the same.
    ///   - vectors: instructions, which this processor must have.
    package init(size: Int, units: Range<Int>? = nil, using vectors: Vectors = .active) {
        functions = vectors.cells
        self.size = size
        first = units?.lowerBound ?? 0
        count = units?.count ?? size
    }

    /// Where the first unit of a row is.
    private func at(_ row: Row) -> UnsafeMutablePointer<Float> { row.base + first }
    private func at(_ row: Row?) -> UnsafeMutablePointer<Float>? { row.map(at) }

    // MARK: LSTM, gates i f g o

    /// Pre-activations become gates; c and h follow.
    /// - Parameters:
    ///   - peepholes: [3, H], if there are any.
    ///   - hidden: nil if h is not made of c alone.
    package func lstm(
        rows: Int, gates: Row, bias: Row, peepholes: Row? = nil, before: Row, after: Row, hidden: Row?
    ) {
        functions.lstm(rows, size, count, at(gates), at(bias), at(peepholes), at(before), at(after), at(hidden))
    }

    /// Gates become dL/d(pre-activation), `cellGradient` passes on to step t-1.
    /// - Parameters:
    ///   - above: dL/dh from the layer above; `passed`: from step t+1 by way of the product.
    ///   - products: of peepholes, each row's share of their gradients, [B, 3H].
    package func lstmBackward(
        rows: Int, gates: Row, peepholes: Row? = nil, products: Row? = nil, before: Row, after: Row, above: Row, passed: Row,
        cellGradient: Row
    ) {
        functions.lstm_backward(
            rows, size, count, at(gates), at(peepholes), at(products), at(before), at(after), at(above), at(passed),
            at(cellGradient))
    }

    /// LN(c) becomes y = tanh(LN(c) + bias), h follows.
    package func expose(rows: Int, gates: Row, squashed: Row, bias: Row, hidden: Row) {
        functions.expose(rows, size, count, at(gates), at(squashed), at(bias), at(hidden))
    }

    /// y and o become the gradients of what they are of.
    package func exposeBackward(rows: Int, gates: Row, squashed: Row, above: Row, passed: Row) {
        functions.expose_backward(rows, size, count, at(gates), at(squashed), at(above), at(passed))
    }

    /// i, f and g become the gradients of what they are of, `cellGradient` passes on to step t-1.
    /// - Parameter normalized: dL/dc by way of LN(c).
    package func normalizedLSTMBackward(rows: Int, gates: Row, before: Row, normalized: Row, cellGradient: Row) {
        functions.normalized_lstm_backward(rows, size, count, at(gates), at(before), at(normalized), at(cellGradient))
    }

    // MARK: GRU, gates r z n

    /// r, z and r h.
    package func gruReset(rows: Int, gates: Row, bias: Row, before: Row, reset: Row) {
        functions.gru_reset(rows, size, count, at(gates), at(bias), at(before), at(reset))
    }

    /// After the product with r h: n and the new h.
    package func gruCandidate(rows: Int, gates: Row, bias: Row, before: Row, after: Row) {
        functions.gru_candidate(rows, size, count, at(gates), at(bias), at(before), at(after))
    }

    /// z and n become dL/d(pre-activation); `direct`, dL/dh past the products, passes on to step t-1.
    package func gruCandidateBackward(rows: Int, gates: Row, before: Row, above: Row, passed: Row, direct: Row) {
        functions.gru_candidate_backward(rows, size, count, at(gates), at(before), at(above), at(passed), at(direct))
    }

    /// Then r, from dL/d(r h).
    package func gruResetBackward(rows: Int, gates: Row, before: Row, resetGradient: Row, direct: Row) {
        functions.gru_reset_backward(rows, size, count, at(gates), at(before), at(resetGradient), at(direct))
    }

    /// The GRU that resets after the product; `products` is U h, whose n part gets its bias.
    package func gruAfter(
        rows: Int, gates: Row, products: Row, inputBias: Row, recurrentBias: Row, before: Row, after: Row
    ) {
        functions.gru_after(rows, size, count, at(gates), at(products), at(inputBias), at(recurrentBias), at(before), at(after))
    }

    /// Gates become dL/d(W x + b), products dL/d(U h + b).
    package func gruAfterBackward(
        rows: Int, gates: Row, products: Row, before: Row, above: Row, passed: Row, direct: Row
    ) {
        functions.gru_after_backward(
            rows, size, count, at(gates), at(products), at(before), at(above), at(passed), at(direct))
    }

    // MARK: Others

    /// The nonlinearities of cells that leave the choice.
    package enum Nonlinearity: Sendable {
        case tanh, sigmoid, relu

        fileprivate var code: lockstep_activation {
            switch self {
            case .tanh: LOCKSTEP_TANH
            case .sigmoid: LOCKSTEP_SIGMOID
            case .relu: LOCKSTEP_RELU
            }
        }
    }

    /// y = g(a + bias), in the place of a.
    package func activate(_ g: Nonlinearity, rows: Int, values: Row, bias: Row) {
        functions.activate(g.code, rows, size, count, at(values), at(bias))
    }

    /// dL/da in the place of dL/dy, to which `passed` is added first.
    package func activateBackward(_ g: Nonlinearity, rows: Int, gradient: Row, passed: Row? = nil, y: Row) {
        functions.activate_backward(g.code, rows, size, count, at(gradient), at(passed), at(y))
    }

    /// t = sigmoid(a + bias) in the place of a, and y = t h + (1 - t) x.
    package func highway(rows: Int, gate: Row, bias: Row, x: Row, h: Row, y: Row) {
        functions.highway(rows, size, count, at(gate), at(bias), at(x), at(h), at(y))
    }

    /// dL/dy becomes dL/dh, t becomes dL/da, and `past` gets what goes past the layer, (1 - t) dL/dy.
    package func highwayBackward(rows: Int, gradient: Row, gate: Row, x: Row, h: Row, past: Row) {
        functions.highway_backward(rows, size, count, at(gradient), at(gate), at(x), at(h), at(past))
    }
}
