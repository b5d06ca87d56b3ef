import Kernels

/// The GRU of cuDNN and PyTorch, gate order r, z, n: the reset gate acts on the recurrent product.
///
///     r, z = sigmoid(W x + b_ih + U h + b_hh)
///     n = tanh(W_n x + b_in + r (U_n h + b_hn))
///     h_t = (1 - z) n + z h_{t-1}
///
/// Layer normalisation is of `W x` and of `U h`, before the biases, of r and z together and of n by itself.
/// Derivation: docs/mathematics.md (19) to (21), (26) to (28) and (n7).
final class GRUResetAfterLayer: GatedLayer, Layer {
    private let recurrent: RecurrentProduct
    private let gates: Buffer  // r z n after their nonlinearities, [T, B, 3H]; in the backward pass dL/d(W x + b_ih)
    private let products: Buffer  // U h (n part: + b_hn), [T, B, 3H]; in the backward pass dL/d(U h + b_hh)
    private let hiddenGradient: Buffer  // dL/dh_{t-1} from step t by way of U, [B, H]
    private let directGradient: Buffer  // dL/dh_{t-1} from step t by way of z h, [B, H]
    private let normalizers: GateNormalizers?

    static func plan(_ shape: LayerShape) -> LayerPlan {
        let (chunk, h) = (shape.chunk, shape.hidden)
        let block = Double(chunk.batch) * Double(h)
        var plan = plan(gates: 3, shape)
        RecurrentProduct.extend(&plan, shape, rows: 3 * h)
        plan.shared += 6 * Double(chunk.steps) * block
        plan.values += 6 * Double(chunk.steps) * block  // gates and U h
        if chunk.training { plan.values += 2 * block }
        GateNormalizers.add(to: &plan, shape, parts: [2 * h, h])
        return plan
    }

    init(_ shape: LayerShape, parameters: Arena, sums: GradientSums?, clock: PhaseClock) throws {
        let (chunk, h, training) = (shape.chunk, shape.hidden, shape.chunk.training)
        let b = chunk.batch
        recurrent = try RecurrentProduct(shape, rows: 3 * h, accumulate: false)
        gates = try chunk.team.buffer(count: chunk.steps * b * 3 * h)
        products = try chunk.team.buffer(count: chunk.steps * b * 3 * h)
        hiddenGradient = Buffer(count: training ? b * h : 0)
        directGradient = Buffer(count: training ? b * h : 0)
        normalizers = GateNormalizers(shape, parts: [2 * h, h], parameters, sums)
        try super.init(gates: 3, recurrent: [recurrent], shape, parameters, sums, clock)
    }

    func forward(_ input: Matrix, steps: Int) throws {
        clock.enter(.projection)
        try project(input, into: normalizers?.input.row(0) ?? gates.base)
        normalizers?.input.forward(0..<steps * batch, into: gates.base)
        clock.enter(.recurrence)
        try forEachStep(steps) { t in
            let product = products.base + t * 3 * block
            try recurrent.forward(previous(t), into: normalizers?.recurrent.row(t * batch) ?? product, rows: batch)
            normalizers?.recurrent.forward(t * batch..<(t + 1) * batch, into: product)
            arithmetic.gruAfter(
                rows: batch, gates: gates.row(at: t * 3 * block), products: Row(product), inputBias: Row(weights.inputBias.base),
                recurrentBias: Row(weights.recurrentBias.base), before: Row(previous(t)), after: Row(current(t)))
        }
    }

    func backward(
        _ input: Matrix, outputGradient: Matrix, inputGradient: Matrix, steps: Int, pause: () throws -> Void
    ) throws {
        clock.enter(.recurrenceBackward)
        try forEachStepBackward(steps, passing: hiddenGradient, directGradient, pause: pause) { t in
            stateGradients?.noteHidden(t, size: hidden, outputGradient.row(t * batch), hiddenGradient.base, directGradient.base)
            let product = products.base + t * 3 * block
            arithmetic.gruAfterBackward(
                rows: batch, gates: gates.row(at: t * 3 * block), products: Row(product), before: Row(previous(t)),
                above: Row(outputGradient.row(t * batch)), passed: hiddenGradient.row(), direct: directGradient.row())
            normalizers?.recurrent.backward(t * batch..<(t + 1) * batch, product)
            try meetTeam()
            if t > 0 {
                try recurrent.backward(
                    normalizers?.recurrent.delta(t * batch) ?? product, into: hiddenGradient.base, rows: batch)
            }
        }
        let rows = steps * batch
        let inputBiasDeltas = Matrix(gates.base, rows: rows, columns: 3 * hidden)
        let recurrentBiasDeltas = Matrix(products.base, rows: rows, columns: 3 * hidden)
        normalizers?.input.backward(0..<rows, gates.base)
        let inputDeltas = normalizers?.input.deltas(rows: rows) ?? inputBiasDeltas
        let recurrentDeltas = normalizers?.recurrent.deltas(rows: rows) ?? recurrentBiasDeltas
        try finishBackward(
            inputDeltas, input, inputGradient: inputGradient, recurrentDeltas: recurrentDeltas, pause: pause
        ) { gradients in
            gradients.sumRows(inputBiasDeltas, into: gradients.inputBias)
            gradients.sumRows(recurrentBiasDeltas, into: gradients.recurrentBias)
            normalizers?.sumGains(rows: rows)
        } recurrent: { gradients in
            try gradients.multiply(recurrentDeltas, by: previousStates(steps), into: gradients.recurrentWeights)
        }
    }
}

extension Cell {
    /// The variant of cuDNN and PyTorch: the reset gate acts after the matrix product.
    package static let gruResetAfter = Cell("gru_reset_after", GRUResetAfterLayer.self, gates: ["r", "z", "n"])
}
