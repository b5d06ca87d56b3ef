import Diagnostics
import Kernels
import Recurrent

/// How dynamic evaluation learns.
package struct DynamicSettings: Sendable, Equatable, Encodable {
    /// How far a step goes.
    package var rate: Double
    /// How fast the weights return to the trained ones.
    package var decay: Double
    /// Added to the root mean square of a gradient, so that a parameter which hardly had one in training does not leap.
    package var epsilon: Double
    /// Tokens of a segment, after which the weights change.
    package var unroll: Int

    package init(rate: Double, decay: Double, epsilon: Double, unroll: Int) {
        self.rate = rate
        self.decay = decay
        self.epsilon = epsilon
        self.unroll = unroll
    }
}

/// A network that keeps learning from the text that it predicts (Krause et al. 2018, the rule "RMS with decay to the global
/// parameters"): after each segment, from the gradient of its loss. docs/mathematics.md (55).
///
/// It reads one text. Every new text begins with the trained weights, which stay as they are.
package final class DynamicPredictor: HiddenStatePredictor {
    private let trained: RecurrentPredictor
    private let settings: DynamicSettings
    private let statistics: GradientStatistics
    private let adapted: Arena
    private let gradients: Arena
    /// Nil until room is asked for.
    private var network: Network?
    private var isPacked = false
    private var inputs: [Int32] = []
    /// Rows of an untied embedding that the text has read: the others are the trained ones.
    private var touched: [Int] = []
    private var isTouched: [Bool]
    /// Tokens of the text that have been learned from.
    private var learned = 0

    /// - Parameter trained: not changed.
    package init(_ trained: RecurrentPredictor, _ settings: DynamicSettings, _ statistics: GradientStatistics) {
        self.trained = trained
        self.settings = settings
        self.statistics = statistics
        let layout = trained.parameters.layout
        adapted = Arena(layout)
        gradients = Arena(layout)
        isTouched = [Bool](repeating: false, count: trained.vocabularySize)
    }

    /// Bytes that dynamic evaluation allocates beside the trained weights, the measurement of gradients included, whose own memory is
    /// given back before; nil on overflow.
    package static func memory(_ model: ModelConfiguration, _ settings: DynamicSettings) -> Int? {
        func network(batch: Int) -> ModelMemory? {
            ModelMemory(model, batch: batch, steps: settings.unroll, training: true, optimizerSlots: 0)
        }
        guard let own = network(batch: 1), let measuring = network(batch: GradientStatistics.streams) else { return nil }
        // Root mean squares and gradients; then for one text the weights that change.
        return own.parameters + own.gradients + max(measuring.activations, own.parameters + own.activations)
    }

    package var vocabularySize: Int { trained.vocabularySize }
    package var lineStart: Int32? { trained.lineStart }
    package var chunkLength: Int { settings.unroll }
    package var hiddenSize: Int { trained.hiddenSize }
    package var hidden: Matrix { reserved.hidden }

    package func reserve(streams: Int, steps: Int) throws {
        precondition(streams == 1, "dynamic evaluation of several texts")
        network = try Network(trained.configuration, parameters: adapted, gradients: gradients, batch: 1, steps: steps)
    }

    package func refresh() { isPacked = false }

    package func reset(streams: Int) {
        precondition(streams == 1, "dynamic evaluation of several texts")
        copy(trained.parameters.buffer.base, to: adapted.buffer.base, count: adapted.buffer.count)
        isPacked = false
        for row in touched { isTouched[row] = false }
        touched.removeAll(keepingCapacity: true)
        learned = 0
        reserved.resetState()
    }

    package func read(_ tokens: UnsafePointer<Int32>, steps: Int) throws {
        if !isPacked { try reserved.packWeights() }
        isPacked = true
        inputs.removeAll(keepingCapacity: true)
        inputs.append(contentsOf: UnsafeBufferPointer(start: tokens, count: steps))
        try reserved.forward(tokens, steps: steps)
    }

    package func losses(of targets: UnsafePointer<Int32>, each: (_ row: Int, _ nats: Double) -> Void) throws {
        let loss = try withoutActuallyEscaping(each) { each in try reserved.lossAndBackward(targets, each: each) }
        guard loss.total.isFinite || learned > 0 else { throw OutputNotFinite() }
        // e^-700 is about the smallest number that there is: no text is that improbable to a model that still works.
        guard learned == 0 || loss.total < 700 * Double(max(1, loss.tokens)) else {
            throw AdaptationDiverged(tokens: learned, rate: settings.rate)
        }
        if loss.tokens > 0 { learn(loss.tokens) }
    }

    package func logits(ofStream stream: Int) throws -> UnsafeMutableBufferPointer<Float> { try reserved.lastLogits(stream: stream) }

    private func learn(_ tokens: Int) {
        let step = DynamicStep(settings, statistics, tokens: tokens, trained: trained.parameters, adapted: adapted, gradients: gradients)
        let embedding = adapted.layout.embedding
        // A tail of an adaptive softmax without a target has a gradient of zero.
        for entry in adapted.layout.entries where entry != embedding || !embedding.isSparse { step.apply(to: entry.range) }
        if embedding.isSparse {
            for row in inputs.lazy.map(Int.init) where !isTouched[row] {
                isTouched[row] = true
                touched.append(row)
            }
            let width = embedding.shape[1]
            for row in touched {
                let start = embedding.offset + row * width
                step.apply(to: start..<start + width)
            }
        }
        learned += tokens
        isPacked = false
    }

    private var reserved: Network {
        guard let network else { preconditionFailure("read before reserve") }
        return network
    }
}

/// One update of dynamic evaluation. docs/mathematics.md (55).
private struct DynamicStep {
    private let trained: Row
    private let adapted: Row
    private let gradients: Row
    private let rootMeanSquares: Row
    private let rate: Float
    private let epsilon: Float
    private let pull: Float

    /// - Parameter tokens: predictions of the segment, of whose loss the sum was differentiated.
    init(
        _ settings: DynamicSettings, _ statistics: GradientStatistics, tokens: Int, trained: Arena, adapted: Arena, gradients: Arena
    ) {
        self.trained = trained.buffer.row()
        self.adapted = adapted.buffer.row()
        self.gradients = gradients.buffer.row()
        rootMeanSquares = statistics.rootMeanSquares.buffer.row()
        rate = Float(settings.rate / Double(tokens))
        epsilon = Float(settings.epsilon)
        pull = statistics.mean > 0 ? Float(settings.decay / statistics.mean) : 0
    }

    func apply(to range: Range<Int>) {
        let (w0, w, g, rms) = (trained + range.lowerBound, adapted + range.lowerBound, gradients + range.lowerBound, rootMeanSquares + range.lowerBound)
        for j in LaneBlocks(range.count) {
            let usual = rms[j]
            let back = (w0[j] - w[j]) * minimum(usual * pull, Lanes(repeating: 1))
            w[j] = w[j] + back - g[j] * rate / (usual + epsilon)
        }
    }
}

/// Dynamic evaluation has led the weights to where the model predicts nothing.
package struct AdaptationDiverged: DiagnosedError, Equatable {
    /// Tokens that it had learned from.
    package let tokens: Int
    package let rate: Double

    package var kind: FailureKind { .internal }
    package var diagnosis: Diagnosis {
        Diagnosis(
            "dynamic evaluation has diverged", location: "after \(tokens) tokens", expected: "a loss below 700 nats a token",
            found: "a larger one, or NaN", remedy: "lower --dynamic-rate (it is \(rate)), or raise --dynamic-epsilon")
    }
}
