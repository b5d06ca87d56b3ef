import Kernels

/// Embedding, recurrent layers and head: the model as one rank runs it on its streams.
///
/// The caller may change the parameters (and then calls `packWeights`); everything else that a step touches is allocated here,
/// once.
package final class Network {
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
    private let team: Team
    /// The ranks that have the same packed weights.
    private let packers: Team
    private let clock: PhaseClock

    /// Kept because embedding, layers and output layer have pointers into them.
    private let arenas: [Arena]
    let sums: GradientSums?
    let encoder: any InputEncoder
    let layers: [any Layer]
    let head: any Head
    /// From the rows of a sequence to the one that the head reads; nil where it reads all.
    let pool: SequencePool?
    private let embedded: Buffer  // [T, B, E], after dropout, or [D, E] of distinct tokens
    private let dropped: [Buffer?]  // each layer's output after dropout, [T, B, H]; nil without
    let gradientBuffers: [Buffer]  // two of [T, B, max(E, H)], in turn dL/d(output) and dL/d(input)

    private let dropout: DropoutPlan
    /// Of the chunk at hand; nil without dropout.
    private var context: StepContext?
    var stepContext = StepContext(seed: 0, step: 0)
    private let inputs: Integers  // [T, B], a copy: the backward pass needs them again
    private let lineMarks: Integers  // [T, B], of `LineStarts`; empty where the state is carried over line ends
    var steps = 0
    private let distinct: DistinctTokens?
    /// Those of each shard, for the backward pass.
    private let distinctOfShards: DistinctTokens?
    /// The lowest layer, if it can read distinct tokens.
    private let lowest: GatedLayer?
    /// Rows of the lowest layer's input in the forward and in the backward pass of the last chunk: T B, or its distinct tokens.
    package private(set) var inputRows = (forward: 0, backward: 0)

    /// - Parameters:
    ///   - gradients: nil for evaluation, which needs no memory for the backward pass and no dropout.
    ///   - batch: B, the streams of this rank, or of its team.
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

    /// - Parameters:
    ///   - sums: where gradients go, and in which order rows are added up; nil for evaluation.
    ///   - team: the ranks that compute these streams together; all of them make this network, and call the same in the same order.
    ///   - packers: those that have the same packed weights, which they pack together; the same holds for them. No rank packs while
    ///     another may still use what was packed before.
    package init(
        _ configuration: ModelConfiguration, parameters: Arena, sums: GradientSums?, batch: Int, steps: Int, firstStream: Int,
        team: Team = Team(), packers: Team = Team(), clock: PhaseClock
    ) throws {
        precondition(batch > 0 && steps > 0)
        self.configuration = configuration
        self.batch = batch
        self.firstStream = firstStream
        self.team = team
        self.packers = packers
        self.clock = clock
        maximumSteps = steps
        self.sums = sums
        maximumBatch = batch
        arenas = [parameters] + (sums?.nodes.map(\.gradients) ?? [])
        let chunk = ChunkShape(
            steps: steps, batch: batch, training: sums != nil,
            nodes: sums?.isSharded == true ? sums!.nodes.map(\.shards.count) : [], team: team, packers: packers)
        encoder = try configuration.encoder.init(configuration, chunk, parameters: parameters, sums: sums)
        layers = try (0..<configuration.layers).map { index in
            let shape = LayerShape(model: configuration, index: index, chunk: chunk)
            return try configuration.layer.init(shape, parameters: parameters, sums: sums, clock: clock)
        }
        head = try configuration.head(training: chunk.training).init(
            configuration, configuration.output.rows(chunk), parameters: parameters, sums: sums, clock: clock)
        pool = SequencePool(configuration, chunk)
        dropout = DropoutPlan(configuration)
        distinct = DistinctTokens(configuration, chunk, shards: 0)
        distinctOfShards = chunk.nodes.isEmpty ? nil : DistinctTokens(configuration, chunk, shards: chunk.nodes.reduce(0, +))
        lowest = distinct == nil ? nil : layers[0] as? GatedLayer
        let rows = chunk.rows
        inputs = Integers(count: rows)
        lineMarks = Integers(count: configuration.lineEnd == nil ? 0 : rows)
        embedded = try team.buffer(count: rows * configuration.embedding)
        dropped = try (1...configuration.layers).map { [dropout] site in
            let isNeeded = chunk.training && dropout.drops(at: site)
            return isNeeded ? try team.buffer(count: rows * configuration.width(belowLayer: site)) : nil
        }
        gradientBuffers = try (0..<(chunk.training ? 2 : 0)).map { _ in try team.buffer(count: rows * configuration.widest) }
        try packWeights()
    }

    /// Values of four bytes that are the network's own, beside those of its layers.
    static func values(_ model: ModelConfiguration, _ chunk: ChunkShape) -> Double {
        var width = 1 + Double(model.embedding)  // tokens, and their vectors
        if model.lineEnd != nil { width += 1 }
        if chunk.training {
            width += 2 * Double(model.widest)
            let dropout = DropoutPlan(model)
            for site in 1...model.layers where dropout.drops(at: site) { width += Double(model.width(belowLayer: site)) }
        }
        return width * chunk.values + SequencePool.values(model, chunk) + distinctTokens(model, chunk)
    }

    /// Values of four bytes for finding distinct tokens.
    static func distinctTokens(_ model: ModelConfiguration, _ chunk: ChunkShape) -> Double {
        let shards = chunk.nodes.reduce(0, +)
        return DistinctTokens.values(model, chunk, shards: 0) + (shards > 0 ? DistinctTokens.values(model, chunk, shards: shards) : 0)
    }

    /// Packs this rank's part of the weights for the products; call after every change of the parameters. The other parts are
    /// waited for by `forward`.
    package func packWeights() throws {
        try encoder.packWeights()
        for layer in layers { try layer.packWeights() }
        try head.packWeights()
    }

    /// The carried state, one [B, H] for each layer and vector (h, then c): layer 0 h, layer 0 c, layer 1 h, ...
    package var state: [Buffer] { layers.flatMap(\.state) }

    package func resetState() {
        for buffer in state { buffer.fill(0) }
    }

    /// Runs a chunk from the carried state and carries the new state; where a line ends, as the configuration says.
    /// - Parameters:
    ///   - inputs: token ids, or numbers of rows of `inputValues`, [T, B], time-major.
    ///   - steps: T of this chunk, at most `maximumSteps`.
    ///   - starts: [T, B], of whole sequences: not zero where one starts, which is from the zero state. So is each step of the
    ///     padding after one, so that nothing builds up there. For a model that `readsSequences`; the pointer is kept until the
    ///     next call.
    ///   - context: the step, for the masks of dropout and the samples of a sampled softmax; nil, or a model made without gradients or with rate 0: no dropout.
    package func forward(
        _ inputs: UnsafePointer<Int32>, steps: Int, starts: UnsafePointer<Int32>? = nil, context: StepContext? = nil
    ) throws {
        precondition(steps > 0 && steps <= maximumSteps)
        precondition(starts == nil || configuration.readsSequences, "a model made for streams")
        encoder.clearGradients(of: self.inputs.base, count: self.steps * batch)
        self.inputs.base.update(from: inputs, count: steps * batch)
        self.steps = steps
        stepContext = context ?? StepContext(seed: 0, step: 0)
        self.context = dropout.dropsAny && !gradientBuffers.isEmpty ? context : nil
        clock.enter(.packing)
        for layer in layers { layer.dropWeights(self.context) }
        try packers.meet(clock)
        clock.enter(.embedding)
        try encode(distinct.flatMap { $0.find(inputs, count: steps * batch, in: nil) ? $0 : nil })
        inputRows.forward = inputRows.backward
        let embedded = input(ofLayer: 0)
        try drop(embedded, into: embedded, site: 0)
        let lines =
            starts.map { LineStarts(sequences: $0) }
            ?? configuration.lineEnd.map { LineStarts($0, inputs: inputs, count: steps * batch, marks: lineMarks) }
        for (index, layer) in layers.enumerated() {
            layer.lines = lines
            try layer.forward(input(ofLayer: index), steps: steps)
            if index == 0 { try encodeForShards() }
            try drop(output(ofLayer: index), into: input(ofLayer: index + 1), site: index + 1)
        }
    }

    /// What the lowest layer reads: a row for each of these tokens, or for each row of the chunk. Each rank of the team encodes some rows.
    private func encode(_ found: DistinctTokens?) throws {
        lowest?.distinct = found
        inputRows.backward = found?.count ?? steps * batch
        let rows = team.range(of: inputRows.backward)
        let own = input(ofLayer: 0).rows(rows.lowerBound, count: rows.count)
        try encoder.forward(encoded + rows.lowerBound, into: own)
        dropWords(encoded + rows.lowerBound, own)
        try team.meet(clock)
    }

    /// Sums by shards are of each shard's own tokens: others stand beside them on another number of ranks. All of the team have met after
    /// the lowest layer.
    private func encodeForShards() throws {
        guard let distinctOfShards, let leaves = sums?.leaves(rows: steps * batch) else { return }
        clock.enter(.embedding)
        let found = distinctOfShards.find(inputs.base, count: steps * batch, in: leaves) ? distinctOfShards : nil
        if found != nil || lowest?.distinct != nil { try encode(found) }
    }

    /// What the encoder reads: the chunk, or its distinct tokens.
    private var encoded: UnsafePointer<Int32> { UnsafePointer(lowest?.distinct?.tokens.base ?? inputs.base) }

    /// Restores the carried state from before the last `forward`, so that the same chunk can be run again.
    package func rewind() {
        for layer in layers { layer.rewind() }
    }

    /// The loss of the last chunk, and, in the gradient arena, the gradient of its sum over all predictions. Call it once for each
    /// `forward`, which clears the untied embedding's rows again.
    /// - Parameter each: as for `loss`; nil where gradients are summed by shards, in an order of their own.
    package func lossAndBackward(
        _ targets: UnsafePointer<Int32>, observer: (any BackwardObserver)? = nil, each: ((Int, Double) -> Void)? = nil
    ) throws -> LossSum {
        precondition(steps > 0, "backward before forward")
        precondition(each == nil || sums?.isSharded == false, "losses of rows among shards")
        precondition(!gradientBuffers.isEmpty, "a model created for evaluation")
        let rows = steps * batch
        var above = Matrix(
            gradientBuffers[0].base, rows: rows, columns: configuration.width(belowLayer: layers.count))
        pool?.forward(hidden, targets: targets, batch: batch)
        let loss = try head.lossAndGradient(
            pool?.output ?? hidden, targets: pool.map { UnsafePointer($0.targets) } ?? targets,
            hiddenGradient: pool?.gradient ?? above, context: stepContext,
            each: each.map { [pool] each in { row, nats in each(pool?.row(row) ?? row, nats) } })
        pool?.backward(into: above)
        let units = team.range(of: above.columns)
        configuration.penalties.addActivation(of: input(ofLayer: layers.count), units: units, to: above)
        try team.meet(clock)
        try observer?.completed(0)
        for index in layers.indices.reversed() {
            try drop(above, into: above, site: index + 1)
            if index == layers.count - 1 {
                configuration.penalties.addSlowness(
                    of: output(ofLayer: index), batch: batch, units: units, lines: layers[index].lines, to: above)
            }
            let next = gradientBuffers[(layers.count - index) % 2]
            let below = Matrix(next.base, rows: input(ofLayer: index).rows, columns: configuration.width(belowLayer: index))
            try layers[index].backward(
                input(ofLayer: index), outputGradient: above, inputGradient: below, steps: steps,
                pause: { try observer?.pause() })
            try observer?.completed(layers.count - index)
            above = below
        }
        try drop(above, into: above, site: 0)
        clock.enter(.embeddingBackward)
        if !configuration.freezesEmbedding {
            if context != nil, dropout.dropsWords {
                let rows = team.range(of: above.rows)
                dropWords(encoded + rows.lowerBound, above.rows(rows.lowerBound, count: rows.count))
                try team.meet(clock)
            }
            try encoder.backward(
                encoded, outputGradient: above, leaves: lowest?.distinct?.leaves ?? sums?.leaves(rows: steps * batch))
            try team.meet(clock)
        }
        try observer?.completed(layers.count + 1)
        return loss
    }

    /// The loss of each shard in the last `lossAndBackward`, nats; empty without shards.
    package var shardLosses: [Double] { head.shardLosses }

    /// The blocks of the head's sparse parameters that have a gradient in the last `lossAndBackward`.
    package var touchedByHead: UnsafeBufferPointer<Int32> { head.touched }

    /// What the head, or the pool before it, reads of the chunk just run, [steps*B, H].
    package var hidden: Matrix { input(ofLayer: layers.count) }

    /// What layer `index` reads, [steps*B, in], or of distinct tokens; for `layers.count`, what the head reads.
    func input(ofLayer index: Int) -> Matrix {
        let dropped = index == 0 ? embedded : context == nil ? nil : self.dropped[index - 1]
        let base = dropped?.base ?? layers[index - 1].output
        let rows = index == 0 ? inputRows.backward : steps * batch
        return Matrix(base, rows: rows, columns: configuration.width(belowLayer: index))
    }

    /// Before dropout, [steps*B, out].
    private func output(ofLayer index: Int) -> Matrix {
        Matrix(layers[index].output, rows: steps * batch, columns: configuration.width(belowLayer: index + 1))
    }

    /// Each rank of the team applies its share of the masks.
    private func drop(_ source: Matrix, into result: Matrix, site: Int) throws {
        guard let context, dropout.drops(at: site) else { return }
        clock.enter(.dropout)
        dropout.mask(site, context)
            .apply(source, into: result, site: site, batch: batch, firstStream: firstStream, share: { team.range(of: $0) })
        try team.meet(clock)
    }

    /// - Parameter vectors: of `tokens`, [N, E].
    private func dropWords(_ tokens: UnsafePointer<Int32>, _ vectors: Matrix) {
        if let context { dropout.dropWords(tokens, vectors, context) }
    }
}
