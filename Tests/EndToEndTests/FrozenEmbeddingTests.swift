import Checkpoints
import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// Vectors of another program, trained on or frozen.
    struct FrozenEmbeddingTests {
        private let sandbox: Sandbox
        /// Vectors of eight values for the letters; the line's end and a space have none.
        private let vectors: String

        init() throws {
            sandbox = try Sandbox()
            let lines = "abcdefghijklmnopqrstuvwxyz".enumerated().map { place, letter in
                "\(letter) " + (0..<8).map { "\(Double(place * 8 + $0) / 1000)" }.joined(separator: " ")
            }
            vectors = try sandbox.write(lines.joined(separator: "\n") + "\n", to: "vectors.txt")
        }

        private func embedding(_ run: String, _ step: Int) throws -> [Float] {
            try SafetensorsFile("\(sandbox.checkpoint(run, step: step))/model.safetensors").elements(of: "encoder.weight")
        }

        @Test func vectorsAreTakenAndTrained() throws {
            let outcome = try sandbox.lockstep(
                ["train", "--run", "run"] + Sandbox.small + ["--init-embeddings", vectors, "--set", "training.steps=3"])
            try #require(outcome.status == 0, "\(outcome.errors)")
            #expect(outcome.errors.contains("embedding from \(vectors): 25 of 57 tokens, "))
            #expect(outcome.errors.contains("% of the training text") && outcome.errors.contains("the other tokens start with random vectors"))
            let (start, end) = (Float(0.042), try embedding("run", 3))
            #expect(!end.contains(start), "trained")
            #expect(try sandbox.succeed(["inspect", sandbox.checkpoint("run", step: 3)]).contains("vectors.txt (--init-embeddings)"))
            let wide = try sandbox.lockstep(["train", "--run", "new"] + Sandbox.small + ["--init-embeddings", vectors, "--set", "model.embedding=9"])
            expectRefusal(wide, status: 65, ["vectors.txt, line 1", "expected 9 values", "found 8"])
        }

        /// Whatever the optimizer would do to a parameter without gradient, and however gradients are summed.
        @Test(arguments: [
            (["training.optimizer={name: adamw, weight_decay: 0.5}"], 1), (["training.reproducible_shards=2"], 2),
            (["training.optimizer={name: nt_asgd, nonmonotone_interval: 0, learning_rate: 50, weight_decay: 0.01}", "validation={every_steps: 1, streams: 2}"], 1),
            (["model.softmax={name: adaptive, cutoffs: [12]}", "exchange.sparse=false", "training.optimizer={name: sgd, learning_rate: 1, weight_decay: 0.01}"], 2),
            (["model.softmax={name: sampled, samples: 5}", "model.dropout=0.2", "training.optimizer.name=momentum"], 2),
        ])
        func aFrozenEmbeddingStays(settings: [String], ranks: Int) throws {
            let all = settings + ["model.freeze_embedding=true", "training.steps=6"]
            try sandbox.train("whole", all, ["--init-embeddings", vectors], ranks: ranks)
            try sandbox.train("part", all + ["training.steps=3"], ["--init-embeddings", vectors], ranks: ranks)
            try FileManager.default.removeItem(atPath: vectors)
            let (begun, end) = (try embedding("part", 3), try embedding("whole", 6))
            #expect(begun == end && end.contains(0.042) && end.contains(0.207))
            try sandbox.succeed(["train", "--run", "part", "--resume", "auto", "--set", "training.steps=6"], ranks: ranks)
            #expect(try sandbox.tensors("part", step: 6) == sandbox.tensors("whole", step: 6))
            // The rest is trained.
            let decoder = settings[0].contains("adaptive") ? "head.weight" : "decoder.weight"
            let weights: [[Float]] = try [("part", 3), ("whole", 6)].map {
                try SafetensorsFile("\(sandbox.checkpoint($0.0, step: $0.1))/model.safetensors").elements(of: decoder)
            }
            #expect(weights[0] != weights[1])
        }

        @Test func tiedWeightsAreNotFrozen() throws {
            let outcome = try sandbox.lockstep(
                ["train", "--run", "new"] + Sandbox.small + ["--set", "model={tied: true, hidden: 8, freeze_embedding: true}"])
            expectRefusal(outcome, status: 64, ["model.freeze_embedding", "model.tied"])
        }
    }
}
