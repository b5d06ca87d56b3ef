import Checkpoints
import Corpus
import Diagnostics
import Foundation
import Inference
import Recurrent
import TestSupport
import Testing

/// A model starts with what it can take of another's weights.
@Suite struct WeightTransferTests {
    private static func words(_ text: String) -> Vocabulary {
        let words = ["<eos>", "<unk>"] + text.split(separator: " ").map(String.init)
        return Vocabulary(words: words.map { Array($0.utf8) }, endOfSentence: 0, unknown: 1)
    }
    private static let vocabulary = words("a b c d e f")

    private static func model(_ cell: Cell = .lstm, vocabulary: Int = 8, layers: Int = 1, tied: Bool = false) -> ModelConfiguration {
        ModelConfiguration(cell: cell, vocabulary: vocabulary, embedding: 3, hidden: 3, layers: layers, tied: tied)
    }

    private static func parameters(_ model: ModelConfiguration, seed: UInt64) -> Arena {
        let arena = Arena(ParameterLayout(model))
        arena.initialise(seed: seed)
        return arena
    }

    /// A file of weights that says of which model they are.
    private static func safetensors(_ parameters: Arena, of model: ModelConfiguration, labels: [String]? = nil) throws -> Data {
        var (entries, data) = ([String](), Data())
        for entry in parameters.layout.entries {
            let start = data.count
            for value in parameters.values(entry) { withUnsafeBytes(of: value) { data.append(contentsOf: $0) } }
            entries.append("\"\(entry.name)\":{\"dtype\":\"F32\",\"shape\":\(entry.shape),\"data_offsets\":[\(start),\(data.count)]}")
        }
        let summary = String(decoding: try JSONEncoder().encode(ModelSummary(model, labels: labels)), as: UTF8.self).replacing("\"", with: "\\\"")
        let header = Data("{\"__metadata__\":{\"lockstep\":\"\(summary)\"},\(entries.joined(separator: ","))}".utf8)
        return withUnsafeBytes(of: UInt64(header.count)) { Data($0) } + header + data
    }

    /// Saves one model and starts another from it.
    private static func transfer(
        _ old: ModelConfiguration, _ source: Vocabulary? = vocabulary, labels: [String]? = nil, to new: ModelConfiguration,
        _ own: Vocabulary = vocabulary, ownLabels: [String]? = nil,
        _ check: (WeightTransfer, _ old: Arena, _ before: Arena, _ after: Arena) throws -> Void
    ) throws {
        try withTemporaryFolder { folder in
            let path = "\(folder)/model.safetensors"
            let saved = parameters(old, seed: 1)
            try safetensors(saved, of: old, labels: labels).write(to: URL(filePath: path))
            let transfer = try WeightTransfer(try SafetensorsFile(path), of: source, to: new, own, labels: ownLabels)
            let after = parameters(new, seed: 2)
            try transfer.load(into: after)
            try check(transfer, saved, parameters(new, seed: 2), after)
        }
    }

    private static func values(_ arena: Arena, _ name: String) -> [Float] { Array(arena.values(arena.layout[name])) }

