import Kernels
import Recurrent

/// A recurrent network as a predictor. Its state is the hidden (and cell) state of every text, zero at the start.
package final class RecurrentPredictor: HiddenStatePredictor {
    package let configuration: ModelConfiguration
    package private(set) var parameters: Arena
    /// Nil until room is asked for.
    private var network: Network?
    /// What inputs and targets are numbers of; nil for tokens and labels.
    private var values: (inputs: ValueTable?, targets: ValueTable?) = (nil, nil)
    private var room: (streams: Int, steps: Int)?

    /// - Parameter parameters: read when room is made and at each `refresh`; may be shared with a training step.
    package init(_ configuration: ModelConfiguration, parameters: Arena) {
        self.configuration = configuration
        self.parameters = parameters
    }

    package var vocabularySize: Int { configuration.vocabulary }
    /// Whether it predicts tokens, and not labels.
    package var predictsTokens: Bool { configuration.output == .next }
    package var lineStart: Int32? { configuration.lineEnd.flatMap { $0.rule == .reset ? $0.token : nil } }

    package var hiddenSize: Int { configuration.width(belowLayer: configuration.layers) }
    package var hidden: Matrix { reserved.hidden }

    /// Bytes that `reserve` allocates; nil on overflow.
    package static func memory(_ configuration: ModelConfiguration, streams: Int, steps: Int) -> Int? {
        ModelMemory(configuration, batch: streams, steps: steps, training: false, optimizerSlots: 0)?.activations
    }

    package func reserve(streams: Int, steps: Int) throws {
        room = (streams, steps)
        network = nil
        network = try Network(configuration, parameters: parameters, batch: streams, steps: steps)
        take(inputs: values.inputs, targets: values.targets)
    }

    /// Reads other parameters from now on. All texts start again.
    /// - Throws: `KernelError`.
    package func change(to parameters: Arena) throws {
        if parameters === self.parameters { return }
        self.parameters = parameters
        if let room { try reserve(streams: room.streams, steps: room.steps) }
    }

    /// As `Network.inputValues` and `targetValues`.
    func take(inputs: ValueTable?, targets: ValueTable?) {
        values = (inputs, targets)
        network?.inputValues = inputs
        network?.targetValues = targets
    }

    package func refresh() throws { try network?.packWeights() }

    package func reset(streams: Int) {
        network?.batch = streams
        network?.resetState()
    }

    package func read(_ tokens: UnsafePointer<Int32>, steps: Int) throws { try reserved.forward(tokens, steps: steps) }

    /// Reads whole sequences.
    /// - Parameter starts: as `Network.forward` has it.
    func read(_ tokens: UnsafePointer<Int32>, steps: Int, starts: UnsafePointer<Int32>) throws {
        try reserved.forward(tokens, steps: steps, starts: starts)
    }

    /// As `Network.predictions`, of the chunk just read.
    func predictions(
        _ targets: UnsafePointer<Int32>, each: (Int, UnsafeMutableBufferPointer<Float>) throws -> Void
    ) throws {
        try reserved.predictions(targets, each: each)
    }

    /// A predictor of its own with the same parameters, for whole sequences.
    var readingSequences: RecurrentPredictor {
        var configuration = configuration
        configuration.readsSequences = true
        return RecurrentPredictor(configuration, parameters: parameters)
    }

    package func losses(of targets: UnsafePointer<Int32>, each: (_ row: Int, _ nats: Double) -> Void) throws {
        try withoutActuallyEscaping(each) { each in _ = try reserved.loss(targets, each: each) }
    }

    package func logits(ofStream stream: Int) throws -> UnsafeMutableBufferPointer<Float> {
        try reserved.lastLogits(stream: stream)
    }

    private var reserved: Network {
        guard let network else { preconditionFailure("read before reserve") }
        return network
    }
}
