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
    private let recurrent: PackedProduct  // [B, H] x U^T, accumulating into the projection
    private let recurrentBackward: PackedProduct?  // [B, 4H] x U
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
        plan.products += [
            ProductPlan(.recurrence, chunk.batch, 4 * h, h, times: chunk.steps),
            ProductPlan(.recurrenceBackward, chunk.batch, h, 4 * h, times: chunk.steps - 1),
            ProductPlan(.weightGradients, 4 * h, h, chunk.rows),
        ]
        plan.values += PackedProduct.count(inputs: h, outputs: 4 * h) + 4 * Double(h)
        plan.values += 4 * Double(chunk.steps) * block  // gates
        if chunk.training { plan.values += PackedProduct.count(inputs: 4 * h, outputs: h) + 2 * block }
        LSTMPeepholes.extend(&plan, shape)
        return plan
    }

    init(_ shape: LayerShape, parameters: Arena, sums: GradientSums?, clock: PhaseClock) throws {
        let (chunk, h, training) = (shape.chunk, shape.hidden, shape.chunk.training)
        let b = chunk.batch
        recurrent = try PackedProduct(rows: b, inputs: h, outputs: 4 * h, transposed: true, accumulate: true)
        recurrentBackward =
            training ? try PackedProduct(rows: b, inputs: 4 * h, outputs: h, transposed: false, accumulate: false) : nil
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
        recurrentBackward?.pack(weights.recurrentWeights.base)
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
            try recurrent.run(previous(t), into: gate, rows: batch)
            for b in 0..<batch {
                let (before, after) = (cells.base + t * block + b * hidden, cells.base + (t + 1) * block + b * hidden)
                if let peepholes {
                    peepholes.step(gate + b * 4 * hidden, bias.base, before: before, after: after, hidden: current(t) + b * hidden)
                } else {
                    step(gate + b * 4 * hidden, before: before, after: after, hidden: current(t) + b * hidden)
                }
            }
        }
    }

    /// One row: pre-activations become gates, c and h follow.
    private func step(
        _ gate: UnsafeMutablePointer<Float>, before: UnsafePointer<Float>, after: UnsafeMutablePointer<Float>,
        hidden h: UnsafeMutablePointer<Float>
    ) {
        let size = hidden
        let bias = bias.base
        for (j, n) in LaneBlocks(size) {
            let i = logistic(gate.load(j) + bias.load(j))
            let f = logistic(gate.load(j + size) + bias.load(j + size))
            let g = hyperbolicTangent(gate.load(j + 2 * size) + bias.load(j + 2 * size))
            let o = logistic(gate.load(j + 3 * size) + bias.load(j + 3 * size))
            let c = (i * g).addingProduct(f, before.load(j))
            gate.store(i, j, n)
            gate.store(f, j + size, n)
            gate.store(g, j + 2 * size, n)
            gate.store(o, j + 3 * size, n)
            after.store(c, j, n)
            h.store(o * hyperbolicTangent(c), j, n)
        }
    }

    func backward(
        _ input: Matrix, outputGradient: Matrix, inputGradient: Matrix, steps: Int, pause: () throws -> Void
    ) throws {
        guard let recurrentBackward else { preconditionFailure("a layer made for evaluation") }
        clock.enter(.recurrenceBackward)
        let cells = cells
        try forEachStepBackward(steps, passing: hiddenGradient, cellGradient, pause: pause) { t in
            let gate = gates.base + t * 4 * block
            for b in 0..<batch {
                let offset = b * hidden
                let (before, after) = (cells.base + t * block + offset, cells.base + (t + 1) * block + offset)
                let above = outputGradient.base + t * block + offset
                if let peepholes {
                    peepholes.stepBackward(
                        gate + 4 * offset, row: t * batch + b, before: before, after: after, above: above,
                        hiddenGradient: hiddenGradient.base + offset, cellGradient: cellGradient.base + offset)
                } else {
                    stepBackward(
                        gate + 4 * offset, before: before, after: after, above: above,
                        hiddenGradient: hiddenGradient.base + offset, cellGradient: cellGradient.base + offset)
                }
            }
            if t > 0 { try recurrentBackward.run(gate, into: hiddenGradient.base, rows: batch) }
        }
        let deltas = Matrix(gates.base, rows: steps * batch, columns: 4 * hidden)
        if let gradients { peepholes?.finishBackward(gradients, rows: steps * batch) }
        try finishBackward(deltas, input, inputGradient: inputGradient, steps: steps, pause: pause)
    }

    /// One row: gates become dL/d(pre-activations), `cellGradient` passes on to step t-1.
    private func stepBackward(
        _ gate: UnsafeMutablePointer<Float>, before: UnsafePointer<Float>, after: UnsafePointer<Float>,
        above: UnsafePointer<Float>, hiddenGradient: UnsafePointer<Float>, cellGradient: UnsafeMutablePointer<Float>
    ) {
        let size = hidden
        for (j, n) in LaneBlocks(size) {
            let i = gate.load(j)
            let f = gate.load(j + size)
            let g = gate.load(j + 2 * size)
            let o = gate.load(j + 3 * size)
            let y = hyperbolicTangent(after.load(j))
            let dh = above.load(j) + hiddenGradient.load(j)
            let dc = cellGradient.load(j).addingProduct(dh * o, 1 - y * y)
            gate.store(dc * g * i * (1 - i), j, n)
            gate.store(dc * before.load(j) * f * (1 - f), j + size, n)
            gate.store(dc * i * (1 - g * g), j + 2 * size, n)
            gate.store(dh * y * o * (1 - o), j + 3 * size, n)
            cellGradient.store(dc * f, j, n)
        }
    }
}

extension Cell {
    /// Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000.
    package static let lstm = Cell("lstm", LSTMLayer.self, normalized: NormalizedLSTMLayer.self)
}