    @Test func parametersOfTheSameNameAndShapeAreTaken() throws {
        try Self.transfer(Self.model(), to: Self.model(layers: 2, tied: true)) { transfer, old, before, after in
            #expect(transfer.taken == ["encoder.weight", "rnn.weight_ih_l0", "rnn.weight_hh_l0", "rnn.bias_ih_l0", "rnn.bias_hh_l0", "decoder.bias"])
            #expect(transfer.left.map(\.name) == ["rnn.weight_ih_l1", "rnn.weight_hh_l1", "rnn.bias_ih_l1", "rnn.bias_hh_l1"])
            #expect(transfer.left.allSatisfy { $0.reason == "not there" } && transfer.matched == nil && transfer.unused == ["decoder.weight"])
            for name in transfer.taken { #expect(Self.values(after, name) == Self.values(old, name)) }
            for name in transfer.left.map(\.name) { #expect(Self.values(after, name) == Self.values(before, name)) }
        }
    }

    @Test func rowsAreMatchedByToken() throws {
        let own = Self.words("f new a")
        try Self.transfer(Self.model(), to: Self.model(vocabulary: 5), own) { transfer, old, before, after in
            #expect(transfer.matched == [0, 1, 2, 4] && transfer.left.isEmpty)
            let places = [0, 1, 7, nil, 2]  // in the old vocabulary
            for (name, width) in [("encoder.weight", 3), ("decoder.weight", 3), ("decoder.bias", 1)] {
                let (old, before, after) = (Self.values(old, name), Self.values(before, name), Self.values(after, name))
                for (id, place) in places.enumerated() {
                    let row = after[id * width..<(id + 1) * width]
                    #expect(Array(row) == place.map { Array(old[$0 * width..<($0 + 1) * width]) } ?? Array(before[id * width..<(id + 1) * width]))
                }
            }
        }
    }

    /// A missing gate's rows stay zero, whatever the file has there.
    @Test func aModelWithoutAGateStaysWithoutIt() throws {
        var new = Self.model()
        new.gates = [.forget, .output]
        try Self.transfer(Self.model(), to: new) { _, old, _, after in
            let (old, after) = (Self.values(old, "rnn.weight_hh_l0"), Self.values(after, "rnn.weight_hh_l0"))
            #expect(after[..<9].allSatisfy { $0 == 0 } && after[9...] == old[9...])
        }
    }

    @Test func whatHasAnotherMeaningIsLeft() throws {
        // The same names and shapes, but another cell.
        try Self.transfer(Self.model(.gru), to: Self.model(.gruResetAfter)) { transfer, _, _, _ in
            #expect(transfer.taken == ["encoder.weight", "decoder.weight", "decoder.bias"])
            #expect(transfer.left[0].reason == "gru weights there, gru_reset_after weights here")
        }
    }

    /// The rows of an output layer are tokens, labels or values, however many there are.
    @Test func outputsOfAnotherKindAreLeft() throws {
        var tagger = Self.model()
        (tagger.output, tagger.readsSequences) = (.tags(labels: 8), true)
        let names = (0..<8).map { "l\($0)" }
        let below = ["encoder.weight", "rnn.weight_ih_l0", "rnn.weight_hh_l0", "rnn.bias_ih_l0", "rnn.bias_hh_l0"]
        try Self.transfer(Self.model(), to: tagger, ownLabels: names) { transfer, _, before, after in
            #expect(transfer.taken == below && transfer.unused.isEmpty)
            #expect(transfer.left.map(\.name) == ["decoder.weight", "decoder.bias"])
            #expect(transfer.left.allSatisfy { $0.reason == "predicts tokens there, labels here" })
            #expect(Self.values(after, "decoder.weight") == Self.values(before, "decoder.weight"))
        }
        try Self.transfer(tagger, labels: names, to: tagger, ownLabels: names) { transfer, _, _, _ in #expect(transfer.left.isEmpty) }
        try Self.transfer(tagger, labels: names, to: tagger, ownLabels: names.reversed()) { transfer, _, _, _ in
            #expect(transfer.taken == below && transfer.left.allSatisfy { $0.reason == "other labels there" })
        }
    }

    /// A linear encoder has no rows of tokens, and is not mistaken for an embedding.
    @Test func aModelOfNumbersStartsFromAnother() throws {
        let none = Self.words("")
        var model = ModelConfiguration(cell: .lstm, vocabulary: 1, embedding: 8, hidden: 3, layers: 1)
        (model.values, model.output, model.readsSequences) = (3, .values(2), true)
        try Self.transfer(model, none, to: model, none) { transfer, old, _, after in
            #expect(transfer.left.isEmpty && transfer.taken.contains("encoder.weight"))
            #expect(Self.values(after, "encoder.weight") == Self.values(old, "encoder.weight"))
        }
        let text = ModelConfiguration(cell: .lstm, vocabulary: 8, embedding: 8, hidden: 3, layers: 1)
        model.values = 8
        try Self.transfer(text, to: model, none) { transfer, _, _, _ in
            #expect(transfer.left.first { $0.name == "encoder.weight" }?.reason == "reads tokens there, numbers here")
            #expect(transfer.left.first { $0.name == "decoder.weight" }?.reason == "predicts tokens there, values here")
        }
    }

    @Test func nothingButBiasesIsRefused() {
        var other = Self.model(.elman)
        other.embedding = 2
        other.hidden = [4]
        #expect(throws: NothingToTake.self) { try Self.transfer(Self.model(), to: other) { _, _, _, _ in } }
    }
}
