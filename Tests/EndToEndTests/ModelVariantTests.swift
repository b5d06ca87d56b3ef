import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// Connections around the layers, layers of several sizes and dropout by site, from the configuration to every command that opens a model.
    struct ModelVariantTests {
        static let variants: [(model: String, shown: String)] = [
            ("{layers: 2, embedding: 16, hidden: 16, connections: residual, tied: true}", "lstm 2 x 16, embedding 16, vocabulary 57, tied, connections residual"),
            ("{cell: elman, activation: sigmoid, layers: 2, embedding: 16, hidden: 16, connections: highway}", "elman 2 x 16, embedding 16, vocabulary 57, connections highway"),
            ("{cell: lstm, layers: 3, embedding: 8, hidden: [16, 12, 8], connections: dense}", "lstm 3 x (16, 12, 8), embedding 8, vocabulary 57, connections dense"),
            ("{layers: 2, embedding: 8, hidden: [24, 8], tied: true, dropouts: {embedding: 0.1, output: 0.4}}", "lstm 2 x (24, 8), embedding 8"),
            ("{layers: 1, embedding: 8, hidden: 24, gates: [forget], peepholes: diagonal}", "lstm 1 x 24, embedding 8, vocabulary 57, gates forget, peepholes diagonal"),
        ]

        @Test(arguments: variants) func everyCommandOpensTheModel(model: String, shown: String) throws {
            let sandbox = try Sandbox()
            try sandbox.train("run", ["model=\(model)"], ranks: 2)
            #expect(try sandbox.succeed(["inspect", "run"]).contains(shown))
            let expected = try perplexity(sandbox, ["--checkpoint", "run"])
            #expect(expected < 45, "it has learnt something")
            // The file of weights alone.
            let file = ["run/checkpoints/step-000000050/model.safetensors", "--vocabulary", Shared.corpus]
            #expect(try perplexity(sandbox, ["--data", Shared.corpus, "--checkpoint"] + file) == expected)
            #expect(try sandbox.succeed(["inspect"] + file).contains(shown))
            #expect(try sandbox.succeed(["generate", "--checkpoint", "run", "--length", "20"]).utf8.count > 20)
            // Resumed by another number of ranks; nothing in the configuration's text is lost.
            try sandbox.train("run", ["model=\(model)", "training.steps=60"], ["--resume", "auto"])
        }

        @Test func exportWritesWhatDecodersCanLoad() throws {
            let sandbox = try Sandbox()
            try sandbox.train("run", ["model=\(Self.variants[3].model)"])
            let refused = try sandbox.lockstep(["export", "--checkpoint", "run", "--format", "onnx", "--output", "onnx"])
            expectRefusal(refused, status: 64, ["layers of one size", "24, 8", "--form sentences"])
            #expect(!FileManager.default.fileExists(atPath: sandbox.path("onnx")))
            try sandbox.succeed(["export", "--checkpoint", "run", "--format", "onnx", "--form", "sentences", "--output", "onnx"])
        }

        private func perplexity(_ sandbox: Sandbox, _ options: [String]) throws -> Double {
            struct Report: Decodable { let perplexity: Double }
            let output = try sandbox.succeed(["evaluate", "--json"] + options)
            return try JSONDecoder().decode(Report.self, from: Data(output.utf8)).perplexity
        }
    }
}
