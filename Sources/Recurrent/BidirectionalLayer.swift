import Kernels

/// A layer in both directions (Schuster and Paliwal 1997): two layers of a cell, the second of which reads the chunk from its end to its
/// start. `y_t = [h_t; h'_t]`, the state after x_1 ... x_t and that after x_T ... x_t. docs/mathematics.md (28a) and (28b).
///
/// The second layer runs on a copy of the chunk that is reversed in time. Its state is zero at the chunk's end, since nothing is known of
/// what follows, and is not carried. Where a sequence starts at t + 1, the one before it ends at t, and the second layer starts there.
final class BidirectionalLayer: Layer {
    private let first: any Layer
    private let second: any Layer
    private let inputs: Int  // in
    private let hidden: Int  // H
    private let reversed: Buffer  // x from the last step to the first, [T, B, in]
    private let reversedGradient: Buffer  // dL/d(reversed), [T, B, in]
    private let marks: Integers  // where the second layer starts, in its own time, [T, B]
    /// y, [T, B, 2H]. When the backward pass reaches a layer, nobody reads y any more: then dL/dh [T, B, H], and behind it
    /// dL/dh' [T, B, H] from the last step to the first.
    private let joined: Buffer
    private let clock: PhaseClock

    static func plan(_ shape: LayerShape) -> LayerPlan {
        let cell = shape.model.cell.layer(shape.model)
        var plan = cell.plan(shape)
        plan.unshared = "model.bidirectional"
        let second = cell.plan(shape.reverse)
        plan.parameters += second.parameters
        plan.products += second.products
        plan.touched += second.touched
        plan.packed += second.packed
        let width = (shape.chunk.training ? 2 : 1) * shape.inputs + shape.output + 1
        plan.values += second.values + shape.chunk.values * Double(width)
        return plan
    }

    init(_ shape: LayerShape, parameters: Arena, sums: GradientSums?, clock: PhaseClock) throws {
        let (cell, rows) = (shape.model.cell.layer(shape.model), shape.chunk.rows)
        first = try cell.init(shape, parameters: parameters, sums: sums, clock: clock)
        second = try cell.init(shape.reverse, parameters: parameters, sums: sums, clock: clock)
        inputs = shape.inputs
        hidden = shape.hidden
        reversed = Buffer(count: rows * shape.inputs)
        reversedGradient = Buffer(count: shape.chunk.training ? rows * shape.inputs : 0)
        marks = Integers(count: rows)
        joined = Buffer(count: rows * shape.output)
        self.clock = clock
    }

    var batch: Int {
        get { first.batch }
        set { (first.batch, second.batch) = (newValue, newValue) }
    }
    var lines: LineStarts? {
        get { first.lines }
        set { first.lines = newValue }
    }
    /// Those of the layer that reads forward.
    var stateGradients: StateGradients? {
        get { first.stateGradients }
        set { first.stateGradients = newValue }
    }
    var output: UnsafeMutablePointer<Float> { joined.base }
    var state: [Buffer] { first.state }
    func rewind() { first.rewind() }

    func packWeights() throws {
        try first.packWeights()
        try second.packWeights()
    }

    func dropWeights(_ context: StepContext?) {
        first.dropWeights(context)
        second.dropWeights(context)
    }

    func forward(_ input: Matrix, steps: Int) throws {
        for state in second.state { state.fill(0) }
        second.lines = lines.map { LineStarts(reversing: $0, steps: steps, batch: batch, marks: marks) }
        clock.enter(.projection)
        forEachStep(steps) { t, end in
            copy(input.row(t * batch), to: reversed.base + end * batch * inputs, count: batch * inputs)
        }
        try first.forward(input, steps: steps)
        try second.forward(Matrix(reversed.base, rows: input.rows, columns: inputs), steps: steps)
        let y = Matrix(joined.base, rows: input.rows, columns: 2 * hidden)
        forEachRow(steps) { row, end in
            copy(first.output + row * hidden, to: y.row(row), count: hidden)
            copy(second.output + end * hidden, to: y.row(row) + hidden, count: hidden)
        }
    }

    func backward(
        _ input: Matrix, outputGradient: Matrix, inputGradient: Matrix, steps: Int, pause: () throws -> Void
    ) throws {
        clock.enter(.recurrenceBackward)
        let rows = input.rows
        let above = Matrix(joined.base, rows: rows, columns: hidden)
        let aboveReversed = Matrix(joined.base + rows * hidden, rows: rows, columns: hidden)
        forEachRow(steps) { row, end in
            copy(outputGradient.row(row), to: above.row(row), count: hidden)
            copy(outputGradient.row(row) + hidden, to: aboveReversed.row(end), count: hidden)
        }
        try first.backward(input, outputGradient: above, inputGradient: inputGradient, steps: steps, pause: pause)
        let below = Matrix(reversedGradient.base, rows: rows, columns: inputs)
        try second.backward(
            Matrix(reversed.base, rows: rows, columns: inputs), outputGradient: aboveReversed, inputGradient: below, steps: steps,
            pause: pause)
        clock.enter(.projectionBackward)
        forEachStep(steps) { t, end in
            let sum = inputGradient.row(t * batch)
            add(sum, below.row(end * batch), into: sum, count: batch * inputs)
        }
    }

    /// - Parameter body: gets each step, and its place in a chunk that is reversed in time.
    private func forEachStep(_ steps: Int, _ body: (_ t: Int, _ reversed: Int) -> Void) {
        for t in 0..<steps { body(t, steps - 1 - t) }
    }

    /// - Parameter body: gets each row t * B + b, and its place in a chunk that is reversed in time.
    private func forEachRow(_ steps: Int, _ body: (_ row: Int, _ reversed: Int) -> Void) {
        forEachStep(steps) { t, end in
            for b in 0..<batch { body(t * batch + b, end * batch + b) }
        }
    }
}

extension LineStarts {
    /// Where lines start in a chunk that is read from its end: at the last token of each.
    /// - Parameters:
    ///   - lines: of the chunk, [T, B].
    ///   - marks: [T, B] or longer; filled in.
    init(reversing lines: LineStarts, steps: Int, batch: Int, marks: Integers) {
        for b in 0..<batch { marks[b] = 1 }
        for t in 1..<max(1, steps) {
            for b in 0..<batch { marks[(steps - t) * batch + b] = lines.marks[t * batch + b] }
        }
        rule = lines.rule
        self.marks = UnsafePointer(marks.base)
    }
}
