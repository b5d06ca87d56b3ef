import Foundation
import Inference
import Kernels
import Randomness
import Recurrent
import Testing
import TestSupport

@testable import ModelExport

/// Python with onnxruntime, which `launch/test-tools` installs.
enum ONNXRuntime {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path
    static let python = "\(root)/.build/test-tools/bin/python"
    static let isThere = (try? Launch.run(python, ["-c", "import onnxruntime"]).status) == 0
}

@Suite struct ModelExportTests {
    static let vocabulary = 37
    static let frame = SentenceFrame(start: 3, end: 5)

    /// Every cell that ONNX has, tied and untied, of one to three layers. Weights large enough for every gate to matter; smaller ones for
    /// ReLU, which would grow without bound.
    static let models: [(name: String, configuration: ModelConfiguration)] = Cell.allCases.filter { $0 != .window }.flatMap { cell in
        (cell == .elman ? Activation.allCases : [.tanh]).flatMap { activation in
            [false, true].flatMap { tied in
                (1...3).map { layers in
                    let model = ModelConfiguration(
                        cell: cell, activation: activation, vocabulary: vocabulary, embedding: tied ? 19 : 11, hidden: 19,
                        layers: layers, tied: tied, initialRange: activation == .relu ? 0.2 : 0.6)
                    return ("\(cell.rawValue)-\(activation.rawValue)-\(tied ? "tied" : "untied")-\(layers)", model)
                }
            }
        }
    } + Connections.allCases.dropFirst().flatMap { connections in
        [Cell.lstm, .gru].map { cell in
            let model = ModelConfiguration(
                cell: cell, vocabulary: vocabulary, embedding: 19, hidden: 19, layers: 2, connections: connections,
                tied: connections != .dense, initialRange: 0.6)
            return ("\(cell.rawValue)-\(connections.rawValue)", model)
        }
    } + [adaptive]

    private static let adaptive: (name: String, configuration: ModelConfiguration) = {
        var model = ModelConfiguration(cell: .lstm, vocabulary: vocabulary, embedding: 11, hidden: 19, layers: 1, initialRange: 0.6)
        model.softmax = .adaptive(AdaptiveSoftmax(cutoffs: [5, 20], projections: [7, 3], vocabulary: vocabulary))
        return ("lstm-adaptive", model)
    }()

    /// Biases included, which start at zero in training.
    static func parameters(_ model: ModelConfiguration) -> Arena {
        let parameters = Arena(ParameterLayout(model))
        parameters.initialise(seed: 7)
        var random = PhiloxSequence(seed: 8, purpose: .initialisation, stream: 0)
        for entry in parameters.layout.entries where entry.shape.count == 1 {
            let values = parameters.values(entry)
            for index in values.indices { values[index] = Float(random.uniform() * 2 - 1) }
        }
        return parameters
    }

    /// What lockstep computes, for `Tests/onnx/compare.py`.
    struct Expected: Encodable {
        /// Padded with ids that no model has.
        var x: [[Int]] = []
        var x_lens: [Int] = []
        var nll: [Double] = []
        /// Read one after the other, two streams side by side.
        var steps: [[Int]] = []
        /// By step and stream.
        var log_softmax: [[[Double]]] = []
        /// After the last step, by layer and stream; empty for a cell without c.
        var next_h0: [[[Float]]] = []
        var next_c0: [[[Float]]] = []
    }

    static func expected(_ model: ModelConfiguration, _ parameters: Arena) throws -> Expected {
        var expected = Expected()
        var random = PhiloxSequence(seed: 9, purpose: .initialisation, stream: 0)
        func token() -> Int { Int(random.uniform() * Double(vocabulary)) }

        let lengths = [4, 0, 30, 1, 23]
        let lines = lengths.map { length in (0..<length).map { _ in token() } }
        let longest = lengths.max()!
        expected.x = lines.map { $0 + [Int](repeating: $0.count % 2 == 0 ? -1 : 1_000_000, count: longest - $0.count) }
        expected.x_lens = lengths
        let scorer = try Scorer(RecurrentPredictor(model, parameters: parameters), start: Int32(frame.start), carriesState: false)
        expected.nll = try scorer.score(lines.map { ($0 + [frame.end]).map(Int32.init) }).map { -$0.logProbability }

        let network = try Network(model, parameters: parameters, batch: 2, steps: 1)
        network.resetState()
        for _ in 0..<9 {
            let tokens = [token(), token()]
            expected.steps.append(tokens)
            try network.forward(tokens.map(Int32.init), steps: 1)
            expected.log_softmax.append(try (0..<2).map { logarithms(try network.lastLogits(stream: $0).map(Double.init)) })
        }
        let vectors = model.states.count / model.layers
        let states = zip(network.state, model.states).map { buffer, plan in
            (0..<2).map { stream in (0..<plan.width).map { buffer.elements[stream * plan.width + $0] } }
        }
        expected.next_h0 = stride(from: 0, to: states.count, by: vectors).map { states[$0] }
        if vectors == 2 { expected.next_c0 = stride(from: 1, to: states.count, by: vectors).map { states[$0] } }
        return expected
    }

    private static func logarithms(_ logits: [Double]) -> [Double] {
        let largest = logits.max()!
        let logOfSum = largest + log(logits.reduce(0) { $0 + exp($1 - largest) })
        return logits.map { $0 - logOfSum }
    }

