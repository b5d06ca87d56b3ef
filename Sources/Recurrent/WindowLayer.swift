import Kernels

/// Bengio et al. 2003: a feed-forward layer over the last n inputs, without the paper's direct connections from them to the output,
///
///     h_t = g(W [x_{t-n+1}; ...; x_t] + b)          g = tanh, sigmoid or relu
///
/// The inputs before the first are zero. Derivation: docs/mathematics.md (w1) to (w4).
///
/// The inputs of all steps lie one after another, the carried ones first. So the k-th block of W's columns, [H, in], is a product
/// over all T*B rows that begins k steps later, and each element of W [...] is one chain of sums over all n blocks. Layer normalisation
/// is of `W [...]`, before the bias.
final class WindowLayer: Layer {
    var batch: Int
    var lines: LineStarts?
    var stateGradients: StateGradients?
    let state: [Buffer]  // the last n-1 inputs of each stream, [B, (n-1)*in]; none for n = 1
    private let window: Int  // n
    private let inputs: Int  // in
    private let hidden: Int  // H
    private let activation: Activation
    private let arithmetic: CellArithmetic
    private let weights: Matrix  // [H, n*in]
    private let bias: Matrix  // [1, H]
    private let sums: GradientSums?
    private let weightGradients: [[Matrix]]  // of each block W_k, [H, in] for each node
    private let biasGradients: [Matrix]  // [1, H] for each node
    private let projections: [PackedProduct]  // of each block [T*B, in] x W_k^T; all but the first accumulate
    private let history: Buffer  // x, from n-1 steps before the chunk, [n-1+T, B, in]
    private let outputs: Buffer  // h, [T, B, H]
    private let masked: Buffer  // inputs or deltas without those of other lines, [T*B, in or H]; empty unless lines are told apart
    private let normalizer: RowNormalizer?  // of W [...]
    private let clock: PhaseClock

    static func plan(_ shape: LayerShape) -> LayerPlan {
        let (chunk, h, n, inputs) = (shape.chunk, shape.hidden, shape.model.window, shape.inputs)
        var plan = LayerPlan()
        plan.unshared = "model.cell"
        plan.parameters = [
            ParameterPlan(shape.name("weight"), [h, n * inputs], .uniform(shape.model.initialRange)),
            ParameterPlan(shape.name("bias"), [h], .constant(0)),
        ]
        let carried = (n - 1) * inputs
        if carried > 0 { plan.state = [StatePlan("x", width: carried)] }
        plan.products = [
            ProductPlan(.projection, chunk.rows, h, inputs, times: n),
            ProductPlan(.weightGradients, h, inputs, chunk.rows, times: n),
        ]
        // The last steps' inputs are in fewer windows of this chunk.
        plan.products += (0..<min(n, chunk.steps)).map { later in
            ProductPlan(.projectionBackward, (chunk.steps - later) * chunk.batch, inputs, h)
        }
        plan.values = chunk.values * Double(inputs + h + (shape.model.tellsSequencesApart ? max(inputs, h) : 0))
        plan.values += 2 * Double(chunk.batch) * Double(carried)
        plan.packed = Double(n) * PackedProduct.count(inputs: inputs, outputs: h)
        RowNormalizer.add(to: &plan, shape, gain: "gain", parts: [h])
        return plan
    }

    init(_ shape: LayerShape, parameters: Arena, sums: GradientSums?, clock: PhaseClock) throws {
        let (chunk, n) = (shape.chunk, shape.model.window)
        (batch, window, inputs, hidden) = (chunk.batch, n, shape.inputs, shape.hidden)
        activation = shape.model.activation
        weights = parameters.matrix(shape.name("weight"))
        bias = parameters.matrix(shape.name("bias"))
        self.sums = sums
        let weightGradients = sums?.gradients(of: shape.name("weight")) ?? []
        self.weightGradients = (0..<n).map { k in
            weightGradients.map { $0.columns(k * shape.inputs, count: shape.inputs) }
        }
        biasGradients = sums?.gradients(of: shape.name("bias")) ?? []
        projections = try (0..<n).map {
            try PackedProduct(
                rows: chunk.rows, inputs: shape.inputs, outputs: shape.hidden, transposed: true, accumulate: $0 > 0,
                packing: chunk.packers.packing)
        }
        history = Buffer(count: (n - 1 + chunk.steps) * chunk.batch * shape.inputs)
        outputs = Buffer(count: chunk.rows * shape.hidden)
        masked = Buffer(count: shape.model.tellsSequencesApart ? chunk.rows * max(shape.inputs, shape.hidden) : 0)
        state = n > 1 ? [Buffer(count: chunk.batch * (n - 1) * shape.inputs)] : []
        normalizer = RowNormalizer(shape, gain: "gain", parts: [hidden], parameters, sums)
        arithmetic = CellArithmetic(size: hidden)
        self.clock = clock
    }

    var output: UnsafeMutablePointer<Float> { outputs.base }

