import Kernels

/// A highway connection (Srivastava et al. 2015): `y = t h + (1 - t) x` with the transform gate `t = sigmoid(W_t x + b_t)`, whose
/// biases start at -2, so that a new network passes most of x. Derivation: docs/mathematics.md, "Connections around layers".
final class HighwayLayer: ConnectedLayer, Layer {
    private let weights: Matrix  // W_t [H, in]
    private let bias: Matrix  // b_t [1, H]
    private let weightGradients: [Matrix]  // one for each node of the sums
    private let biasGradients: [Matrix]
    private let sums: GradientSums?
    private let projection: PackedProduct  // [T*B, in] x W_t^T
    private let gate: Buffer  // t of each step, [T, B, H]; in the backward pass dL/d(W_t x + b_t)

    static let initialBias: Float = -2

    static func plan(_ shape: LayerShape) -> LayerPlan {
        let (chunk, x, h) = (shape.chunk, shape.inputs, shape.hidden)
        var plan = plan(shape, width: h)
        plan.parameters += [
            ParameterPlan(shape.name("highway_weight"), [h, x], .uniform(shape.model.initialRange)),
            ParameterPlan(shape.name("highway_bias"), [h], .constant(initialBias)),
        ]
        plan.products += [
            ProductPlan(.projection, chunk.rows, h, x),
            ProductPlan(.weightGradients, h, x, chunk.rows),
            ProductPlan(.projectionBackward, chunk.rows, x, h),
        ]
        plan.values += chunk.values * Double(h) + PackedProduct.count(inputs: x, outputs: h)
        return plan
    }

    init(_ shape: LayerShape, parameters: Arena, sums: GradientSums?, clock: PhaseClock) throws {
        precondition(shape.inputs == shape.hidden)
        let (weightName, biasName) = (shape.name("highway_weight"), shape.name("highway_bias"))
        weights = parameters.matrix(weightName)
        bias = parameters.matrix(biasName)
        weightGradients = sums?.gradients(of: weightName) ?? []
        biasGradients = sums?.gradients(of: biasName) ?? []
        self.sums = sums
        projection = try PackedProduct(
            rows: shape.chunk.rows, inputs: shape.inputs, outputs: shape.hidden, transposed: true, accumulate: false)
        gate = Buffer(count: shape.chunk.rows * shape.hidden)
        try super.init(width: shape.hidden, shape, parameters, sums, clock)
    }

    override func packWeights() throws {
        try super.packWeights()
        projection.pack(weights.base)
    }

    func forward(_ input: Matrix, steps: Int) throws {
        try inner.forward(input, steps: steps)
        clock.enter(.projection)
        try projection.run(input.base, into: gate.base, rows: input.rows)
        for row in 0..<input.rows {
            join(
                gate.row(at: row * hidden), Row(input.row(row)), Row(inner.output + row * hidden), into: Row(output + row * hidden))
        }
    }

    /// One row: the pre-activation becomes t, and y follows.
    private func join(_ gate: Row, _ x: Row, _ h: Row, into y: Row) {
        let bias = Row(bias.base)
        for j in LaneBlocks(hidden) {
            let t = logistic(gate[j] + bias[j])
            gate[j] = t
            y[j] = x[j].addingProduct(t, h[j] - x[j])
        }
    }

    func backward(
        _ input: Matrix, outputGradient: Matrix, inputGradient: Matrix, steps: Int, pause: () throws -> Void
    ) throws {
        guard let sums else { preconditionFailure("a layer made for evaluation") }
        clock.enter(.projectionBackward)
        for row in 0..<input.rows {
            part(
                Row(outputGradient.row(row)), gate: gate.row(at: row * hidden), x: Row(input.row(row)),
                h: Row(inner.output + row * hidden), past: joined.row(at: row * hidden))
        }
        try inner.backward(
            input, outputGradient: outputGradient, inputGradient: inputGradient, steps: steps, pause: pause)
        clock.enter(.weightGradients)
        let deltas = Matrix(gate.base, rows: input.rows, columns: hidden)
        try sums.multiply(deltas, by: input, into: weightGradients)
        sums.sumRows(deltas, into: biasGradients)
        try pause()
        clock.enter(.projectionBackward)
        add(inputGradient.base, joined.base, into: inputGradient.base, count: input.rows * hidden)
        try multiply(deltas, by: weights, into: inputGradient, accumulate: true)
    }

    /// One row: dL/dy becomes dL/dh, t becomes dL/d(W_t x + b_t), and `past` what goes past the layer, (1 - t) dL/dy.
    private func part(_ gradient: Row, gate: Row, x: Row, h: Row, past: Row) {
        for j in LaneBlocks(hidden) {
            let (t, dy) = (gate[j], gradient[j])
            gate[j] = dy * (h[j] - x[j]) * t * (1 - t)
            past[j] = dy * (1 - t)
            gradient[j] = dy * t
        }
    }
}
