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
        weightGradients = sums?.nodes.map { $0.gradients.matrix(weightName) } ?? []
        biasGradients = sums?.nodes.map { $0.gradients.matrix(biasName) } ?? []
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
                gate.base + row * hidden, input.row(row), inner.output + row * hidden, into: output + row * hidden)
        }
    }

    /// One row: the pre-activation becomes t, and y follows.
    private func join(
        _ gate: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ h: UnsafePointer<Float>,
        into y: UnsafeMutablePointer<Float>
    ) {
        let bias = bias.base
        for (j, n) in LaneBlocks(hidden) {
            let t = logistic(gate.load(j) + bias.load(j))
            gate.store(t, j, n)
            y.store(x.load(j).addingProduct(t, h.load(j) - x.load(j)), j, n)
        }
    }

    func backward(
        _ input: Matrix, outputGradient: Matrix, inputGradient: Matrix, steps: Int, pause: () throws -> Void
    ) throws {
        guard let sums else { preconditionFailure("a layer made for evaluation") }
        clock.enter(.projectionBackward)
        for row in 0..<input.rows {
            part(
                outputGradient.row(row), gate: gate.base + row * hidden, x: input.row(row), h: inner.output + row * hidden,
                past: joined.base + row * hidden)
        }
        try inner.backward(
            input, outputGradient: outputGradient, inputGradient: inputGradient, steps: steps, pause: pause)
        clock.enter(.weightGradients)
        let deltas = Matrix(gate.base, rows: input.rows, columns: hidden)
        for node in sums.nodes.indices {
            try sums.multiply(deltas, by: input, node: node, into: weightGradients[node])
            sums.sumRows(deltas, node: node, into: biasGradients[node].base)
        }
        try pause()
        clock.enter(.projectionBackward)
        add(inputGradient.base, joined.base, into: inputGradient.base, count: input.rows * hidden)
        try multiply(deltas, by: weights, into: inputGradient, accumulate: true)
    }

    /// One row: dL/dy becomes dL/dh, t becomes dL/d(W_t x + b_t), and `past` what goes past the layer, (1 - t) dL/dy.
    private func part(
        _ gradient: UnsafeMutablePointer<Float>, gate: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>,
        h: UnsafePointer<Float>, past: UnsafeMutablePointer<Float>
    ) {
        for (j, n) in LaneBlocks(hidden) {
            let (t, dy) = (gate.load(j), gradient.load(j))
            gate.store(dy * (h.load(j) - x.load(j)) * t * (1 - t), j, n)
            past.store(dy * (1 - t), j, n)
            gradient.store(dy * t, j, n)
        }
    }
}
