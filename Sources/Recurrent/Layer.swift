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
    /// Where lines start in the chunk that `forward` and `backward` are about to read; nil where state and gradient pass everywhere.
    var lines: LineStarts? { get set }
    /// Learns what the next `backward` passes from step to step; nil for nothing.
    var stateGradients: StateGradients? { get set }

    /// Packs this rank's part of the weights; call after every change of the parameters.
    func packWeights() throws

    /// Drops weights for the passes of a step; call after `packWeights`, before `forward`.
    /// - Parameter context: nil for none.
    func dropWeights(_ context: StepContext?)

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

extension Layer {
    package func dropWeights(_ context: StepContext?) {}
}

/// The parts common to all cells of G = gates * H rows: sizes, weights, hidden states, the input's projection.
package class GatedLayer {
    /// B; may be lowered from what the layer was made for, and with it the rows of everything.
    package final var batch: Int
    let hidden: Int  // H
    private let team: Team
    /// Those that this rank computes: it writes only their columns of anything.
    private let units: Range<Int>
    let arithmetic: CellArithmetic
    let weights: GateParameters
    let gradients: LayerGradients?
    private let projection: SlicedProduct  // [T*B, in] x W^T
    private let recurrent: [RecurrentProduct]
    private let weightDrop: WeightDrop?
    /// Each vector of the state before each step and after the last, [T+1, B, H]: h, and for the LSTM c. Row block 0 is the carried
    /// state.
    let states: [Buffer]
    package let state: [Buffer]
    var lines: LineStarts?
    /// Where the input has a row for each distinct token of the chunk or of its shards; nil where it has one for each row of the chunk.
    /// So only `project` and `finishBackward` read it.
    final var distinct: DistinctTokens?
    package final var stateGradients: StateGradients?
    /// Rows of `states` that are zero during a step, but still needed as the output of the step before; empty unless lines reset.
    private let aside: [Buffer]  // [B, H]
    let clock: PhaseClock

    /// What every cell of `gates` times H rows has. The recurrent products are the cell's own.
    /// - Parameters:
    ///   - absent: blocks of H rows that belong to no gate.
    ///   - states: the vectors of carried state, h first.
    static func plan(gates: Int, absent: [Int] = [], states: [String] = ["h"], _ shape: LayerShape) -> LayerPlan {
        let (chunk, h) = (shape.chunk, shape.hidden)
        let rows = gates * h
        let weights = InitialValues.uniform(shape.model.initialRange)
        let absentRows = absent.map { $0 * h..<($0 + 1) * h }
        var plan = LayerPlan()
        plan.unshared = shape.model.dropout.weights > 0 ? "model.weight_drop" : nil
        plan.parameters = [
            ParameterPlan(shape.name("weight_ih"), [rows, shape.inputs], weights, absentRows: absentRows),
            ParameterPlan(shape.name("weight_hh"), [rows, h], weights, absentRows: absentRows),
            ParameterPlan(shape.name("bias_ih"), [rows], .constant(0)),
            ParameterPlan(shape.name("bias_hh"), [rows], .constant(0)),
        ]
        plan.state = states.map { StatePlan($0, width: h) }
        plan.products = [
            ProductPlan(.projection, shape.inputRows.forward, rows, shape.inputs),
            ProductPlan(.weightGradients, rows, shape.inputs, shape.inputRows.backward),
            ProductPlan(.projectionBackward, shape.inputRows.backward, shape.inputs, rows),
        ]
        plan.shared = (chunk.values + 2 * Double(chunk.batch)) * Double(h) * Double(states.count)  // the first and the carried one too
        plan.values = plan.shared
        if shape.model.resetsState { plan.values += Double(chunk.batch) * Double(h) * Double(states.count) }  // set aside
        plan.packed = SlicedProduct.count(inputs: shape.inputs, outputs: shape.slices(ofBlocks: gates))
        plan.values += WeightDrop.values(shape, rows: rows)
        return plan
    }

    /// - Parameters:
    ///   - states: vectors of carried state, h included.
    ///   - recurrent: the products of the rows of U, in order.
    init(
        gates: Int, states: Int = 1, recurrent: [RecurrentProduct], _ shape: LayerShape, _ parameters: Arena, _ sums: GradientSums?,
        _ clock: PhaseClock
    ) throws {
        let chunk = shape.chunk
        self.recurrent = recurrent
        projection = try SlicedProduct(
            rows: chunk.rows, inputs: shape.inputs, outputs: shape.slices(ofBlocks: gates), transposed: true, accumulate: false,
            packing: chunk.packers.packing)
        batch = chunk.batch
        hidden = shape.hidden
        team = chunk.team
        units = shape.units
        arithmetic = CellArithmetic(size: shape.hidden, units: shape.units)
        weights = GateParameters(parameters, shape)
        weightDrop = WeightDrop(shape, weights: weights.recurrentWeights)
        gradients = sums.map { LayerGradients($0, shape) }
        self.clock = clock
        let block = chunk.batch * shape.hidden
        self.states = try (0..<states).map { [team] _ in try team.buffer(count: (chunk.steps + 1) * block) }
        state = try (0..<states).map { [team] _ in try team.buffer(count: block) }
        aside = shape.model.resetsState ? (0..<states).map { _ in Buffer(count: block) } : []
    }

    package func packWeights() throws {
        projection.pack(weights.inputWeights)
        if let weightDrop { return weightDrop.weightsChanged() }
        recurrent.pack(weights.recurrentWeights)
    }

    package final func dropWeights(_ context: StepContext?) {
        if let left = weightDrop?.weights(in: context) { recurrent.pack(left) }
    }

    /// `W x` of every step, [steps*B, G].
    final func project(_ input: Matrix, into result: UnsafeMutablePointer<Float>) throws {
        precondition(input.stride == input.columns)
        try projection.run(input.base, into: result, rows: input.rows)
        distinct?.spread(result, gateColumns)
    }

    /// This rank's units in the rows of all gates.
    private var gateColumns: Slices { team.slices(ofBlocks: weights.inputWeights.rows / hidden, width: hidden) }

    /// The end of a backward pass in which `deltas` [steps*B, G] are dL/d(W x), and are not needed afterwards: the gradient of the input
    /// weights, and dL/d(input).
    /// - Parameters:
    ///   - recurrentDeltas: dL/d(U h); may be `deltas`.
    ///   - further: computes the gradients of biases and of what else the cell has.
    ///   - recurrent: computes the gradient of U from `recurrentDeltas`, after `further`.
    final func finishBackward(
        _ deltas: Matrix, _ input: Matrix, inputGradient: Matrix, recurrentDeltas: Matrix, pause: () throws -> Void,
        further: (LayerGradients) -> Void, recurrent: (LayerGradients) throws -> Void
    ) throws {
        guard let gradients else { preconditionFailure("a layer made for evaluation") }
        if distinct == nil { try finishProjection(deltas, input, inputGradient, gradients, pause) }
        clock.enter(.weightGradients)
        further(gradients)
        weightDrop?.scale(recurrentDeltas)
        try recurrent(gradients)
        weightDrop?.clearDropped(of: gradients.recurrentWeights)
        if let distinct {
            try pause()
            // Sums take the place of deltas that nobody needs any more.
            try meetTeam()
            distinct.sum(deltas.base, gateColumns)
            try meetTeam()
            try finishProjection(deltas.rows(0, count: distinct.count), input, inputGradient, gradients, pause)
        }
        try meetTeam()
    }

    private func finishProjection(
        _ deltas: Matrix, _ input: Matrix, _ inputGradient: Matrix, _ gradients: LayerGradients, _ pause: () throws -> Void
    ) throws {
        clock.enter(.weightGradients)
        try gradients.multiply(deltas, by: input, into: gradients.inputWeights, leaves: distinct?.leaves)
        try pause()
        clock.enter(.projectionBackward)
        let inputs = team.range(of: inputGradient.columns)
        try multiply(
            deltas, by: weights.inputWeights.columns(inputs.lowerBound, count: inputs.count),
            into: inputGradient.columns(inputs.lowerBound, count: inputs.count))
        try pause()
    }

    // MARK: Step by step

    /// Until every rank of the team has computed what the others need next.
    final func meetTeam() throws { try team.meet(clock) }

    /// Runs `step` for each time step, from and to the carried state, once the state before it is complete. Where a line starts and
    /// the state is reset, it is zero before the step.
    final func forEachStep(_ steps: Int, _ step: (_ t: Int) throws -> Void) throws {
        for index in states.indices { copyUnits(state[index].base, to: states[index].base) }
        for t in 0..<steps {
            clearLineStarts(t)
            try meetTeam()
            try step(t)
            if clearsLineStarts { try meetTeam() }
            restoreLineStarts(t)
        }
        for index in states.indices { copyUnits(states[index].base + steps * block, to: state[index].base) }
        try meetTeam()
    }

    /// Copies a [B, H], of which each rank of the team has its units.
    private func copyUnits(_ source: UnsafePointer<Float>, to destination: UnsafeMutablePointer<Float>) {
        if units.count == hidden { return copy(source, to: destination, count: block) }
        for place in stride(from: units.lowerBound, to: block, by: hidden) {
            copy(source + place, to: destination + place, count: units.count)
        }
    }

    /// Runs `step` for each time step from the last to the first. Where a line starts, no gradient passes to the step before.
    /// - Parameters:
    ///   - passed: what each step leaves to the one before it, [B, H] each; zero at the end of the chunk.
    ///   - pause: called before each step; `step` itself calls `meetTeam` when it has its deltas.
    final func forEachStepBackward(
        _ steps: Int, passing passed: Buffer, _ other: Buffer? = nil, pause: () throws -> Void, _ step: (_ t: Int) throws -> Void
    ) throws {
        passed.fill(0)
        other?.fill(0)
        for t in (0..<steps).reversed() {
            try pause()
            clearLineStarts(t)
            try step(t)
            restoreLineStarts(t)
            forEachLineStart(t) { b in
                (passed.base + b * hidden).update(repeating: 0, count: hidden)
                if let other { (other.base + b * hidden).update(repeating: 0, count: hidden) }
            }
        }
    }

    private var clearsLineStarts: Bool { !aside.isEmpty }

    private func clearLineStarts(_ t: Int) {
        if !clearsLineStarts { return }
        forEachLineStart(t) { b in
            for (state, aside) in zip(states, aside) {
                let row = state.base + t * block + b * hidden + units.lowerBound
                copy(row, to: aside.base + b * hidden, count: units.count)
                row.update(repeating: 0, count: units.count)
            }
        }
    }

    private func restoreLineStarts(_ t: Int) {
        if !clearsLineStarts { return }
        forEachLineStart(t) { b in
            for (state, aside) in zip(states, aside) {
                copy(aside.base + b * hidden, to: state.base + t * block + b * hidden + units.lowerBound, count: units.count)
            }
        }
    }

    /// - Parameter body: gets each stream that starts a line at step t.
    @inline(__always) private func forEachLineStart(_ t: Int, _ body: (_ b: Int) -> Void) {
        guard let lines else { return }
        for b in 0..<batch where lines.marks[t * batch + b] != 0 { body(b) }
    }

    /// Floats of one [B, H] block.
    final var block: Int { batch * hidden }
    package final var output: UnsafeMutablePointer<Float> { states[0].base + block }
    /// h before step t, [B, H].
    final func previous(_ t: Int) -> UnsafeMutablePointer<Float> { states[0].base + t * block }
    /// h after step t, [B, H].
    final func current(_ t: Int) -> UnsafeMutablePointer<Float> { states[0].base + (t + 1) * block }
    package final func rewind() {
        for index in states.indices { copyUnits(states[index].base, to: state[index].base) }
    }

    /// h before every step, as the recurrent product read it, [steps*B, H]. Call it after the steps of a backward pass, when nobody
    /// needs the outputs any more: where a line starts, the output of the step before becomes zero.
    final func previousStates(_ steps: Int) throws -> Matrix {
        for t in 0..<steps { clearLineStarts(t) }
        if clearsLineStarts { try meetTeam() }
        return Matrix(states[0].base, rows: steps * batch, columns: hidden)
    }
}
