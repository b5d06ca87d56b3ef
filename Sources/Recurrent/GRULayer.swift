import Kernels

/// Cho et al. 2014, equations 5 to 8, with PyTorch's gate order r, z, n and its roles of z and 1 - z: the reset gate acts
/// on h before the recurrent product, so that a step needs two products, one after the other.
///
///     r, z = sigmoid(W x + b_ih + U h + b_hh)
///     n = tanh(W_n x + b_in + U_n (r h) + b_hn)
///     h_t = (1 - z) n + z h_{t-1}
///
/// Layer normalisation is of `W x`, and of `U h` and `U_n (r h)`, before the biases, of r and z together and of n by itself.
/// Derivation: docs/mathematics.md (19) to (25) and (n7).
final class GRULayer: GatedLayer, Layer {
    private let gateProduct: RecurrentProduct  // of U_rz, added to the first 2H columns of the gates
    private let candidateProduct: RecurrentProduct  // of U_n, added to the last H columns
    private let bias: Buffer  // b_ih + b_hh, [3H]
    private let gates: Buffer  // r z n after their nonlinearities, [T, B, 3H]; in the backward pass their deltas
    private let resetStates: Buffer  // r h_{t-1}, [T, B, H]
    private let hiddenGradient: Buffer  // dL/dh_{t-1} from step t by way of U_rz, [B, H]
    private let directGradient: Buffer  // dL/dh_{t-1} from step t by way of z h and r h, [B, H]
    private let resetGradient: Buffer  // dL/d(r h_{t-1}), [B, H]
    private let normalizers: GateNormalizers?
    private var gateGradients: [Matrix] = []  // of U_rz, [2H, H] for each node
    private var candidateGradients: [Matrix] = []  // of U_n, [H, H] for each node

    static func plan(_ shape: LayerShape) -> LayerPlan {
        let (chunk, h) = (shape.chunk, shape.hidden)
        let block = Double(chunk.batch) * Double(h)
        var plan = plan(gates: 3, shape)
        RecurrentProduct.extend(&plan, shape, rows: 2 * h)
        // The candidate's product reads r h, so that its gradient is needed at the first step too.
        RecurrentProduct.extend(&plan, shape, rows: h, backward: chunk.steps)
        plan.shared += 4 * Double(chunk.steps) * block  // gates and r h
        plan.values += 3 * Double(h) + 4 * Double(chunk.steps) * block  // biases; gates and r h
        if chunk.training { plan.values += 3 * block }
        GateNormalizers.add(to: &plan, shape, parts: [2 * h, h])
        return plan
    }

    init(_ shape: LayerShape, parameters: Arena, sums: GradientSums?, clock: PhaseClock) throws {
        let (chunk, h, training) = (shape.chunk, shape.hidden, shape.chunk.training)
        let b = chunk.batch
        normalizers = GateNormalizers(shape, parts: [2 * h, h], parameters, sums)
        let accumulate = normalizers == nil
        gateProduct = try RecurrentProduct(shape, rows: 2 * h, stride: 3 * h, accumulate: accumulate)
        candidateProduct = try RecurrentProduct(shape, rows: h, stride: 3 * h, accumulate: accumulate)
        bias = Buffer(count: 3 * h)
        gates = try chunk.team.buffer(count: chunk.steps * b * 3 * h)
        resetStates = try chunk.team.buffer(count: chunk.steps * b * h)
        hiddenGradient = Buffer(count: training ? b * h : 0)
        directGradient = Buffer(count: training ? b * h : 0)
        resetGradient = Buffer(count: training ? b * h : 0)
        try super.init(gates: 3, recurrent: [gateProduct, candidateProduct], shape, parameters, sums, clock)
        gateGradients = gradients?.recurrentWeights.map { $0.rows(0, count: 2 * h) } ?? []
        candidateGradients = gradients?.recurrentWeights.map { $0.rows(2 * h, count: h) } ?? []
    }

