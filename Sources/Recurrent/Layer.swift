import Kernels

/// A recurrent layer over a chunk; each cell has its plan, forward and backward pass in one file.
///
/// A layer owns what its backward pass needs from its forward pass. `steps` may be smaller than the T it was created for
/// (the last chunk of an epoch, a random unroll length).
package protocol Layer: AnyObject, SendableMetatype {
    /// What a layer of this shape needs. `init` allocates just the plan's values.
    static func plan(_ shape: LayerShape) -> LayerPlan

    /// - Parameters:
    ///   - parameters: the model's, of which the layer reads its own.
    ///   - sums: where gradients go; nil for evaluation.
    /// - Throws: `KernelError`.
    init(_ shape: LayerShape, parameters: Arena, sums: GradientSums?, clock: PhaseClock) throws

    /// Streams, at most those that the layer was made for.
    var batch: Int { get set }
    /// h of each step, [T, B, H]; valid after `forward`.
    var output: UnsafeMutablePointer<Float> { get }
    /// Carried state [B, width], as the plan lists it. Input of the next `forward`, replaced by it.
    var state: [Buffer] { get }

    /// Packs the weights; call after every change of the parameters.
    func packWeights() throws

    /// From `input` [steps*B, in] to `output` [steps*B, H], from and to the carried state.
    func forward(_ input: Matrix, steps: Int) throws

    /// Restores the state from before the last `forward`.
    func rewind()

    /// From dL/d(output) [steps*B, H] to the gradients of the weights (overwritten) and dL/d(input) [steps*B, in].
    /// No gradient enters at the end of the chunk or leaves at its start: this is the truncation.
    /// - Parameter pause: called often between the steps.
    func backward(
        _ input: Matrix, outputGradient: Matrix, inputGradient: Matrix, steps: Int, pause: () throws -> Void) throws
}

/// Does other work during a backward pass.
package protocol BackwardObserver: AnyObject {
    /// The gradients of group `part` of `ParameterLayout.backwardOrder` are complete.
    func completed(_ part: Int) throws
    /// Called every few milliseconds, to do a little work.
    func pause() throws
}

/// The four parameters that gated cells have, and an Elman network with one gate.
struct GateParameters {
    let inputWeights: Matrix  // [G, in]
    let recurrentWeights: Matrix  // [G, H]
    let inputBias: Matrix  // [1, G]
    let recurrentBias: Matrix  // [1, G]

    init(_ arena: Arena, _ shape: LayerShape) {
        inputWeights = arena.matrix(shape.name("weight_ih"))
        recurrentWeights = arena.matrix(shape.name("weight_hh"))
        inputBias = arena.matrix(shape.name("bias_ih"))
        recurrentBias = arena.matrix(shape.name("bias_hh"))
    }
}

