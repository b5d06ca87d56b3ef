import Recurrent

// Dimensions in this file, in addition to those of the module Recurrent:
//   N  sentences of the batch      L  tokens of the longest of them      T  time steps, L + 1

/// The tokens around a sentence.
package struct SentenceFrame: Sendable, Equatable {
    /// Read before the first token.
    package var start: Int
    /// Predicted after the last one.
    package var end: Int

    package init(start: Int, end: Int) { (self.start, self.end) = (start, end) }
}

/// The forward pass of a language model as ONNX graphs.
struct LanguageModelGraph {
    private let model: ModelConfiguration
    private let parameters: Arena
    private let cell: RecurrentOperator
    private var graph: GraphBuilder

    private init(_ model: ModelConfiguration, _ parameters: Arena, _ cell: RecurrentOperator, name: String) {
        self.model = model
        self.parameters = parameters
        self.cell = cell
        graph = GraphBuilder(name: name)
    }

    // MARK: Sentences

    /// Negative log likelihoods of whole sentences, in nats, each sentence's end included.
    ///
    ///     x       int64   [N, L]   the sentences' tokens without start and end, padded with anything
    ///     x_lens  int64   [N]      the number of tokens that count, 0 to L
    ///     nll     float32 [N]
    static func sentences(
        _ model: ModelConfiguration, _ parameters: Arena, _ cell: RecurrentOperator, frame: SentenceFrame
    ) -> ONNXGraph {
        var builder = LanguageModelGraph(model, parameters, cell, name: "sentences")
        builder.addSentences(frame)
        return builder.graph.graph
    }

    private mutating func addSentences(_ frame: SentenceFrame) {
        let x = graph.input("x", .int64, [.named("N"), .named("L")])
        let lengths = graph.input("x_lens", .int64, [.named("N")])
        let start = graph.scalar("start", frame.start)
        let end = graph.scalar("end", frame.end)
        let zero = graph.scalar("zero", 0)
        let one = graph.scalar("one", 1)
        let axis0 = graph.integers("axis_0", [0])
        let axis1 = graph.integers("axis_1", [1])
        let column = graph.integers("column", [-1, 1])

        // The targets: the tokens, then the end, which also replaces all padding.
        let tokens = graph.node("Transpose", "tokens", [x])  // [L, N]
        let rowAfter = graph.integers("row_after", [0, 0, 1, 0])
        let longer = graph.node("Pad", "longer", [tokens, rowAfter, end])  // [T, N]
        let shape = graph.node("Shape", "shape", [longer])  // [2]: T, N
        let steps = graph.node("Gather", "steps", [shape, zero])  // T
        let times = graph.node("Range", "times", [zero, steps, one])  // [T]
        let time = graph.node("Unsqueeze", "time", [times, axis1])  // [T, 1]
        let isToken = graph.node("Less", "is_token", [time, lengths])  // [T, N]
        let targets = graph.node("Where", "targets", [isToken, longer, end])  // [T, N]
        // The inputs: the start, then all targets but the last row.
        let rowBefore = graph.integers("row_before", [1, 0, -1, 0])
        let inputs = graph.node("Pad", "inputs", [targets, rowBefore, start])  // [T, N]

        let top = addLayers(inputs, states: nil).output  // [T, N, H]
        let logProbabilities = addOutputLayer(top, name: "log_softmax")  // [T*N, V]
        let target = graph.node("Reshape", "target", [targets, column])  // [T*N, 1]
        let picked = graph.node("GatherElements", "picked", [logProbabilities, target], [.integer("axis", 1)])  // [T*N, 1]
        let scores = graph.node("Reshape", "scores", [picked, shape])  // [T, N]

        // Summed in double precision, so that the sum of a long sentence is as exact as its terms.
        let counts = graph.node("LessOrEqual", "counts", [time, lengths])  // [T, N]: tokens and end
        let nothing = graph.scalar("nothing", Float(0))
        let counted = graph.node("Where", "counted", [counts, scores, nothing])  // [T, N]
        let terms = graph.node("Cast", "terms", [counted], [.integer("to", ONNXElementType.double.rawValue)])  // [T, N]
        let sums = graph.node("ReduceSum", "sums", [terms, axis0], [.integer("keepdims", 0)])  // [N]
        let costs = graph.node("Neg", "costs", [sums])  // [N]
        let nll = graph.node("Cast", "nll", [costs], [.integer("to", ONNXElementType.float.rawValue)])  // [N]
        graph.output(nll, .float, [.named("N")])
    }

