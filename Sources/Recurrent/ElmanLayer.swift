import Kernels

/// Elman 1990: `h_t = g(W x_t + b_ih + U h_{t-1} + b_hh)`, g = tanh, sigmoid or relu.
/// Derivation: docs/mathematics.md (7) to (12).
///
/// The input projection W x is one product over all T*B rows, written straight into the place of h; then step by step
/// U h is added, and bias and g are applied in one pass. With layer normalisation both products are summed in the normaliser's rows,
/// and `g = g(gain * (a - mean) / deviation + b_ih + b_hh)` of `a = W x + U h`; (n5).
final class ElmanLayer: GatedLayer, Layer {
    private let activation: Activation
    private let recurrent: RecurrentProduct  // added to the projection
    private let bias: Buffer  // b_ih + b_hh, [H]
    private let hiddenGradient: Buffer  // dL/dh_{t-1} from step t, [B, H]
    private let normalizer: RowNormalizer?  // of W x + U h

    static func plan(_ shape: LayerShape) -> LayerPlan {
        let (chunk, h) = (shape.chunk, shape.hidden)
        var plan = plan(gates: 1, shape)
        RecurrentProduct.extend(&plan, shape, rows: h)
        plan.values += Double(h)  // biases
        if chunk.training { plan.values += Double(chunk.batch) * Double(h) }
        RowNormalizer.add(to: &plan, shape, gain: "gain", parts: [h])
        return plan
    }

    init(_ shape: LayerShape, parameters: Arena, sums: GradientSums?, clock: PhaseClock) throws {
        activation = shape.model.activation
        let (b, h, training) = (shape.chunk.batch, shape.hidden, shape.chunk.training)
        recurrent = try RecurrentProduct(shape, rows: h, accumulate: true)
        bias = Buffer(count: h)
        hiddenGradient = Buffer(count: training ? b * h : 0)
        normalizer = RowNormalizer(shape, gain: "gain", parts: [h], parameters, sums)
        try super.init(gates: 1, recurrent: [recurrent], shape, parameters, sums, clock)
    }

    override func packWeights() throws {
        try super.packWeights()
        add(weights.inputBias.base, weights.recurrentBias.base, into: bias.base, count: hidden)
    }

    func forward(_ input: Matrix, steps: Int) throws {
        clock.enter(.projection)
        try project(input, into: normalizer?.row(0) ?? output)
        clock.enter(.recurrence)
        try forEachStep(steps) { t in
            let h = current(t)
            try recurrent.forward(previous(t), into: normalizer?.row(t * batch) ?? h, rows: batch)
            normalizer?.forward(t * batch..<(t + 1) * batch, into: h)
            arithmetic.activate(activation.nonlinearity, rows: batch, values: Row(h), bias: bias.row())
        }
    }

    func backward(
        _ input: Matrix, outputGradient: Matrix, inputGradient: Matrix, steps: Int, pause: () throws -> Void
    ) throws {
        clock.enter(.recurrenceBackward)
        // dL/dh_t arrives from above and from step t+1; times g' it becomes dL/d(pre-activation), in place.
        let delta = outputGradient.base
        try forEachStepBackward(steps, passing: hiddenGradient, pause: pause) { t in
            stateGradients?.noteHidden(t, size: hidden, delta + t * block, hiddenGradient.base)
            arithmetic.activateBackward(
                activation.nonlinearity, rows: batch, gradient: Row(delta + t * block), passed: hiddenGradient.row(),
                y: Row(current(t)))
            normalizer?.backward(t * batch..<(t + 1) * batch, delta + t * block)
            let product = normalizer?.delta(t * batch) ?? delta + t * block
            try meetTeam()
            if t > 0 { try recurrent.backward(product, into: hiddenGradient.base, rows: batch) }
        }
        let biasDeltas = Matrix(delta, rows: steps * batch, columns: hidden)
        let deltas = normalizer?.deltas(rows: steps * batch) ?? biasDeltas
        try finishBackward(deltas, input, inputGradient: inputGradient, recurrentDeltas: deltas, pause: pause) { gradients in
            gradients.sumRowsIntoBothBiases(biasDeltas)
            normalizer?.sumGains(rows: steps * batch)
        } recurrent: { gradients in
            try gradients.multiply(deltas, by: previousStates(steps), into: gradients.recurrentWeights)
        }
    }
}

extension Cell {
    /// Elman 1990: `h = g(W x + U h + b)`.
    package static let elman = Cell("elman", ElmanLayer.self, choosesActivation: true)
}
