import Kernels

/// What a layer needs, declared beside its forward and backward pass. Parameter layout, initial values, memory, count of products,
/// carried state and names in files are folds over the plans of a model's layers.
package struct LayerPlan {
    package var parameters: [ParameterPlan] = []
    /// Vectors of each stream that are carried from chunk to chunk.
    package var state: [StatePlan] = []
    /// Products of a training step.
    package var products: [ProductPlan] = []
    /// Blocks of sparse parameters (`SparseRows`) that a step touches at most.
    package var touched = 0
    /// Values of four bytes that the layer allocates beside its parameters, their gradients and packed weights. In floating point,
    /// where no size overflows; exact below 2^53.
    package var values = 0.0
    /// Packed weights, the same.
    package var packed = 0.0
    /// Of `values`, what the ranks of a team share.
    package var shared = 0.0
    /// The setting because of which the ranks of a team cannot share the units; nil if they can.
    package var unshared: String? = "this layer"

    package init() {}
}

package struct ParameterPlan {
    /// PyTorch's name.
    package let name: String
    package let shape: [Int]
    package let initial: InitialValues
    /// Where only some rows have a gradient in a step: the number of neighbouring rows that have one together, or none (`SparseRows`).
    /// Nil where all rows have one.
    package let blockRows: Int?
    /// Rows that belong to nothing: they start at zero, and stay there because their gradient is zero.
    package let absentRows: [Range<Int>]
    /// Whether it has no gradient and is never updated.
    package let isFrozen: Bool

    package init(
        _ name: String, _ shape: [Int], _ initial: InitialValues, blockRows: Int? = nil, absentRows: [Range<Int>] = [],
        isFrozen: Bool = false
    ) {
        self.name = name
        self.shape = shape
        self.initial = initial
        self.blockRows = blockRows
        self.absentRows = absentRows
        self.isFrozen = isFrozen
    }
}

package enum InitialValues: Sendable, Equatable {
    /// In (-range, range).
    case uniform(Float)
    case constant(Float)
    /// ln q of each token, q the share of the noise that it is.
    case noise(SampledSoftmax)
}

package struct StatePlan: Equatable {
    /// As in "h" and "c".
    package let name: String
    package let width: Int

    package init(_ name: String, width: Int) {
        self.name = name
        self.width = width
    }
}

/// A product of [rows, inner] and [inner, columns], `times` times in a step.
package struct ProductPlan {
    package let phase: PhaseClock.Phase
    package let rows: Int
    package let columns: Int
    package let inner: Int
    package let times: Int

    package init(_ phase: PhaseClock.Phase, _ rows: Int, _ columns: Int, _ inner: Int, times: Int = 1) {
        self.phase = phase
        self.rows = rows
        self.columns = columns
        self.inner = inner
        self.times = times
    }
}

/// The chunks that a model is made for.
package struct ChunkShape {
    /// T, the longest chunk.
    package let steps: Int
    /// B, streams of this rank, or of its team.
    package let batch: Int
    package let training: Bool
    /// Where gradients are summed by shards, how many each of the rank's nodes has; else empty.
    package let nodes: [Int]
    /// The ranks that compute these streams together.
    package let team: Team
    /// The ranks that have the same packed weights: those of a machine where each has streams of its own.
    package let packers: Team
    /// Where they have been counted: rows of the lowest layer's input in the forward and in the backward pass, if it reads distinct
    /// tokens (`DistinctTokens`).
    var inputRows: (forward: Int, backward: Int)?

    package init(steps: Int, batch: Int, training: Bool, nodes: [Int] = [], team: Team = Team(), packers: Team = Team()) {
        self.steps = steps
        self.batch = batch
        self.training = training
        self.nodes = nodes
        self.team = team
        self.packers = packers
    }

    /// The same with one step, for what has one row of each stream.
    var oneStep: ChunkShape {
        ChunkShape(steps: 1, batch: batch, training: training, nodes: nodes, team: team, packers: packers)
    }

    /// Sums of right children that the deepest node's tree needs beside its result (`SumTree`); 0 without shards.
    var partialSums: Int { nodes.map { SumTree.partialSums(of: $0) { _ in false } }.max() ?? 0 }

    package var rows: Int { steps * batch }
    /// T*B, where that may overflow.
    var values: Double { Double(steps) * Double(batch) }
    /// Streams of a shard.
    var width: Int { batch / max(1, nodes.reduce(0, +)) }
}

/// What a recurrent layer is made for.
package struct LayerShape {
    package let model: ModelConfiguration
    /// Counted from the bottom.
    package let index: Int
    package let chunk: ChunkShape
    /// Whether it is the second layer of a bidirectional one, which reads from the end.
    package private(set) var isReverse = false

    init(model: ModelConfiguration, index: Int, chunk: ChunkShape) {
        (self.model, self.index, self.chunk) = (model, index, chunk)
    }

    /// Width of the layer's input.
    package var inputs: Int { model.width(belowLayer: index) }
    /// Rows of that in the forward and in the backward pass.
    var inputRows: (forward: Int, backward: Int) { (index == 0 ? chunk.inputRows : nil) ?? (chunk.rows, chunk.rows) }
    /// H.
    package var hidden: Int { model.hidden[index] }
    /// Width of the output of both directions together, without what a connection adds: H, or 2H.
    package var output: Int { model.recurrentWidth(ofLayer: index) }
    /// The units that this rank computes.
    var units: Range<Int> { chunk.team.range(of: hidden) }
    /// The same in each of `blocks` blocks of H.
    func slices(ofBlocks blocks: Int) -> Slices { chunk.team.slices(ofBlocks: blocks, width: hidden) }

    /// The name of a parameter, as in `rnn.weight_ih_l0` or `rnn.weight_ih_l0_reverse`.
    package func name(_ parameter: String) -> String { "rnn.\(parameter)_l\(index)\(isReverse ? "_reverse" : "")" }

    /// The same in the other direction.
    var reverse: LayerShape {
        var shape = self
        shape.isReverse = true
        return shape
    }
}

extension ModelConfiguration {
    /// Of each recurrent layer, from the bottom.
    package func layerPlans(_ chunk: ChunkShape) -> [LayerPlan] {
        (0..<layers).map { layer.plan(LayerShape(model: self, index: $0, chunk: chunk)) }
    }

    /// Of everything that has parameters: the embedding, each layer from the bottom, the head.
    package func plans(_ chunk: ChunkShape) -> [LayerPlan] {
        [encoder.plan(self, chunk)] + layerPlans(chunk) + [head(training: chunk.training).plan(self, output.rows(chunk))]
    }

    /// The setting because of which the ranks of a machine cannot share the units of this model in training; nil if they can.
    package var unshared: String? {
        if output != .next { return "kind of task" }
        if readsSequences { return "training.batching" }
        return plans(ChunkShape(steps: 1, batch: 1, training: true)).lazy.compactMap(\.unshared).first
    }

    /// The vectors of carried state, in the order of `Network.state`: `h_l0`, for an LSTM `c_l0`, `h_l1`, ...
    package var states: [StatePlan] {
        layerPlans(.token).enumerated().flatMap { layer, plan in
            plan.state.map { StatePlan("\($0.name)_l\(layer)", width: $0.width) }
        }
    }
}

extension ChunkShape {
    /// One token of one stream.
    package static var token: ChunkShape { ChunkShape(steps: 1, batch: 1, training: false) }
}
