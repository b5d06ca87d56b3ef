import Checkpoints
import Collectives
import Corpus
import Foundation
import Recurrent
import Testing
import Training

/// Weights that PyTorch trained and safetensors saved: Tests/pytorch/make_state_fixture.py writes the files.
@Suite struct PyTorchStateTests {
    private struct Fixture: Decodable {
        struct State: Decodable {
            struct Model: Decodable {
                var cell: String
                var vocabulary_size, layers, embedding, hidden: Int
                var tied: Bool
            }
            var model: Model
            var nats: Double
        }
        var tokens: [Int32]
        var states: [String: State]
    }

    private let folder = Bundle.module.resourceURL!.appending(path: "Fixtures")
    private let fixture: Fixture

    init() throws {
        fixture = try JSONDecoder().decode(Fixture.self, from: Data(contentsOf: folder.appending(path: "states.json")))
    }

    private func model(_ name: String, layers: Int? = nil, tied: Bool? = nil) throws -> ModelConfiguration {
        let model = try #require(fixture.states[name]).model
        return ModelConfiguration(
            cell: Cell(rawValue: model.cell)!, vocabulary: model.vocabulary_size, embedding: model.embedding,
            hidden: model.hidden, layers: layers ?? model.layers, tied: tied ?? model.tied)
    }

    private func load(_ name: String, as model: ModelConfiguration) throws -> Arena {
        let parameters = Arena(ParameterLayout(model))
        let file = try SafetensorsFile(folder.appending(path: "state-\(name).safetensors").path)
        try ModelFile.load(file, into: parameters, model: model)
        return parameters
    }

    @Test(arguments: ["plain", "parallel", "compiled", "bfloat16", "float16", "tied"])
    func predictsAsInPyTorch(name: String) throws {
        let model = try model(name)
        let evaluation = try Evaluator(
            model, parameters: load(name, as: model), tokens: TokenStore(fixture.tokens), streams: 1,
            communicator: SingleRank()
        ).run()
        let expected = try #require(fixture.states[name]).nats
        #expect(abs(evaluation.total - expected) < 2e-6 * expected)
    }

    /// Layers that would be lost are no less an error than layers that are missing.
    @Test func otherNumbersOfLayersAreRefused() throws {
        for (layers, tensor) in [(1, "module.rnn.bias_hh_l1"), (3, "module.rnn.weight_ih_l2")] {
            let model = try model("parallel", layers: layers)
            let error = try #require(throws: ModelFileError.self) { try load("parallel", as: model) }
            #expect("\(error)".contains(tensor), "\(error)")
        }
    }

    @Test func oneMatrixIsNotTwo() throws {
        let untied = try model("tied", tied: false)
        let error = try #require(throws: ModelFileError.self) { try load("tied", as: untied) }
        #expect("\(error)".contains("decoder.weight") && "\(error)".contains("set model.tied to true"))
        let tied = ModelConfiguration(cell: .lstm, vocabulary: 13, embedding: 7, hidden: 7, layers: 2, tied: true)
        #expect("\(try #require(throws: SafetensorsError.self) { try load("plain", as: tied) })".contains("[13, 7], found [13, 6]"))
    }
}
