import Kernels

/// One recurrent layer over a chunk; each cell has forward and backward in one file.
///
/// A layer owns what its backward pass needs from its forward pass. `steps` may be smaller than the T it was created for
/// (the last chunk of an epoch, a random unroll length).
protocol RecurrentLayer: AnyObject {
    /// Streams, at most those that the layer was made for.
    var batch: Int { get set }
    /// h of each step, [T, B, H]; valid after `forward`.
    var output: UnsafeMutablePointer<Float> { get }
    /// Carried state [B, H] each: h, and for the LSTM c. Input of the next `forward`, replaced by it.
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
    /// The gradients of part `part` of `ParameterLayout.backwardOrder` are complete.
    func completed(_ part: Int) throws
    /// Called every few milliseconds, to do a little work.
    func pause() throws
}

/// The four parameters of a layer, in the parameter or the gradient arena.
struct LayerParameters {
    let inputWeights: Matrix  // [G, in]
    let recurrentWeights: Matrix  // [G, H]
    let inputBias: Matrix  // [1, G]
    let recurrentBias: Matrix  // [1, G]

    init(_ arena: Arena, layer: Int) {
        inputWeights = arena.matrix("rnn.weight_ih_l\(layer)")
        recurrentWeights = arena.matrix("rnn.weight_hh_l\(layer)")
        inputBias = arena.matrix("rnn.bias_ih_l\(layer)")
        recurrentBias = arena.matrix("rnn.bias_hh_l\(layer)")
    }
}

/// The parts common to all cells: sizes, weights, hidden states and scratch memory.
class LayerBase {
    /// B; may be lowered from what the layer was made for, and with it the rows of everything.
    final var batch: Int
    let hidden: Int  // H
    let weights: LayerParameters
    let gradients: LayerGradients?
    private let projection: PackedProduct  // [T*B, in] x W^T
    /// h before each step and after the last, [T+1, B, H]: row block 0 is the carried state.
    let hiddenStates: Buffer
    let state: [Buffer]
    let clock: PhaseClock

    init(of shape: LayerShape, weights: LayerParameters, gradients: LayerGradients?) throws {
        projection = try PackedProduct(
            rows: shape.steps * shape.batch, inputs: shape.inputs, outputs: shape.cell.gates * shape.hidden,
            transposed: true, accumulate: false)
        batch = shape.batch
        hidden = shape.hidden
        self.weights = weights
        self.gradients = gradients
        clock = shape.clock
        hiddenStates = Buffer(count: (shape.steps + 1) * shape.batch * shape.hidden)
        state = (0..<shape.cell.stateVectors).map { _ in Buffer(count: shape.batch * shape.hidden) }
    }

    func packWeights() throws { projection.pack(weights.inputWeights.base) }

    /// `W x` of every step, [steps*B, G].
    final func project(_ input: Matrix, into result: UnsafeMutablePointer<Float>) throws {
        precondition(input.stride == input.columns)
        try projection.run(input.base, into: result, rows: input.rows)
    }

    /// Floats of one [B, H] block.
    final var block: Int { batch * hidden }
    final var output: UnsafeMutablePointer<Float> { hiddenStates.base + block }
    /// h before step t, [B, H].
    final func previous(_ t: Int) -> UnsafeMutablePointer<Float> { hiddenStates.base + t * block }
    /// h after step t, [B, H].
    final func current(_ t: Int) -> UnsafeMutablePointer<Float> { hiddenStates.base + (t + 1) * block }
    func rewind() { copy(hiddenStates.base, to: state[0].base, count: block) }
    /// h before every step, [steps*B, H]: the recurrent product's input.
    final func previousStates(_ steps: Int) -> Matrix { Matrix(hiddenStates.base, rows: steps * batch, columns: hidden) }
}

/// The sizes that determine a layer's memory, and the clock to which it reports.
struct LayerShape {
    let cell: Cell
    let steps: Int  // the longest chunk
    let batch: Int
    let inputs: Int
    let hidden: Int
    let training: Bool
    let clock: PhaseClock

}