    // MARK: Step

    /// Log probabilities of the token after one more token.
    ///
    ///     x            int64   [N, 1]      the token read
    ///     h0, c0       float32 [L, N, H]   the state before it, zeros at the start (L layers)
    ///     log_softmax  float32 [N, V]      natural logarithms
    ///     next_h0, next_c0                 the state after it
    ///
    /// Decoders pass both states for every cell. A cell without c returns it unchanged.
    static func step(_ model: ModelConfiguration, _ parameters: Arena, _ cell: RecurrentOperator) -> ONNXGraph {
        var builder = LanguageModelGraph(model, parameters, cell, name: "step")
        builder.addStep()
        return builder.graph.graph
    }

    private mutating func addStep() {
        let state: [GraphBuilder.Dimension] = [.fixed(model.layers), .named("N"), .fixed(model.hidden[0])]
        let x = graph.input("x", .int64, [.named("N"), .fixed(1)])
        let h0 = graph.input("h0", .float, state)
        let c0 = graph.input("c0", .float, state)

        let hasCellState = cell.hasCellState
        let hiddenStates = split(h0)  // [1, N, H] each
        let cellStates = hasCellState ? split(c0) : []  // [1, N, H] each
        let states = hiddenStates.indices.map {
            GraphBuilder.LayerState(hidden: hiddenStates[$0], cell: hasCellState ? cellStates[$0] : nil)
        }
        let token = graph.node("Transpose", "token", [x])  // [1, N]
        let (top, after) = addLayers(token, states: states)  // [1, N, H]
        let logProbabilities = addOutputLayer(top, name: "log_softmax")  // [N, V]

        graph.output(logProbabilities, .float, [.named("N"), .fixed(model.vocabulary)])
        graph.output(graph.node("Concat", "next_h0", after.map(\.hidden), [.integer("axis", 0)]), .float, state)
        let cells = after.compactMap(\.cell)
        let next = cells.isEmpty
            ? graph.node("Identity", "next_c0", [c0]) : graph.node("Concat", "next_c0", cells, [.integer("axis", 0)])
        graph.output(next, .float, state)
    }

    /// One [1, N, H] for each layer.
    private mutating func split(_ states: Value) -> [Value] {
        let parts = (0..<model.layers).map { "\(states)_l\($0)" }
        graph.node("Split", "split_\(states)", [states], outputs: parts, [.integer("axis", 0)])
        return parts
    }

    // MARK: Both

    /// - Parameter inputs: token ids [T, N].
    /// - Returns: the uppermost layer's output [T, N, H], and the state of each layer after the last step.
    private mutating func addLayers(
        _ inputs: Value, states: [GraphBuilder.LayerState]?
    ) -> (output: Value, states: [GraphBuilder.LayerState]) {
        let embedding = matrix("encoder.weight")  // [V, E]
        var output = graph.node("Gather", "embedded", [embedding, inputs])  // [T, N, E]
        let directions = graph.integers("directions", [1])
        var after: [GraphBuilder.LayerState] = []
        for layer in 0..<model.layers {
            let result = graph.recurrentLayer(layer, output, state: states?[layer], cell, model, parameters)
            let hidden = graph.node("Squeeze", "output_l\(layer)", [result.output, directions])  // [T, N, H]
            output = connect(output, hidden, layer)
            after.append(result.state)
        }
        return (output, after)
    }

