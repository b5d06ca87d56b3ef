import Kernels
import Recurrent
import Testing

/// The recipe of docs/architecture.md, "How to add a cell", followed by a cell that lockstep does not have: each unit sees its own past
/// only.
///
///     h_t = tanh(W x_t + d * h_{t-1})        W [H, in], d [H]
private final class DiagonalLayer: Layer {
    static func plan(_ shape: LayerShape) -> LayerPlan {
        let (chunk, h, range) = (shape.chunk, shape.hidden, shape.model.initialRange)
        var plan = LayerPlan()
        plan.parameters = [
            ParameterPlan(shape.name("weight_ih"), [h, shape.inputs], .uniform(range)),
            ParameterPlan(shape.name("weight_d"), [h], .constant(0.5)),
        ]
        plan.state = [StatePlan("h", width: h)]
        plan.products = [
            ProductPlan(.projection, chunk.rows, h, shape.inputs),
            ProductPlan(.weightGradients, h, shape.inputs, chunk.rows),
            ProductPlan(.projectionBackward, chunk.rows, shape.inputs, h),
        ]
        plan.values = Double((chunk.steps + 2) * chunk.batch * h + (chunk.training ? chunk.rows * h : 0))
        return plan
    }

    var batch: Int
    let state: [Buffer]
    var stateGradients: StateGradients?
    var lines: LineStarts?  // not heeded: a cell for training.line_end starts from GatedLayer
    private let hidden: Int
    private let weights: Matrix  // [H, in]
    private let decay: Matrix  // [1, H]
    private let sums: GradientSums?
    private let weightGradients: [Matrix]
    private let decayGradients: [Matrix]
    private let states: Buffer  // h before each step and after the last, [T+1, B, H]
    private let products: Buffer  // delta h_{t-1}, [T, B, H]

    init(_ shape: LayerShape, parameters: Arena, sums: GradientSums?, clock: PhaseClock) throws {
        let (chunk, h) = (shape.chunk, shape.hidden)
        batch = chunk.batch
        hidden = h
        weights = parameters.matrix(shape.name("weight_ih"))
        decay = parameters.matrix(shape.name("weight_d"))
        self.sums = sums
        weightGradients = sums?.nodes.map { $0.gradients.matrix(shape.name("weight_ih")) } ?? []
        decayGradients = sums?.nodes.map { $0.gradients.matrix(shape.name("weight_d")) } ?? []
        state = [Buffer(count: chunk.batch * h)]
        states = Buffer(count: (chunk.steps + 1) * chunk.batch * h)
        products = Buffer(count: chunk.training ? chunk.rows * h : 0)
    }

    private var block: Int { batch * hidden }
    var output: UnsafeMutablePointer<Float> { states.base + block }
    func packWeights() {}
    func rewind() { copy(states.base, to: state[0].base, count: block) }

    func forward(_ input: Matrix, steps: Int) throws {
        copy(state[0].base, to: states.base, count: block)
        try multiply(input, by: weights, bTransposed: true, into: Matrix(output, rows: steps * batch, columns: hidden))
        for t in 0..<steps {
            let (before, h) = (states.base + t * block, states.base + (t + 1) * block)
            for b in 0..<batch {
                for (j, n) in LaneBlocks(hidden) {
                    let (place, d) = (b * hidden + j, decay.base.load(j))
                    h.store(hyperbolicTangent(h.load(place).addingProduct(d, before.load(place))), place, n)
                }
            }
        }
        copy(states.base + steps * block, to: state[0].base, count: block)
    }

    func backward(
        _ input: Matrix, outputGradient: Matrix, inputGradient: Matrix, steps: Int, pause: () throws -> Void
    ) throws {
        guard let sums else { preconditionFailure("a layer made for evaluation") }
        for t in (0..<steps).reversed() {
            try pause()
            let (before, h) = (states.base + t * block, states.base + (t + 1) * block)
            let delta = outputGradient.base + t * block
            for b in 0..<batch {
                for (j, n) in LaneBlocks(hidden) {
                    let (place, d) = (b * hidden + j, decay.base.load(j))
                    let y = h.load(place)
                    let slope = delta.load(place) * (1 - y * y)
                    delta.store(slope, place, n)
                    (products.base + t * block).store(slope * before.load(place), place, n)
                    if t > 0 {
                        let earlier = delta - block
                        earlier.store(earlier.load(place).addingProduct(slope, d), place, n)
                    }
                }
            }
        }
        let rows = steps * batch
        let deltas = Matrix(outputGradient.base, rows: rows, columns: hidden)
        for node in weightGradients.indices {
            try sums.multiply(deltas, by: input, node: node, into: weightGradients[node])
            sums.sumRows(Matrix(products.base, rows: rows, columns: hidden), node: node, into: decayGradients[node].base)
        }
        try multiply(deltas, by: weights, into: inputGradient)
    }
}

@Suite struct CellRecipeTests {
    private static let model = ModelConfiguration(
        cell: Cell("diagonal", DiagonalLayer.self), vocabulary: 7, embedding: 5, hidden: 11, layers: 2, initialRange: 0.5)

    @Test func everythingElseFollowsFromThePlan() throws {
        let model = Self.model
        let layout = ParameterLayout(model)
        #expect(layout.entries.map(\.name) == [
            "encoder.weight", "rnn.weight_ih_l0", "rnn.weight_d_l0", "rnn.weight_ih_l1", "rnn.weight_d_l1", "decoder.weight", "decoder.bias",
        ])
        #expect(model.states == [StatePlan("h_l0", width: 11), StatePlan("h_l1", width: 11)])
        let tally = Buffer.Tally()
        try Buffer.$tally.withValue(tally) {
            _ = try Network(model, parameters: Arena(layout), gradients: Arena(layout), batch: 3, steps: 6)
        }
        #expect(ModelMemory(model, batch: 3, steps: 6, training: true, optimizerSlots: 0)?.total == tally.bytes)
        let parameters = Arena(layout)
        parameters.initialise(seed: 1)
        #expect(parameters.values(layout["rnn.weight_d_l1"]).allSatisfy { $0 == 0.5 })
    }

    /// Each derivative against the loss to both sides of the parameter.
    @Test func gradientsAreTheSlopesOfTheLoss() throws {
        let layout = ParameterLayout(Self.model)
        let (parameters, gradients) = (Arena(layout), Arena(layout))
        parameters.initialise(seed: 5)
        let network = try Network(Self.model, parameters: parameters, gradients: gradients, batch: 2, steps: 4)
        let (inputs, targets): ([Int32], [Int32]) = ([0, 1, 2, 3, 4, 5, 6, 0], [2, 3, 4, 5, 6, 0, 1, 2])
        for buffer in network.state { for place in 0..<buffer.count { buffer.elements[place] = 0.3 } }
        func loss() throws -> Double {
            try network.packWeights()
            try network.forward(inputs, steps: 4)
            defer { network.rewind() }
            return try network.loss(targets).total
        }
        try network.forward(inputs, steps: 4)
        _ = try network.lossAndBackward(targets)
        network.rewind()
        let found = layout.entries.map { Array(gradients.values($0)) }  // The next pass clears the embedding's.
        for (index, entry) in layout.entries.enumerated() {
            for place in stride(from: 0, to: entry.count, by: 3) {
                let values = parameters.values(entry)
                let (value, gradient) = (values[place], found[index][place])
                values[place] = value + 0.01
                let above = try loss()
                values[place] = value - 0.01
                let below = try loss()
                values[place] = value
                #expect(abs((above - below) / 0.02 - Double(gradient)) < 2e-3, "\(entry.name) at \(place)")
            }
        }
    }
}