/// The parts common to all cells of G = gates * H rows: sizes, weights, hidden states, the input's projection.
package class GatedLayer {
    /// B; may be lowered from what the layer was made for, and with it the rows of everything.
    package final var batch: Int
    let hidden: Int  // H
    let weights: GateParameters
    let gradients: LayerGradients?
    private let projection: PackedProduct  // [T*B, in] x W^T
    /// h before each step and after the last, [T+1, B, H]: row block 0 is the carried state.
    let hiddenStates: Buffer
    package let state: [Buffer]
    let clock: PhaseClock

    /// What every cell of `gates` times H rows has. The recurrent products are the cell's own.
    /// - Parameter absent: blocks of H rows that belong to no gate.
    static func plan(gates: Int, absent: [Int] = [], _ shape: LayerShape) -> LayerPlan {
        let (chunk, h) = (shape.chunk, shape.hidden)
        let rows = gates * h
        let weights = InitialValues.uniform(shape.model.initialRange)
        let absentRows = absent.map { $0 * h..<($0 + 1) * h }
        var plan = LayerPlan()
        plan.parameters = [
            ParameterPlan(shape.name("weight_ih"), [rows, shape.inputs], weights, absentRows: absentRows),
            ParameterPlan(shape.name("weight_hh"), [rows, h], weights, absentRows: absentRows),
            ParameterPlan(shape.name("bias_ih"), [rows], .constant(0)),
            ParameterPlan(shape.name("bias_hh"), [rows], .constant(0)),
        ]
        plan.state = [StatePlan("h", width: h)]
        plan.products = [
            ProductPlan(.projection, chunk.rows, rows, shape.inputs),
            ProductPlan(.weightGradients, rows, shape.inputs, chunk.rows),
            ProductPlan(.projectionBackward, chunk.rows, shape.inputs, rows),
        ]
        plan.values = (chunk.values + 2 * Double(chunk.batch)) * Double(h)  // h and the carried state
        plan.values += PackedProduct.count(inputs: shape.inputs, outputs: rows)
        return plan
    }

    /// - Parameter states: vectors of carried state, h included.
    init(
        gates: Int, states: Int = 1, _ shape: LayerShape, _ parameters: Arena, _ sums: GradientSums?, _ clock: PhaseClock
    ) throws {
        let chunk = shape.chunk
        projection = try PackedProduct(
            rows: chunk.rows, inputs: shape.inputs, outputs: gates * shape.hidden, transposed: true, accumulate: false)
        batch = chunk.batch
        hidden = shape.hidden
        weights = GateParameters(parameters, shape)
        gradients = sums.map { LayerGradients($0, shape) }
        self.clock = clock
        hiddenStates = Buffer(count: (chunk.steps + 1) * chunk.batch * shape.hidden)
        state = (0..<states).map { _ in Buffer(count: chunk.batch * shape.hidden) }
    }

    package func packWeights() throws { projection.pack(weights.inputWeights.base) }

    /// `W x` of every step, [steps*B, G].
    final func project(_ input: Matrix, into result: UnsafeMutablePointer<Float>) throws {
        precondition(input.stride == input.columns)
        try projection.run(input.base, into: result, rows: input.rows)
    }

    /// The end of a backward pass in which `deltas` [steps*B, G] are both dL/d(W x) and dL/d(U h): gradients of weights and biases,
    /// and dL/d(input).
    final func finishBackward(
        _ deltas: Matrix, _ input: Matrix, inputGradient: Matrix, steps: Int, pause: () throws -> Void
    ) throws {
        try finishBackward(deltas, input, inputGradient: inputGradient, pause: pause) { gradients in
            try gradients.multiply(deltas, by: previousStates(steps), into: gradients.recurrentWeights)
            gradients.sumRowsIntoBothBiases(deltas)
        }
    }

    /// The same where `deltas` are dL/d(W x) only.
    /// - Parameter recurrent: computes the gradients of recurrent weights and biases.
    final func finishBackward(
        _ deltas: Matrix, _ input: Matrix, inputGradient: Matrix, pause: () throws -> Void,
        recurrent: (LayerGradients) throws -> Void
    ) throws {
        guard let gradients else { preconditionFailure("a layer made for evaluation") }
        clock.enter(.weightGradients)
        try gradients.multiply(deltas, by: input, into: gradients.inputWeights)
        try recurrent(gradients)
        try pause()
        clock.enter(.projectionBackward)
        try multiply(deltas, by: weights.inputWeights, into: inputGradient)
    }

    /// Floats of one [B, H] block.
    final var block: Int { batch * hidden }
    package final var output: UnsafeMutablePointer<Float> { hiddenStates.base + block }
    /// h before step t, [B, H].
    final func previous(_ t: Int) -> UnsafeMutablePointer<Float> { hiddenStates.base + t * block }
    /// h after step t, [B, H].
    final func current(_ t: Int) -> UnsafeMutablePointer<Float> { hiddenStates.base + (t + 1) * block }
    package func rewind() { copy(hiddenStates.base, to: state[0].base, count: block) }
    /// h before every step, [steps*B, H]: the recurrent product's input.
    final func previousStates(_ steps: Int) -> Matrix { Matrix(hiddenStates.base, rows: steps * batch, columns: hidden) }
}
