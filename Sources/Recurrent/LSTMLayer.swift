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
        gates = Buffer(count: chunk.steps * b * 4 * h)
        hiddenGradient = Buffer(count: training ? b * h : 0)
        cellGradient = Buffer(count: training ? b * h : 0)
        try super.init(gates: 4, states: 2, shape, parameters, sums, clock)
    }

    /// c before each step and after the last, [T+1, B, H].
    private var cells: Buffer { states[1] }

    override func packWeights() throws {
        try super.packWeights()
        recurrent.pack(weights.recurrentWeights.base)
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
            for b in 0..<batch {
                let offset = t * block + b * hidden
                let row = gates.row(at: 4 * offset)
                let (before, after) = (cells.row(at: offset), cells.row(at: offset + block))
                if let peepholes {
                    peepholes.step(row, bias.row(), before: before, after: after, hidden: self.after(t, b))
                } else {
                    step(row, before: before, after: after, hidden: self.after(t, b))
                }
            }
        }
    }

    /// One row: pre-activations become gates, c and h follow.
    private func step(_ gates: Row, before: Row, after: Row, hidden: Row) {
        let size = self.hidden
        let (gi, gf, gg, go) = (gates, gates + size, gates + 2 * size, gates + 3 * size)
        let (bi, bf, bg, bo) = (bias.row(), bias.row(at: size), bias.row(at: 2 * size), bias.row(at: 3 * size))
        for j in LaneBlocks(size) {
            let i = logistic(gi[j] + bi[j])
            let f = logistic(gf[j] + bf[j])
            let g = hyperbolicTangent(gg[j] + bg[j])
            let o = logistic(go[j] + bo[j])
            let c = (i * g).addingProduct(f, before[j])
            (gi[j], gf[j], gg[j], go[j]) = (i, f, g, o)
            after[j] = c
            hidden[j] = o * hyperbolicTangent(c)
        }
    }

    func backward(
        _ input: Matrix, outputGradient: Matrix, inputGradient: Matrix, steps: Int, pause: () throws -> Void
    ) throws {
        clock.enter(.recurrenceBackward)
        let cells = cells
        try forEachStepBackward(steps, passing: hiddenGradient, cellGradient, pause: pause) { t in
            let gate = gates.base + t * 4 * block
            for b in 0..<batch {
                let offset = t * block + b * hidden
                let row = gates.row(at: 4 * offset)
                let (before, after) = (cells.row(at: offset), cells.row(at: offset + block))
                let above = Row(outputGradient.base) + offset
                let (dh, dc) = (hiddenGradient.row(at: b * hidden), cellGradient.row(at: b * hidden))
                if let peepholes {
                    peepholes.stepBackward(
                        row, row: t * batch + b, before: before, after: after, above: above, hiddenGradient: dh,
                        cellGradient: dc)
                } else {
                    stepBackward(row, before: before, after: after, above: above, hiddenGradient: dh, cellGradient: dc)
                }
            }
            if t > 0 { try recurrent.backward(gate, into: hiddenGradient.base, rows: batch) }
        }
        let deltas = Matrix(gates.base, rows: steps * batch, columns: 4 * hidden)
        try finishBackward(deltas, input, inputGradient: inputGradient, pause: pause) { gradients in
            try gradients.multiply(deltas, by: previousStates(steps), into: gradients.recurrentWeights)
            gradients.sumRowsIntoBothBiases(deltas)
            peepholes?.finishBackward(gradients, rows: steps * batch)
        }
    }

    /// One row: gates become dL/d(pre-activations), `cellGradient` passes on to step t-1.
    private func stepBackward(
        _ gates: Row, before: Row, after: Row, above: Row, hiddenGradient: Row, cellGradient: Row
    ) {
        let size = hidden
        let (gi, gf, gg, go) = (gates, gates + size, gates + 2 * size, gates + 3 * size)
        for j in LaneBlocks(size) {
            let (i, f, g, o) = (gi[j], gf[j], gg[j], go[j])
            let y = hyperbolicTangent(after[j])
            let dh = above[j] + hiddenGradient[j]
            let dc = cellGradient[j].addingProduct(dh * o, 1 - y * y)
            gi[j] = dc * g * i * (1 - i)
            gf[j] = dc * before[j] * f * (1 - f)
            gg[j] = dc * i * (1 - g * g)
            go[j] = dh * y * o * (1 - o)
            cellGradient[j] = dc * f
        }
    }
}

extension Cell {
    /// Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000.
    package static let lstm = Cell("lstm", LSTMLayer.self, normalized: NormalizedLSTMLayer.self)
}