    /// What the layers above read of a layer's input x [T, N, in] and output h [T, N, H]; docs/mathematics.md, "Connections around layers".
    private mutating func connect(_ x: Value, _ h: Value, _ layer: Int) -> Value {
        let name = "connected_l\(layer)"
        switch model.connections {
        case .none: return h
        case .residual: return graph.node("Add", name, [x, h])
        case .dense: return graph.node("Concat", name, [x, h], [.integer("axis", 2)])
        case .highway:
            let weights = graph.node("Transpose", "highway_columns_l\(layer)", [matrix("rnn.highway_weight_l\(layer)")])  // [in, H]
            let product = graph.node("MatMul", "highway_product_l\(layer)", [x, weights])
            let sum = graph.node("Add", "highway_sum_l\(layer)", [product, matrix("rnn.highway_bias_l\(layer)")])
            let gate = graph.node("Sigmoid", "highway_gate_l\(layer)", [sum])
            let difference = graph.node("Sub", "highway_difference_l\(layer)", [h, x])
            let share = graph.node("Mul", "highway_share_l\(layer)", [gate, difference])
            return graph.node("Add", name, [x, share])
        }
    }

    /// - Parameter hidden: [T, N, H].
    /// - Returns: [T*N, V].
    private mutating func addOutputLayer(_ hidden: Value, name: String) -> Value {
        let rowShape = graph.integers("row_shape", [-1, model.width(belowLayer: model.layers)])
        let rows = graph.node("Reshape", "rows", [hidden, rowShape])  // [T*N, H]
        if case .adaptive(let softmax) = model.softmax { return addAdaptiveSoftmax(rows, softmax, name: name) }
        let weights = model.tied ? "encoder.weight" : matrix("decoder.weight")  // [V, H]
        let bias = matrix("decoder.bias")  // [V]
        let logits = graph.node("Gemm", "logits", [rows, weights, bias], [.integer("transB", 1)])  // [T*N, V]
        return graph.node("LogSoftmax", name, [logits], [.integer("axis", -1)])  // [T*N, V]
    }

    /// - Parameter rows: [T*N, H].
    /// - Returns: the head's tokens, then each tail's, whose logarithms are added to the tail's own: [T*N, V].
    private mutating func addAdaptiveSoftmax(_ rows: Value, _ softmax: AdaptiveSoftmax, name: String) -> Value {
        func logSoftmax(_ name: String, _ inputs: Value, _ weights: Value) -> Value {
            let logits = graph.node("Gemm", "\(name)_logits", [inputs, weights], [.integer("transB", 1)])
            return graph.node("LogSoftmax", "\(name)_log_softmax", [logits], [.integer("axis", -1)])
        }
        let head = logSoftmax("head", rows, matrix("head.weight"))  // [T*N, first cutoff + tails]
        let parts = ["head_tokens"] + softmax.cutoffs.indices.map { "tail_\($0)" }
        let sizes = graph.integers("head_sizes", [softmax.cutoffs[0]] + softmax.cutoffs.map { _ in 1 })
        graph.node("Split", "split_head", [head, sizes], outputs: parts, [.integer("axis", 1)])
        let tails = softmax.cutoffs.indices.map { i in
            let projected = graph.node("Gemm", "tail_\(i)_projected", [rows, matrix("tail.\(i).0.weight")], [.integer("transB", 1)])  // [T*N, P]
            let own = logSoftmax("tail_\(i)", projected, matrix("tail.\(i).1.weight"))  // [T*N, C]
            return graph.node("Add", "tail_\(i)_tokens", [own, parts[1 + i]])  // [T*N, C]
        }
        return graph.node("Concat", name, ["head_tokens"] + tails, [.integer("axis", 1)])  // [T*N, V]
    }

    /// A parameter, unchanged.
    private mutating func matrix(_ name: String) -> Value {
        let entry = parameters.layout[name]
        return graph.weight(name, shape: entry.shape, blocks: [parameters.values(entry)])
    }
}