    func packWeights() throws {
        for (k, projection) in projections.enumerated() { projection.pack(weights.columns(k * inputs, count: inputs)) }
    }

    func forward(_ input: Matrix, steps: Int) throws {
        clock.enter(.projection)
        forEachCarried { carried, place in copy(carried, to: history.base + place, count: inputs) }
        copy(input.base, to: history.base + (window - 1) * batch * inputs, count: steps * batch * inputs)
        for (k, projection) in projections.enumerated() {
            try projection.run(self.input(ofBlock: k, steps).base, into: normalizer?.row(0) ?? output, rows: steps * batch)
        }
        clock.enter(.recurrence)
        normalizer?.forward(0..<steps * batch, into: output)
        arithmetic.activate(activation.nonlinearity, rows: steps * batch, values: outputs.row(), bias: Row(bias.base))
        carry(from: steps)
        if lines?.rule == .reset { forget(steps) }
    }

    func rewind() { carry(from: 0) }

    func backward(
        _ input: Matrix, outputGradient: Matrix, inputGradient: Matrix, steps: Int, pause: () throws -> Void
    ) throws {
        guard let sums else { preconditionFailure("a layer made for evaluation") }
        clock.enter(.recurrenceBackward)
        let delta = outputGradient.base
        for t in 0..<steps { stateGradients?.noteHidden(t, size: hidden, delta + t * batch * hidden) }
        arithmetic.activateBackward(activation.nonlinearity, rows: steps * batch, gradient: Row(delta), y: outputs.row())
        normalizer?.backward(0..<steps * batch, delta)
        clock.enter(.weightGradients)
        let biasDeltas = Matrix(delta, rows: steps * batch, columns: hidden)
        let deltas = normalizer?.deltas(rows: steps * batch) ?? biasDeltas
        for k in 0..<window {
            try sums.multiply(deltas, by: self.input(ofBlock: k, steps), into: weightGradients[k])
            try pause()
        }
        sums.sumRows(biasDeltas, into: biasGradients)
        normalizer?.sumGains(rows: steps * batch)
        clock.enter(.projectionBackward)
        // An input is read by its own step and by the n-1 after it, as far as they are in this chunk.
        for later in 0..<min(window, steps) {
            let rows = (steps - later) * batch
            try multiply(
                withinLines(deltas, later: later, steps).rows(later * batch, count: rows), by: weights.columns((window - 1 - later) * inputs, count: inputs),
                into: inputGradient.rows(0, count: rows), accumulate: later > 0)
            try pause()
        }
    }

    /// What block k of the weights is multiplied by, [steps*B, in].
    private func input(ofBlock k: Int, _ steps: Int) -> Matrix {
        let all = Matrix(history.base + k * batch * inputs, rows: steps * batch, columns: inputs)
        return lines?.rule == .reset ? withinLines(all, later: window - 1 - k, steps) : all
    }

    /// These rows [steps*B, ...] of steps that read an input `later` steps before them, zero where a line has started between the two.
    private func withinLines(_ rows: Matrix, later: Int, _ steps: Int) -> Matrix {
        guard let lines, later > 0 else { return rows }
        let result = Matrix(masked.base, rows: rows.rows, columns: rows.columns)
        copy(rows.base, to: result.base, count: rows.rows * rows.columns)
        for b in 0..<batch {
            var age: Int?  // steps since the line's start
            for row in stride(from: b, to: steps * batch, by: batch) {
                age = lines.marks[row] != 0 ? 0 : age.map { $0 + 1 }
                if let age, age < later { result.row(row).update(repeating: 0, count: rows.columns) }
            }
        }
        return result
    }

    /// The carried inputs from before a line's start are zero.
    private func forget(_ steps: Int) {
        guard let lines, let state = state.first else { return }
        for b in 0..<batch {
            guard let start = (0..<steps).last(where: { lines.marks[$0 * batch + b] != 0 }) else { continue }
            let count = max(0, start + window - 1 - steps)
            (state.base + b * (window - 1) * inputs).update(repeating: 0, count: count * inputs)
        }
    }

    /// The n-1 inputs of each stream from step `first` of the history on become the carried state.
    private func carry(from first: Int) {
        forEachCarried { carried, place in
            copy(history.base + first * batch * inputs + place, to: carried, count: inputs)
        }
    }

    /// Calls `body` with the place of each carried input, and with its place in a history that begins with them.
    private func forEachCarried(_ body: (_ carried: UnsafeMutablePointer<Float>, _ place: Int) -> Void) {
        guard let state = state.first else { return }
        for b in 0..<batch {
            for k in 0..<window - 1 { body(state.base + (b * (window - 1) + k) * inputs, (k * batch + b) * inputs) }
        }
    }
}

extension Cell {
    /// Bengio et al. 2003: a layer over the last n inputs.
    package static let window = Cell("window", WindowLayer.self, choosesActivation: true)
}
