import Checkpoints
import Foundation
import Inference
import Recurrent
import TestSupport
import Testing

/// Files of models whose layers read in both directions, as torch.nn.LSTM(2, 1, bidirectional=True) between an embedding and a linear layer.
@Suite struct BidirectionalFileTests {
    private static let model = ModelConfiguration(
        cell: .lstm, vocabulary: 3, embedding: 2, hidden: 1, layers: 1, bidirectional: true)

    /// - Parameter body: gets a file with the model's parameters, all zero.
    private func withFile(_ body: (SafetensorsFile) throws -> Void) throws {
        try withTemporaryFolder { folder in
            var (header, size): ([String], Int) = ([], 0)
            for entry in ParameterLayout(Self.model).entries {
                header.append(#""\#(entry.name)":{"dtype":"F32","shape":\#(entry.shape),"data_offsets":[\#(size),\#(size + 4 * entry.count)]}"#)
                size += 4 * entry.count
            }
            let text = "{" + header.joined(separator: ",") + "}"
            let bytes = withUnsafeBytes(of: UInt64(text.utf8.count).littleEndian, Array.init) + Array(text.utf8) + Array(repeating: 0, count: size)
            let path = "\(folder)/model.safetensors"
            try Data(bytes).write(to: URL(filePath: path))
            try body(SafetensorsFile(path))
        }
    }

    /// For a model in both directions a file is like any other.
    @Test func namesAreThoseOfPyTorch() throws {
        try withFile { file in
            try ModelFile.load(file, into: Arena(ParameterLayout(Self.model)), model: Self.model)
        }
    }

    @Test func aCheckpointThatSaysSoIsRefusedForTheNextToken() throws {
        try withFile { file in
            let error = try #require(throws: ModelFileError.self) {
                try ModelFile.configuration(ModelSummary(Self.model), of: file, place: "manifest.json")
            }
            #expect(error == .seesTheNextToken(file: "manifest.json"))
            #expect("\(error)".contains("would see the token that it predicts"))
        }
    }

    @Test func aFileOfWeightsIsRefusedWithTheReason() throws {
        try withFile { file in
            let error = try #require(throws: ModelFileError.self) { try ModelFile.configuration(of: file) }
            guard case .bothDirections(_, let tensor) = error else { throw error }
            #expect(tensor.hasSuffix("_reverse") && "\(error)".contains("since it would see that token"))
            var oneWay = Self.model
            oneWay.bidirectional = false
            #expect(throws: error) { try ModelFile.check(file, model: oneWay) }
        }
    }
}
