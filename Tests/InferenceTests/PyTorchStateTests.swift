import Checkpoints
import Collectives
import Corpus
import Foundation
import Inference
import Kernels
import Recurrent
import TestSupport
import Testing

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
            RecurrentPredictor(model, parameters: load(name, as: model)), tokens: TokenStore(fixture.tokens), streams: 1,
            communicator: SingleRank()
        ).run()
        let expected = try #require(fixture.states[name]).nats
        #expect(abs(evaluation.total - expected) < 2e-6 * expected)
    }

    /// Every finite F16 keeps its value, by the definition of IEEE 754, on a thread that flushes denormals: small weights are not lost.
    @Test func everyHalfFloatIsWidenedWhereDenormalsAreFlushed() throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "lockstep-\(UUID().uuidString).safetensors")
        defer { try? FileManager.default.removeItem(at: path) }
        let halves = (UInt16.min...UInt16.max).filter { $0 & 0x7c00 != 0x7c00 }
        let header = #"{"h":{"dtype":"F16","shape":[\#(halves.count)],"data_offsets":[0,\#(2 * halves.count)]}}"#
        var bytes = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian, Array.init) + Array(header.utf8)
        for bits in halves { bytes += [UInt8(bits & 255), UInt8(bits >> 8)] }
        try Data(bytes).write(to: path)
        let found = try withThreadRanks(1) { _ in
            try Arithmetic.prepare(threads: 1)
            return try SafetensorsFile(path.path).elements(of: "h", as: Float.self)
        }[0]
        for (bits, value) in zip(halves, found) {
            let (exponent, fraction) = (Int(bits >> 10 & 31), Double(bits & 1023) / 1024)
            let magnitude = scalbn(exponent == 0 ? fraction : 1 + fraction, max(exponent, 1) - 15)
            #expect(value.sign == (bits >> 15 == 0 ? .plus : .minus) && Double(value.magnitude) == magnitude, "\(bits)")
        }
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
