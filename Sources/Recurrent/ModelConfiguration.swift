// Dimensions, throughout this module:
//   T  unroll length, steps of one chunk      B  streams of this rank      V  vocabulary size
//   E  embedding size      H  hidden size     L  layers                    G  gate rows: Elman H, GRU 3H, LSTM 4H
// Activations are time-major: [T, B, H], one time step is contiguous.

/// A gate of the LSTM. A missing one is 1 (Greff et al. 2017 call these variants NIG, NFG and NOG).
package enum Gate: String, Sendable, CaseIterable {
    case input, forget, output

    /// Its rows of the gate matrices, in units of H: PyTorch's order is i, f, g, o.
    var block: Int {
        switch self {
        case .input: 0
        case .forget: 1
        case .output: 3
        }
    }
}

/// Whether the LSTM's gates see the cell state (Gers and Schmidhuber 2000).
package enum Peepholes: String, Sendable, CaseIterable {
    case none
    /// One weight for each unit and gate: to c_{t-1} for input and forget gate, to c_t for the output gate.
    case diagonal
}

/// What is normalised within a layer.
package enum Normalization: String, Sendable, CaseIterable {
    case none
    /// The pre-activations of each step, over the layer's values (Ba, Kiros and Hinton 2016).
    case layer
}

/// What defines a language model's shape and initial values.
package struct ModelConfiguration: Sendable, Equatable {
    package var cell: Cell
    /// Of the cells that leave the choice, `elman` and `window`.
    package var activation: Activation
    /// LSTM only.
    package var gates = Set(Gate.allCases)
    /// LSTM only.
    package var peepholes = Peepholes.none
    /// n, inputs that a step of a `window` cell reads; 1 in every other model.
    package var window: Int
    package static let windows = 1...1024
    package var normalization: Normalization
    package var vocabulary: Int
    /// D, numbers that a step reads; nil for a model that reads tokens.
    package var values: Int?
    package var embedding: Int
    /// H of each layer, from the bottom.
    package var hidden: [Int]
    package var connections: Connections
    /// Whether each layer reads in both directions, with H values for each. Not for models of the next token: they would see it.
    package var bidirectional: Bool
    package var dropout: DropoutRates
    /// In training, as dropout.
    package var penalties = OutputPenalties()
    /// The output layer's weights are the embedding's (Press and Wolf 2017); needs its width at the top.
    package var tied: Bool
    /// Weights start uniform in (-range, range); biases at zero, but for the output bias of `SampledSoftmax.Loss.nce`.
    package var initialRange: Float
    /// The same for the embedding alone; nil: `initialRange`.
    package var initialEmbeddingRange: Float?
    package var softmax = Softmax.full
    /// Whether the embedding stays as it is: no gradient, no update. Needs weights that are not tied. In training.
    package var freezesEmbedding = false
    /// Nil: the state is carried over line ends.
    package var lineEnd: LineEnd?
    /// Whether a batch may be of whole sequences, each of which starts from the zero state (`Network.forward`).
    package var readsSequences = false
    package var output = Output.next

    /// The default of `initialRange`, in double precision as a configuration has it.
    package static let defaultRange = 0.1

    package init(
        cell: Cell, activation: Activation = .tanh, window: Int = 1, normalization: Normalization = .none, vocabulary: Int,
        embedding: Int, hidden: [Int],
        connections: Connections = .none, bidirectional: Bool = false, dropout: DropoutRates = DropoutRates(0), tied: Bool = false,
        initialRange: Float = Float(defaultRange), initialEmbeddingRange: Float? = nil
    ) {
        self.cell = cell
        self.activation = activation
        self.window = window
        self.normalization = normalization
        self.vocabulary = vocabulary
        self.embedding = embedding
        self.hidden = hidden
        self.connections = connections
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.tied = tied
        self.initialRange = initialRange
        self.initialEmbeddingRange = initialEmbeddingRange
        precondition(window > 0 && vocabulary > 0 && embedding > 0 && !hidden.isEmpty && hidden.allSatisfy { $0 > 0 })
        precondition(widthsFit, "tied weights need the embedding's width at the top, some connections everywhere")
    }

    /// Layers of one size.
    package init(
        cell: Cell, activation: Activation = .tanh, window: Int = 1, normalization: Normalization = .none, vocabulary: Int,
        embedding: Int, hidden: Int, layers: Int,
        connections: Connections = .none, bidirectional: Bool = false, dropout: Float = 0, tied: Bool = false, initialRange: Float = Float(defaultRange),
        initialEmbeddingRange: Float? = nil
    ) {
        self.init(
            cell: cell, activation: activation, window: window, normalization: normalization, vocabulary: vocabulary,
            embedding: embedding,
            hidden: Array(repeating: hidden, count: layers), connections: connections, bidirectional: bidirectional, dropout: DropoutRates(dropout),
            tied: tied, initialRange: initialRange, initialEmbeddingRange: initialEmbeddingRange)
    }

    package var layers: Int { hidden.count }

    /// Width of what layer `index` puts out without what a connection adds: H, or 2H in both directions.
    func recurrentWidth(ofLayer index: Int) -> Int { (bidirectional ? 2 : 1) * hidden[index] }

    /// Width of what layer `index` reads, which is the embedding or the output of the layer below; for `layers`, of what
    /// the head reads.
    package func width(belowLayer index: Int) -> Int {
        if connections == .dense { return (0..<index).map(recurrentWidth).reduce(embedding, +) }
        return index == 0 ? embedding : recurrentWidth(ofLayer: index - 1)
    }

    /// The columns of what the head reads that are made by layers which read from the end.
    var reverseColumns: [Range<Int>] {
        if !bidirectional { return [] }
        return (connections == .dense ? 0..<layers : layers - 1..<layers).map { index in
            let end = width(belowLayer: index + 1)
            return end - hidden[index]..<end
        }
    }

    /// Whether tied weights have the embedding's width at the top and a head that can have them, and layers with connections that need
    /// it one width.
    package var widthsFit: Bool {
        (!tied || softmax.canBeTied && embedding == width(belowLayer: layers)) && (!connections.needsEqualWidths || (0..<layers).map(recurrentWidth).allSatisfy { $0 == embedding })
    }

    /// What the head gives probabilities to, tokens or labels; or values that it predicts.
    package var outputs: Int {
        switch output {
        case .next: vocabulary
        case .tags(let labels), .label(let labels, _): labels
        case .values(let count): count
        }
    }

    /// What stands at the top.
    func head(training: Bool) -> any Head.Type {
        if case .values = output { ValueHead.self } else { softmax.head(training: training) }
    }

    /// Whether a state becomes zero within a chunk.
    var resetsState: Bool { readsSequences || lineEnd?.rule == .reset }
    /// Whether lines or sequences are told apart within a chunk.
    var tellsSequencesApart: Bool { readsSequences || lineEnd != nil }

    /// The widest of these.
    var widest: Int { (0...layers).map(width(belowLayer:)).max()! }
}