    static func export(_ model: ModelConfiguration, _ parameters: Arena) throws -> ModelExport {
        try ModelExport(model, parameters: parameters, frame: frame, producerVersion: "test", properties: [("origin", "a test")])
    }

    /// Both forms of every cell give lockstep's own log probabilities and states, to 1e-5.
    @Test(.enabled(if: ONNXRuntime.isThere, "no onnxruntime here: launch/test-tools installs it"))
    func onnxruntimeComputesTheSame() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "lockstep-onnx-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        for (name, model) in Self.models {
            let place = folder.appending(path: name)
            try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
            let parameters = Self.parameters(model)
            let export = try Self.export(model, parameters)
            for form in ModelExport.Form.allCases { try export.write(form, to: place.appending(path: "\(form.rawValue).onnx").path) }
            try JSONEncoder().encode(try Self.expected(model, parameters)).write(to: place.appending(path: "expected.json"))
        }
        let outcome = try Launch.run(
            ONNXRuntime.python, ["\(ONNXRuntime.root)/Tests/onnx/compare.py"] + Self.models.map { folder.appending(path: $0.name).path },
            timeout: 120)
        #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
        #expect(outcome.output.contains("\(Self.models.count) models agree"), "\(outcome.output)")
    }

    /// Decoders pass the states of all layers as one tensor.
    @Test func unequalLayersHaveNoStepForm() throws {
        let model = ModelConfiguration(cell: .lstm, vocabulary: Self.vocabulary, embedding: 19, hidden: [11, 19], tied: true)
        let export = try Self.export(model, Self.parameters(model))
        #expect(throws: ModelExportError.unequalLayers(sizes: [11, 19])) { try export.check(.step) }
        try export.check(.sentences)
    }

    @Test(arguments: [
        (Cell.window, Normalization.none, "window, window 3"), (.lstm, .layer, "lstm, normalization layer"),
        (.gru, .layer, "gru, normalization layer"),
    ])
    func whatONNXCannotComputeIsRefused(cell: Cell, normalization: Normalization, found: String) throws {
        let model = ModelConfiguration(
            cell: cell, window: cell == .window ? 3 : 1, normalization: normalization, vocabulary: Self.vocabulary, embedding: 11,
            hidden: 19, layers: 1)
        #expect(throws: ModelExportError.noOperator(cell: found)) { try Self.export(model, Arena(ParameterLayout(model))) }
    }

    @Test func theSameModelGivesTheSameBytes() throws {
        let model = Self.models[10].configuration
        let export = try Self.export(model, Self.parameters(model))
        for form in ModelExport.Form.allCases { #expect(try export.bytes(form) == export.bytes(form)) }
    }

    /// Every value that a node reads is there before it, and every weight is read.
    @Test func graphsAreInOrder() throws {
        for (name, model) in Self.models {
            let parameters = Self.parameters(model)
            let cell = try #require(RecurrentOperator(model))
            for graph in [
                LanguageModelGraph.sentences(model, parameters, cell, frame: Self.frame),
                LanguageModelGraph.step(model, parameters, cell),
            ] {
                var known = Set(graph.input.map(\.name) + graph.initializer.map(\.name))
                #expect(known.count == graph.input.count + graph.initializer.count, "\(name): a name twice")
                var read: Set<String> = []
                for node in graph.node {
                    let inputs = node.input.filter { !$0.isEmpty }
                    #expect(known.isSuperset(of: inputs), "\(name), \(node.name)")
                    read.formUnion(inputs)
                    for output in node.output { #expect(known.insert(output).inserted, "\(name): \(output) twice") }
                }
                #expect(read.isSuperset(of: graph.initializer.map(\.name)), "\(name)")
                #expect(known.isSuperset(of: graph.output.map(\.name)), "\(name)")
            }
        }
    }

    /// Tied weights are in the file once.
    @Test func sizes() throws {
        for (_, model) in Self.models {
            let parameters = Self.parameters(model)
            let cell = try #require(RecurrentOperator(model))
            let weights = LanguageModelGraph.step(model, parameters, cell).initializer.filter { $0.dataType == .float }
            #expect(weights.reduce(0) { $0 + $1.rawData.count } == 4 * parameters.layout.parameters)
        }
    }

    @Test func weightsThatAreNotFiniteAreRefused() throws {
        let model = Self.models[0].configuration
        let parameters = Self.parameters(model)
        parameters.values(parameters.layout["rnn.bias_hh_l0"])[3] = .nan
        #expect(throws: ModelExportError.notFinite(tensor: "rnn.bias_hh_l0")) { try Self.export(model, parameters) }
    }

    @Test func whatProtocolBuffersCannotHoldIsRefused() throws {
        let large = ModelConfiguration(cell: .lstm, vocabulary: 300_000, embedding: 1024, hidden: 1024, layers: 1)
        let bytes = 4 * ParameterLayout(large).parameters
        #expect(throws: ModelExportError.tooLarge(bytes: bytes, limit: ModelExport.limit)) {
            try ModelExport.check(ParameterLayout(large))
        }
        var tied = large
        tied.tied = true
        try ModelExport.check(ParameterLayout(tied))
    }
}
