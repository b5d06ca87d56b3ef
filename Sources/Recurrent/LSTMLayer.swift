import Elementary
import Kernels

/// Hochreiter and Schmidhuber 1997 with forget gates (Gers et al. 2000), in PyTorch's form and gate order i, f, g, o:
///
///     i, f, o = sigmoid(W x + b_ih + U h + b_hh)      g = tanh(W x + b_ih + U h + b_hh)
///     c_t = f c_{t-1} + i g                           h_t = o tanh(c_t)
///
/// Gates may be left out: a missing one is 1, and its rows are zero. With peepholes (Gers and Schmidhuber 2000) p_i c_{t-1} and
/// p_f c_{t-1} are added to the pre-activations of i and f, and p_o c_t to that of o.
///
/// Derivation: docs/mathematics.md (13) to (18).
final class LSTMLayer: GatedLayer, Layer {
    private let recurrent: RecurrentProduct  // added to the projection
    private let bias: Buffer  // b_ih + b_hh, [4H]; of a missing gate, so large that its sigmoid is 1
    private let absent: [Gate]
    private let peepholes: LSTMPeepholes?
    private let gates: Buffer  // i f g o after their nonlinearities, [T, B, 4H]; in the backward pass their deltas
    private let hiddenGradient: Buffer  // dL/dh_{t-1} from step t, [B, H]
    private let cellGradient: Buffer  // dL/dc_{t-1} from step t, [B, H]

    static func plan(_ shape: LayerShape) -> LayerPlan {
        let (chunk, h) = (shape.chunk, shape.hidden)
        let block = Double(chunk.batch) * Double(h)
        var plan = plan(gates: 4, absent: shape.model.absentGates.map(\.block), states: ["h", "c"], shape)
        RecurrentProduct.extend(&plan, shape, rows: 4 * h)
        plan.shared += 4 * Double(chunk.steps) * block  // gates
        plan.values += 4 * Double(h) + 4 * Double(chunk.steps) * block  // biases; gates
        if chunk.training { plan.values += 2 * block }
        LSTMPeepholes.extend(&plan, shape)
        return plan
    }

    init(_ shape: LayerShape, parameters: Arena, sums: GradientSums?, clock: PhaseClock) throws {
        let (chunk, h, training) = (shape.chunk, shape.hidden, shape.chunk.training)
        let b = chunk.batch
        recurrent = try RecurrentProduct(shape, rows: 4 * h, accumulate: true)
        bias = Buffer(count: 4 * h)
        absent = shape.model.absentGates
        peepholes = shape.model.peepholes == .none ? nil : LSTMPeepholes(shape, parameters, sums)
        gates = try chunk.team.buffer(count: chunk.steps * b * 4 * h)
        hiddenGradient = Buffer(count: training ? b * h : 0)
        cellGradient = Buffer(count: training ? b * h : 0)
        try super.init(gates: 4, states: 2, recurrent: [recurrent], shape, parameters, sums, clock)
    }

    /// c before each step and after the last, [T+1, B, H].
    private var cells: Buffer { states[1] }

    override func packWeights() throws {
        try super.packWeights()
        add(weights.inputBias.base, weights.recurrentBias.base, into: bias.base, count: 4 * hidden)
        for gate in absent { (bias.base + gate.block * hidden).update(repeating: LSTMLayer.open, count: hidden) }
    }

    /// e^-x is 0 in single precision, so that sigmoid(x) is 1.
    private static let open: Float = 1000

    func forward(_ input: Matrix, steps: Int) throws {
        clock.enter(.projection)
        try project(input, into: gates.base)
        clock.enter(.recurrence)
        let cells = cells
        try forEachStep(steps) { t in
            let gate = gates.base + t * 4 * block
            try recurrent.forward(previous(t), into: gate, rows: batch)
            arithmetic.lstm(
                rows: batch, gates: Row(gate), bias: bias.row(), peepholes: peepholes?.row, before: cells.row(at: t * block),
                after: cells.row(at: (t + 1) * block), hidden: Row(current(t)))
        }
    }

    /// dE/dh_t and dE/dc_t, before the step's gates become deltas.
    private func note(_ t: Int, _ outputGradient: Matrix) {
        guard let stateGradients else { return }
        let (above, size) = (outputGradient.row(t * batch), hidden)
        stateGradients.noteHidden(t, size: size, above, hiddenGradient.base)
        stateGradients.noteCell(t, size: size) { b, j in
            let place = b * size + j
            let o = Double(gates.base[t * 4 * block + b * 4 * size + 3 * size + j])
            let y = 1 - 2 / (Elementary.exponential(2 * Double(cells.base[(t + 1) * block + place])) + 1)  // tanh(c)
            let dh = Double(above[place] + hiddenGradient.base[place])
            let peephole = peepholes.map { Double($0.output[j]) * dh * y * o * (1 - o) } ?? 0
            return dh * o * (1 - y * y) + Double(cellGradient.base[place]) + peephole
        }
    }

    func backward(
        _ input: Matrix, outputGradient: Matrix, inputGradient: Matrix, steps: Int, pause: () throws -> Void
    ) throws {
        clock.enter(.recurrenceBackward)
        let cells = cells
        try forEachStepBackward(steps, passing: hiddenGradient, cellGradient, pause: pause) { t in
            note(t, outputGradient)
            let gate = gates.base + t * 4 * block
            arithmetic.lstmBackward(
                rows: batch, gates: Row(gate), peepholes: peepholes?.row, products: peepholes?.products(t * batch),
                before: cells.row(at: t * block), after: cells.row(at: (t + 1) * block), above: Row(outputGradient.row(t * batch)),
                passed: hiddenGradient.row(), cellGradient: cellGradient.row())
            try meetTeam()
            if t > 0 { try recurrent.backward(gate, into: hiddenGradient.base, rows: batch) }
        }
        let deltas = Matrix(gates.base, rows: steps * batch, columns: 4 * hidden)
        try finishBackward(deltas, input, inputGradient: inputGradient, recurrentDeltas: deltas, pause: pause) { gradients in
            gradients.sumRowsIntoBothBiases(deltas)
            peepholes?.finishBackward(gradients, rows: steps * batch)
        } recurrent: { gradients in
            try gradients.multiply(deltas, by: previousStates(steps), into: gradients.recurrentWeights)
        }
    }
}

extension Cell {
    /// Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000.
    package static let lstm = Cell("lstm", LSTMLayer.self, normalized: NormalizedLSTMLayer.self, gates: ["i", "f", "g", "o"])
}
