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
            ("{layers: 1, embedding: 8, hidden: 24, softmax: {name: adaptive, cutoffs: [12, 30], divisor: 3}}", "lstm 1 x 24, embedding 8, vocabulary 57, softmax adaptive, cutoffs 12 30, projections 8 2"),
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

        /// Cutoffs that depend on the data, from the configuration to the checkpoint.
        @Test func cutoffsAreFoundOrRefused() throws {
            let sandbox = try Sandbox()
            let words = (0..<4000).map { "w\($0 * $0 / 4000)" + ($0 % 40 == 39 ? "\n" : " ") }.joined()
            let text = try sandbox.write(words, to: "text")
            try sandbox.succeed(["prepare", "--input", text, "--level", "word", "--output", "data"])
            let train = ["train", "--data", "data", "--set", "training={streams: 4, unroll: 8, steps: 3}", "--run"]
            let adaptive = ["--set", "model={layers: 1, embedding: 8, hidden: 32, softmax: {name: adaptive}}"]
            let plan = try sandbox.succeed(train + ["run", "--dry-run"] + adaptive)
            #expect(plan.contains("softmax adaptive, cutoffs ") && plan.contains("of the training text in the head"), "\(plan)")
            try sandbox.succeed(train + ["run"] + adaptive)
            #expect(try sandbox.succeed(["inspect", "run"]).contains("softmax adaptive, cutoffs "))
            try sandbox.succeed(train + ["run", "--resume", "auto", "--set", "training.steps=5"])
            let beyond = try sandbox.lockstep(train + ["other"] + adaptive + ["--set", "model.softmax.cutoffs=[5, 90000]"])
            expectRefusal(beyond, status: 64, ["model.softmax.cutoffs", "a tail without tokens", "90000"])
            let few = try sandbox.write(String(repeating: "a b c d e f g h\n", count: 300), to: "few")
            try sandbox.succeed(["prepare", "--input", few, "--level", "word", "--output", "few-data"])
            let frequent = try sandbox.lockstep(["train", "--data", "few-data", "--run", "none"] + adaptive)
            expectRefusal(frequent, status: 64, ["model.softmax.cutoffs", "no cutoffs", "model.softmax.name to full"])
            // Ids in an order of their own.
            let backwards = (0..<1000).map { "w\(999 - $0)" }.joined(separator: "\n") + "\n<unk>\n<eos>\n"
            _ = try sandbox.write(backwards, to: "vocabulary")
            try sandbox.succeed(["prepare", "--input", text, "--vocabulary", sandbox.path("vocabulary"), "--output", "turned"])
            let warned = try sandbox.succeed(
                ["train", "--data", "turned", "--set", "training={streams: 4, unroll: 8, steps: 3}", "--run", "turned-run", "--dry-run"]
                    + adaptive + ["--set", "model.softmax.cutoffs=[50]"])
            #expect(warned.contains("the ids are not in the order of frequency"), "\(warned)")
        }

        private func perplexity(_ sandbox: Sandbox, _ options: [String]) throws -> Double {
            struct Report: Decodable { let perplexity: Double }
            let output = try sandbox.succeed(["evaluate", "--json"] + options)
            return try JSONDecoder().decode(Report.self, from: Data(output.utf8)).perplexity
        }
    }
}