    override func packWeights() throws {
        try super.packWeights()
        add(weights.inputBias.base, weights.recurrentBias.base, into: bias.base, count: 3 * hidden)
    }

    func forward(_ input: Matrix, steps: Int) throws {
        clock.enter(.projection)
        try project(input, into: normalizers?.input.row(0) ?? gates.base)
        normalizers?.input.forward(0..<steps * batch, into: gates.base)
        clock.enter(.recurrence)
        let size = hidden
        try forEachStep(steps) { t in
            let gate = gates.base + t * 3 * block
            let reset = resetStates.base + t * block
            let rows = t * batch..<(t + 1) * batch
            let product = normalizers?.recurrent.row(rows.lowerBound) ?? gate
            try gateProduct.forward(previous(t), into: product, rows: batch)
            normalizers?.recurrent.forward(rows, part: 0, into: gate, accumulate: true)
            arithmetic.gruReset(
                rows: batch, gates: Row(gate), bias: bias.row(), before: Row(previous(t)), reset: Row(reset))
            try meetTeam()
            try candidateProduct.forward(reset, into: product + 2 * size, rows: batch)
            normalizers?.recurrent.forward(rows, part: 1, into: gate, accumulate: true)
            arithmetic.gruCandidate(
                rows: batch, gates: Row(gate), bias: bias.row(), before: Row(previous(t)), after: Row(current(t)))
        }
    }

    func backward(
        _ input: Matrix, outputGradient: Matrix, inputGradient: Matrix, steps: Int, pause: () throws -> Void
    ) throws {
        clock.enter(.recurrenceBackward)
        let size = hidden
        try forEachStepBackward(steps, passing: hiddenGradient, directGradient, pause: pause) { t in
            stateGradients?.noteHidden(t, size: hidden, outputGradient.row(t * batch), hiddenGradient.base, directGradient.base)
            let gate = gates.base + t * 3 * block
            arithmetic.gruCandidateBackward(
                rows: batch, gates: Row(gate), before: Row(previous(t)), above: Row(outputGradient.row(t * batch)),
                passed: hiddenGradient.row(), direct: directGradient.row())
            let rows = t * batch..<(t + 1) * batch
            let delta = normalizers?.recurrent.delta(rows.lowerBound) ?? gate
            normalizers?.recurrent.backward(rows, part: 1, gate)
            try meetTeam()
            try candidateProduct.backward(delta + 2 * size, into: resetGradient.base, rows: batch)
            arithmetic.gruResetBackward(
                rows: batch, gates: Row(gate), before: Row(previous(t)), resetGradient: resetGradient.row(),
                direct: directGradient.row())
            normalizers?.recurrent.backward(rows, part: 0, gate)
            try meetTeam()
            if t > 0 { try gateProduct.backward(delta, into: hiddenGradient.base, rows: batch) }
        }
        let rows = steps * batch
        let biasDeltas = Matrix(gates.base, rows: rows, columns: 3 * size)
        normalizers?.input.backward(0..<rows, gates.base)
        let inputDeltas = normalizers?.input.deltas(rows: rows) ?? biasDeltas
        let deltas = normalizers?.recurrent.deltas(rows: rows) ?? biasDeltas
        try finishBackward(inputDeltas, input, inputGradient: inputGradient, recurrentDeltas: deltas, pause: pause) { gradients in
            gradients.sumRowsIntoBothBiases(biasDeltas)
            normalizers?.sumGains(rows: rows)
        } recurrent: { gradients in
            try gradients.multiply(deltas.columns(0, count: 2 * size), by: previousStates(steps), into: gateGradients)
            let reset = Matrix(resetStates.base, rows: rows, columns: size)
            try gradients.multiply(deltas.columns(2 * size, count: size), by: reset, into: candidateGradients)
        }
    }
}

extension Cell {
    /// Cho et al. 2014: the reset gate acts on h before the matrix product.
    package static let gru = Cell("gru", GRULayer.self, gates: ["r", "z", "n"])
}
