import Kernels

/// The LSTM with layer normalisation, as in the supplement of Ba, Kiros and Hinton 2016, gate order i, f, g, o:
///
///     i, f, o = sigmoid(LN(W x) + b_ih + LN(U h) + b_hh)      g = tanh(LN(W x) + b_ih + LN(U h) + b_hh)
///     c_t = f c_{t-1} + i g                                   h_t = o tanh(LN(c_t) + b_c)
///
/// `LN(a) = gain * (a - mean) / deviation`, over all 4H values of a product, and over the H of c. The state c is carried as it is.
/// Derivation: docs/mathematics.md (n1) to (n4) and (n6).
final class NormalizedLSTMLayer: GatedLayer, Layer {
    private let recurrent: RecurrentProduct
    private let bias: Buffer  // b_ih + b_hh, [4H]
    private let gates: Buffer  // i f g o after their nonlinearities, [T, B, 4H]; in the backward pass dL/d(what they are of)
    private let squashed: Buffer  // tanh(LN(c) + b_c), [T, B, H]; in the backward pass dL/d(LN(c) + b_c)
    private let normalizers: GateNormalizers
    private let cellNormalizer: RowNormalizer
    private let cellBias: Matrix  // b_c, [1, H]
    private let cellBiasGradients: [Matrix]
    private let hiddenGradient: Buffer  // dL/dh_{t-1} from step t, [B, H]
    private let cellGradient: Buffer  // dL/dc_{t-1} from step t, [B, H]

    static func plan(_ shape: LayerShape) -> LayerPlan {
        let (chunk, h) = (shape.chunk, shape.hidden)
        let block = Double(chunk.batch) * Double(h)
        var plan = plan(gates: 4, states: ["h", "c"], shape)
        GateNormalizers.add(to: &plan, shape, parts: [4 * h])
        RowNormalizer.add(to: &plan, shape, gain: "gain_c", parts: [h])
        plan.parameters.append(ParameterPlan(shape.name("bias_c"), [h], .constant(0)))
        RecurrentProduct.extend(&plan, shape, rows: 4 * h)
        plan.values += 4 * Double(h) + 5 * Double(chunk.steps) * block  // biases; gates, tanh of c
        if chunk.training { plan.values += 2 * block }
        return plan
    }

    init(_ shape: LayerShape, parameters: Arena, sums: GradientSums?, clock: PhaseClock) throws {
        let (chunk, h, training) = (shape.chunk, shape.hidden, shape.chunk.training)
        let b = chunk.batch
        guard let normalizers = GateNormalizers(shape, parts: [4 * h], parameters, sums),
            let cellNormalizer = RowNormalizer(shape, gain: "gain_c", parts: [h], parameters, sums)
        else { preconditionFailure("a model without normalisation") }
        (self.normalizers, self.cellNormalizer) = (normalizers, cellNormalizer)
        cellBias = parameters.matrix(shape.name("bias_c"))
        cellBiasGradients = sums?.gradients(of: shape.name("bias_c")) ?? []
        recurrent = try RecurrentProduct(shape, rows: 4 * h, accumulate: false)
        bias = Buffer(count: 4 * h)
        gates = Buffer(count: chunk.rows * 4 * h)
        squashed = Buffer(count: chunk.rows * h)
        hiddenGradient = Buffer(count: training ? b * h : 0)
        cellGradient = Buffer(count: training ? b * h : 0)
        try super.init(gates: 4, states: 2, recurrent: [recurrent], shape, parameters, sums, clock)
    }

    /// c before each step and after the last, [T+1, B, H].
    private var cells: Buffer { states[1] }

    override func packWeights() throws {
        try super.packWeights()
        add(weights.inputBias.base, weights.recurrentBias.base, into: bias.base, count: 4 * hidden)
    }

    func forward(_ input: Matrix, steps: Int) throws {
        clock.enter(.projection)
        try project(input, into: normalizers.input.row(0))
        clock.enter(.recurrence)
        normalizers.input.forward(0..<steps * batch, into: gates.base)
        try forEachStep(steps) { t in
            let rows = t * batch..<(t + 1) * batch
            try recurrent.forward(previous(t), into: normalizers.recurrent.row(rows.lowerBound), rows: batch)
            normalizers.recurrent.forward(rows, into: gates.base + t * 4 * block, accumulate: true)
            let gate = gates.row(at: t * 4 * block)
            let after = cells.base + (t + 1) * block
            arithmetic.lstm(
                rows: batch, gates: gate, bias: bias.row(), before: cells.row(at: t * block), after: Row(after), hidden: nil)
            copy(after, to: cellNormalizer.row(rows.lowerBound), count: block)
            cellNormalizer.forward(rows, into: squashed.base + t * block)
            arithmetic.expose(
                rows: batch, gates: gate, squashed: squashed.row(at: t * block), bias: Row(cellBias.base), hidden: Row(current(t)))
        }
    }

    func backward(
        _ input: Matrix, outputGradient: Matrix, inputGradient: Matrix, steps: Int, pause: () throws -> Void
    ) throws {
        clock.enter(.recurrenceBackward)
        try forEachStepBackward(steps, passing: hiddenGradient, cellGradient, pause: pause) { t in
            let rows = t * batch..<(t + 1) * batch
            let gate = gates.row(at: t * 4 * block)
            stateGradients?.noteHidden(t, size: hidden, outputGradient.row(rows.lowerBound), hiddenGradient.base)
            arithmetic.exposeBackward(
                rows: batch, gates: gate, squashed: squashed.row(at: t * block), above: Row(outputGradient.row(rows.lowerBound)),
                passed: hiddenGradient.row())
            cellNormalizer.backward(rows, squashed.base + t * block)
            stateGradients?.noteCell(t, size: hidden) { b, j in
                Double(cellGradient.base[b * hidden + j]) + Double(cellNormalizer.delta(rows.lowerBound)[b * hidden + j])
            }
            arithmetic.normalizedLSTMBackward(
                rows: batch, gates: gate, before: cells.row(at: t * block),
                normalized: Row(cellNormalizer.delta(rows.lowerBound)), cellGradient: cellGradient.row())
            normalizers.recurrent.backward(rows, gates.base + t * 4 * block)
            if t > 0 {
                try recurrent.backward(
                    normalizers.recurrent.delta(rows.lowerBound), into: hiddenGradient.base, rows: batch)
            }
        }
        let rows = steps * batch
        normalizers.input.backward(0..<rows, gates.base)
        let deltas = normalizers.recurrent.deltas(rows: rows)
        try finishBackward(
            normalizers.input.deltas(rows: rows), input, inputGradient: inputGradient, recurrentDeltas: deltas, pause: pause
        ) { gradients in
            gradients.sumRowsIntoBothBiases(Matrix(gates.base, rows: rows, columns: 4 * hidden))
            gradients.sumRows(Matrix(squashed.base, rows: rows, columns: hidden), into: cellBiasGradients)
            normalizers.sumGains(rows: rows)
            cellNormalizer.sumGains(rows: rows)
        } recurrent: { gradients in
            try gradients.multiply(deltas, by: previousStates(steps), into: gradients.recurrentWeights)
        }
    }
}
