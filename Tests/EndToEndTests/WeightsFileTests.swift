import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// A model straight from a .safetensors file with PyTorch's names.
    struct WeightsFileTests {
        private let sandbox: Sandbox
        private let weights: String

        init() throws {
            sandbox = try Sandbox()
            weights = "\(Shared.run)/checkpoints/step-000000400/model.safetensors"
        }

        @Test func saysWhatItsCheckpointSays() throws {
            let options = ["--vocabulary", Shared.corpus]
            let whole = try sandbox.evaluate("\(Shared.run)/checkpoints/step-000000400", ["--streams", "4"])
            let output = try sandbox.succeed(["evaluate", "--checkpoint", weights, "--json", "--streams", "4"] + options)
            let file = try #require(try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any])
            #expect(file["nll_sum"] as? Double == whole.nll_sum)
            #expect(file["checkpoint"] as? String == weights && file["step"] == nil)
            for command in [["generate", "--length", "30"], ["complete", "A car "], ["score", sandbox.path("lines")]] {
                _ = try sandbox.write("A car\n", to: "lines")
                let expected = try sandbox.succeed(command + ["--checkpoint", "\(Shared.run)/checkpoints/step-000000400"])
                for vocabulary in [Shared.corpus, Shared.run, "\(Shared.corpus)/vocabulary.json"] {
                    #expect(try sandbox.succeed(command + ["--checkpoint", weights, "--vocabulary", vocabulary]) == expected)
                }
            }
            let text = try sandbox.succeed(["inspect", weights, "--vocabulary", Shared.corpus])
            #expect(text.contains("lstm 1 x 24, embedding 8, vocabulary 57") && text.contains("level character"), "\(text)")
        }

        @Test func whatNeitherDescriptionNorShapesTellIsAsked() throws {
            try sandbox.train("run", ["model.cell=gru_reset_after", "training.steps=2"])
            let own = "\(sandbox.checkpoint("run", step: 2))/model.safetensors"
            let expected = "\(try sandbox.evaluate("run").nll_sum)"
            func evaluate(_ file: String) -> [String] { ["evaluate", "--json", "--vocabulary", Shared.corpus, "--checkpoint", file] }
            #expect(try sandbox.succeed(evaluate(own)).contains(expected))
            let denied = try sandbox.lockstep(evaluate(own) + ["--cell", "gru"])
            expectRefusal(denied, status: 65, ["--cell contradicts what the file says of itself", "expected gru_reset_after"])
            let gru = try sandbox.write(undescribed(own), to: "foreign.safetensors")
            let asked = try sandbox.lockstep(evaluate(gru))
            #expect(asked.status == 65)
            #expect(asked.errors.contains("gru or gru_reset_after; say which with --cell"), "\(asked.errors)")
            #expect(try sandbox.succeed(evaluate(gru) + ["--cell", "gru_reset_after"]).contains(expected))
            #expect(try sandbox.lockstep(evaluate(gru) + ["--cell", "lstm"]).errors.contains("not the recurrent weights of such a cell"))
            #expect(try sandbox.succeed(["inspect", gru]).contains("gru or gru_reset_after 1 x 24"))
        }

        /// The names of torch.nn.AdaptiveLogSoftmaxWithLoss show the clusters.
        @Test func anAdaptiveSoftmaxShowsByItsNames() throws {
            try sandbox.train("run", ["model.softmax={name: adaptive, cutoffs: [12, 30], divisor: 3}", "training.steps=2"])
            let own = "\(sandbox.checkpoint("run", step: 2))/model.safetensors"
            let foreign = try sandbox.write(undescribed(own), to: "foreign.safetensors")
            let evaluate = ["evaluate", "--json", "--vocabulary", Shared.corpus, "--checkpoint", foreign]
            #expect(try sandbox.succeed(evaluate).contains("\(try sandbox.evaluate("run").nll_sum)"))
            #expect(try sandbox.succeed(["inspect", foreign]).contains("softmax adaptive, cutoffs 12 30, projections 8 2"))
            let other = ["train", "--run", "other"] + Sandbox.small + ["--init-from", foreign, "--set"]
            let full = try sandbox.lockstep(other + ["training.steps=1", "--dry-run"])
            #expect(full.output.contains("5 of 7 parameters from foreign.safetensors") || full.output.contains("not taken: decoder.weight, decoder.bias: not there"))
            #expect(full.output.contains("not used: head.weight"), "\(full.output) \(full.errors)")
            // A tensor of another size, and one that is missing.
            var bytes = try Data(contentsOf: URL(filePath: foreign))
            bytes.replaceSubrange(try #require(bytes.range(of: Data("tail.1.0.weight".utf8))), with: Data("tail.7.0.weight".utf8))
            let missing = try sandbox.write(bytes, to: "missing.safetensors")
            expectRefusal(
                try sandbox.lockstep(["evaluate", "--vocabulary", Shared.corpus, "--checkpoint", missing]), status: 65, ["tail.1.0.weight"])
        }

        @Test(arguments: [("cell", "\\\"lstm", "\\\"lost"), ("hidden", "\\\"hidden\\\":24", "\\\"hidden\\\":-4"), ("embedding", "\\\"embedding\\\":8", "\\\"embedding\\\":9")])
        func aDamagedDescriptionIsRefused(what: String, old: String, new: String) throws {
            var bytes = try Data(contentsOf: URL(filePath: weights))
            bytes.replaceSubrange(try #require(bytes.range(of: Data(old.utf8))), with: Data(new.utf8))
            let damaged = try sandbox.write(bytes, to: "damaged.safetensors")
            let refused = try sandbox.lockstep(["evaluate", "--vocabulary", Shared.corpus, "--checkpoint", damaged])
            expectRefusal(refused, status: 65, ["damaged.safetensors"])
        }

        /// The file without what lockstep says of it, as another program would write it.
        private func undescribed(_ file: String) throws -> Data {
            var bytes = try Data(contentsOf: URL(filePath: file))
            let key = try #require(bytes.range(of: Data("\"lockstep\"".utf8)))
            bytes.replaceSubrange(key, with: Data("\"somebody\"".utf8))
            return bytes
        }

        @Test func aVocabularyThatIsNotItsOwnIsRefused() throws {
            let none = try sandbox.lockstep(["evaluate", "--checkpoint", weights])
            #expect(none.status == 64 && none.errors.contains("--vocabulary"))
            let list = try sandbox.write("a\nb\n", to: "list")
            for command in [["evaluate", "--checkpoint", weights], ["inspect", weights]] {
                let other = try sandbox.lockstep(command + ["--vocabulary", list])
                #expect(other.status == 65 && other.errors.contains("expected 57 tokens, found 2 tokens"), "\(other.errors)")
            }
            let given = try sandbox.lockstep(["evaluate", "--checkpoint", Shared.run, "--vocabulary", Shared.corpus])
            #expect(given.status == 64 && given.errors.contains("--vocabulary is for a .safetensors file"))
            let noData = try sandbox.lockstep(["evaluate", "--checkpoint", weights, "--vocabulary", Shared.run])
            #expect(noData.status != 0 && noData.errors.contains("give --data FOLDER or --text FILE"), "\(noData.errors)")
        }
    }
}
