import Kernels

/// Embedding, recurrent layers and output layer: the model as one rank runs it on its streams.
///
/// The caller may change the parameters (and then calls `packWeights`); everything else that a step touches is allocated here,
/// once.
package final class LanguageModel {
    package let configuration: ModelConfiguration
    /// B. May be any number up to that which the model was made for; then the state has to be reset.
    package var batch: Int {
        didSet {
            precondition(batch > 0 && batch <= maximumBatch)
            for layer in layers { layer.batch = batch }
        }
    }
    private let maximumBatch: Int
    /// The longest chunk that `forward` takes, T.
    package let maximumSteps: Int
    /// Global index of stream 0, for the dropout masks; may change between a backward pass and the next forward one.
    package var firstStream: Int
    private let clock: PhaseClock

    /// Kept because embedding, layers and output layer have pointers into them.
    private let arenas: [Arena]
    private let sums: GradientSums?
    private let embedding: Embedding
    private let layers: [any RecurrentLayer]
    private let outputLayer: OutputLayer
    private let embedded: Buffer  // [T, B, E], after dropout
    private let dropped: [Buffer]  // each layer's output after dropout, [T, B, H]; empty without dropout
    private let gradientBuffers: [Buffer]  // two of [T, B, max(E, H)], in turn dL/d(output) and dL/d(input)

    private var dropout: Dropout?
    private let inputs: UnsafeMutablePointer<Int32>  // [T, B], a copy: the backward pass needs them again
    private var steps = 0

    /// - Parameters:
    ///   - gradients: nil for evaluation, which needs no memory for the backward pass and no dropout.
    ///   - batch: B, the streams of this rank.
    ///   - steps: T, the longest chunk.
    ///   - clock: notified of every phase.
    /// - Throws: `KernelError`.
    package convenience init(
        _ configuration: ModelConfiguration, parameters: Arena, gradients: Arena? = nil, batch: Int, steps: Int,
        firstStream: Int = 0, clock: PhaseClock = PhaseClock()
    ) throws {
        try self.init(
            configuration, parameters: parameters, sums: gradients.map { GradientSums($0, batch: batch) }, batch: batch,
            steps: steps, firstStream: firstStream, clock: clock)
    }

    /// - Parameter sums: where gradients go, and in which order rows are added up; nil for evaluation.
    package init(
        _ configuration: ModelConfiguration, parameters: Arena, sums: GradientSums?, batch: Int, steps: Int, firstStream: Int,
        clock: PhaseClock
    ) throws {
        precondition(batch > 0 && steps > 0)
        self.configuration = configuration
        self.batch = batch
        self.firstStream = firstStream
        self.clock = clock
        maximumSteps = steps
        self.sums = sums
        maximumBatch = batch
        arenas = [parameters] + (sums?.nodes.map(\.gradients) ?? [])
        let rows = steps * batch
        let training = sums != nil
        embedding = Embedding(weights: parameters.matrix("encoder.weight"), sums: sums, batch: batch, rows: rows)
        layers = try (0..<configuration.layers).map { index in
            let shape = LayerShape(
                cell: configuration.cell, steps: steps, batch: batch, inputs: configuration.inputs(ofLayer: index),
                hidden: configuration.hidden, training: training, clock: clock)
            let weights = LayerParameters(parameters, layer: index)
            let gradients = sums.map { LayerGradients($0, layer: index) }
            return switch configuration.cell {
            case .elman: try ElmanLayer(shape, activation: configuration.activation, weights: weights, gradients: gradients)
            case .lstm: try LSTMLayer(shape, weights: weights, gradients: gradients)
            case .gru: try GRULayer(shape, weights: weights, gradients: gradients)
            case .gruResetAfter: try GRUResetAfterLayer(shape, weights: weights, gradients: gradients)
            }
        }
        let decoder = configuration.tied ? "encoder.weight" : "decoder.weight"
        outputLayer = try OutputLayer(
            weights: parameters.matrix(decoder), bias: parameters.matrix("decoder.bias"), weightName: decoder, sums: sums,
            batch: batch, rows: rows, clock: clock)
        inputs = .allocate(capacity: rows)
        inputs.initialize(repeating: 0, count: rows)
        embedded = Buffer(count: rows * configuration.embedding)
        let drops = training && configuration.dropout > 0
        dropped = (0..<(drops ? configuration.layers : 0)).map { _ in Buffer(count: rows * configuration.hidden) }
        let widest = max(configuration.embedding, configuration.hidden)
        gradientBuffers = (0..<(training ? 2 : 0)).map { _ in Buffer(count: rows * widest) }
        try packWeights()
    }

    deinit { inputs.deallocate() }

    /// Packs the weights for the products; call after every change of the parameters.
    package func packWeights() throws {
        for layer in layers { try layer.packWeights() }
        try outputLayer.packWeights()
    }

    /// The carried state, one [B, H] for each layer and vector (h, then c): layer 0 h, layer 0 c, layer 1 h, ...
    package var state: [Buffer] { layers.flatMap(\.state) }

    package func resetState() {
        for buffer in state { buffer.fill(0) }
    }

    /// Runs a chunk from the carried state and carries the new state.
    /// - Parameters:
    ///   - inputs: token ids [T, B], time-major.
    ///   - steps: T of this chunk, at most `maximumSteps`.
    ///   - dropout: the masks of this global step; nil, or a model made without gradients or with rate 0: no dropout.
    package func forward(_ inputs: UnsafePointer<Int32>, steps: Int, dropout: Dropout? = nil) throws {
        precondition(steps > 0 && steps <= maximumSteps)
        // With shards a tied embedding's own gradient is apart from the output layer's, which is overwritten.
        if !configuration.tied || sums?.isSharded == true { embedding.clearGradients(of: self.inputs, count: self.steps * batch) }
        self.inputs.update(from: inputs, count: steps * batch)
        self.steps = steps
        self.dropout = dropped.isEmpty ? nil : dropout
        clock.enter(.embedding)
        let embedded = input(ofLayer: 0)
        embedding.forward(inputs, into: embedded)
        drop(embedded, into: embedded, site: 0)
        for (index, layer) in layers.enumerated() {
            try layer.forward(input(ofLayer: index), steps: steps)
            if self.dropout != nil {
                drop(
                    Matrix(layer.output, rows: steps * batch, columns: configuration.hidden),
                    into: input(ofLayer: index + 1), site: index + 1)
            }
        }
    }

    /// Restores the carried state from before the last `forward`, so that the same chunk can be run again.
    package func rewind() {
        for layer in layers { layer.rewind() }
    }

    /// The loss of the last chunk, without gradients.
    /// - Parameters:
    ///   - targets: [T, B]; -1 where nothing is predicted.
    ///   - each: called with (t * B + b, nats) of every prediction.
    package func loss(_ targets: UnsafePointer<Int32>, each: ((Int, Double) -> Void)? = nil) throws -> LossSum {
        try outputLayer.loss(input(ofLayer: layers.count), targets: targets, each: each)
    }

    /// The loss of the last chunk, and, in the gradient arena, the gradient of its sum over all predictions. Call it once for each
    /// `forward`, which clears the untied embedding's rows again.
    package func lossAndBackward(
        _ targets: UnsafePointer<Int32>, observer: (any BackwardObserver)? = nil
    ) throws -> LossSum {
        precondition(steps > 0, "backward before forward")
        precondition(!gradientBuffers.isEmpty, "a model created for evaluation")
        let rows = steps * batch
        var above = Matrix(gradientBuffers[0].base, rows: rows, columns: configuration.hidden)
        let loss = try outputLayer.lossAndGradient(
            input(ofLayer: layers.count), targets: targets, hiddenGradient: above)
        try observer?.completed(0)
        for index in layers.indices.reversed() {
            drop(above, into: above, site: index + 1)
            let next = gradientBuffers[(layers.count - index) % 2]
            let below = Matrix(next.base, rows: rows, columns: configuration.inputs(ofLayer: index))
            try layers[index].backward(
                input(ofLayer: index), outputGradient: above, inputGradient: below, steps: steps,
                pause: { try observer?.pause() })
            try observer?.completed(layers.count - index)
            above = below
        }
        drop(above, into: above, site: 0)
        clock.enter(.embeddingBackward)
        embedding.backward(inputs, outputGradient: above)
        try observer?.completed(layers.count + 1)
        return loss
    }

    /// The loss of each shard in the last `lossAndBackward`, nats; empty without shards.
    package var shardLosses: [Double] { outputLayer.shardLosses }

    /// Logits [V] after the last step of the chunk just run, for one stream; valid until the next call.
    package func lastLogits(stream: Int = 0) throws -> UnsafeMutableBufferPointer<Float> {
        let hidden = input(ofLayer: layers.count)
        return try outputLayer.logits(of: hidden.row((steps - 1) * batch + stream))
    }

    /// What layer `index` reads, [steps*B, in]; for `layers.count`, what the output layer reads.
    private func input(ofLayer index: Int) -> Matrix {
        let rows = steps * batch
        if index == 0 { return Matrix(embedded.base, rows: rows, columns: configuration.embedding) }
        let base = dropout == nil ? layers[index - 1].output : dropped[index - 1].base
        return Matrix(base, rows: rows, columns: configuration.hidden)
    }

    private func drop(_ source: Matrix, into result: Matrix, site: Int) {
        guard let dropout else { return }
        clock.enter(.dropout)
        dropout.apply(source, into: result, site: site, batch: batch, firstStream: firstStream)
    }
}
