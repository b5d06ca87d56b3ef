import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// Help, and the ways to begin a run.
    struct StartTests {
        @Test(arguments: ["prepare", "train", "evaluate", "generate", "complete", "score", "inspect", "bench", "verify", "doctor"])
        func everyCommandHasHelp(command: String) throws {
            let sandbox = try Sandbox()
            let text = try sandbox.succeed([command, "--help"])
            #expect(text.contains("USAGE: lockstep \(command)"))
            #expect(try sandbox.succeed(["help", command]) == text)
            #expect(try sandbox.succeed([]).contains(command))
        }

        @Test func tellsItsVersion() throws {
            let text = try Sandbox().succeed(["--version"])
            #expect(text.wholeMatch(of: /\d+\.\d+\.\d+\n/) != nil, "\(text)")
        }

        /// A new run takes settings from the defaults, a file and options, in that order.
        @Test func optionsOverrideTheFileAndTheFileTheDefaults() throws {
            let sandbox = try Sandbox()
            let file = try sandbox.write(
                "model: {hidden: 20, embedding: 8, layers: 1}\ntraining: {steps: 3, streams: 4, unroll: 8}\n",
                to: "my.yaml")
            try sandbox.succeed([
                "train", "--config", file, "--data", Shared.corpus, "--run", "run", "--set", "model.hidden=22",
                "--set", "training.steps=2", "--set", "training.steps=4",
            ])
            let text = try String(contentsOfFile: sandbox.path("run/config.yaml"), encoding: .utf8)
            for line in [
                "hidden: 22", "embedding: 8", "steps: 4", "streams: 4", "dropout: 0", "path: \"\(Shared.corpus)\"",
            ] {
                #expect(text.contains(line), "\(line)")
            }
            #expect(try sandbox.metrics("run").last?.step == 4)

            // The complete configuration, as run, runs again.
            try sandbox.succeed(["train", "--config", "run/config.yaml", "--run", "again"])
            #expect(try sandbox.tensors("again", step: 4) == sandbox.tensors("run", step: 4))
        }

        /// After the configuration file.
        @Test func runFolderHasADefault() throws {
            let sandbox = try Sandbox()
            _ = try sandbox.write("training: {steps: 2}\nmodel: {hidden: 8}\n", to: "mine.yaml")
            try sandbox.succeed(["train", "--config", "mine.yaml", "--data", Shared.corpus])
            #expect(FileManager.default.fileExists(atPath: sandbox.path("runs/mine/checkpoints/latest")))
        }

        /// From a run, a checkpoint and a file; only the weights are taken.
        @Test(arguments: ["", "/checkpoints/step-000000400", "/checkpoints/step-000000400/model.safetensors"])
        func beginsWithGivenWeights(source: String) throws {
            let sandbox = try Sandbox()
            try sandbox.train("new", ["training.steps=1"], ["--init-from", Shared.run + source])
            let loss = try #require(try sandbox.losses("new").first)
            let trained = try sandbox.evaluate(Shared.run).nats_per_token
            #expect(loss < trained + 0.5, "a new model would begin near ln 57 = 4.04")
            #expect(try sandbox.evaluate("new").step == 1)
        }

        /// With another softmax and an optimizer of its own, the run takes what fits; it resumes without the weights that it started from.
        @Test func takesWhatFitsAndResumesWithoutIt() throws {
            let sandbox = try Sandbox()
            try FileManager.default.copyItem(atPath: Shared.run, toPath: sandbox.path("old"))
            let settings = ["model.softmax={name: adaptive, cutoffs: [12], divisor: 2}", "training.optimizer.name=sgd"]
            let options = ["train", "--run", "new"] + Sandbox.small + settings.flatMap { ["--set", $0] }
            let begun = try sandbox.lockstep(options + ["--init-from", "old", "--set", "training.steps=2"])
            try #require(begun.status == 0, "\(begun.errors)")
            #expect(begun.errors.contains("5 of 8 parameters from old/checkpoints/step-000000400/model.safetensors: encoder.weight, rnn"))
            #expect(begun.errors.contains("not taken: head.weight, tail.0.0.weight, tail.0.1.weight: not there"))
            #expect(begun.errors.contains("not used: decoder.weight, decoder.bias"))
            try sandbox.train("whole", settings + ["training.steps=4"], ["--init-from", "old"])
            try FileManager.default.removeItem(atPath: sandbox.path("old"))
            try sandbox.succeed(["train", "--run", "new", "--resume", "auto", "--set", "training.steps=4"])
            #expect(try sandbox.tensors("new", step: 4) == sandbox.tensors("whole", step: 4))
            #expect(try sandbox.succeed(["inspect", "\(sandbox.checkpoint("new", step: 4))"]).contains("(--init-from), without head.weight"))
        }

        /// Rows are matched by character.
        @Test func anotherVocabularyIsMatchedByToken() throws {
            let sandbox = try Sandbox()
            let text = String(repeating: "The quick brown fox jumps over the lazy dog.\n", count: 200)
            _ = try sandbox.write(text, to: "other.txt")
            try sandbox.succeed(["prepare", "--input", "other.txt", "--level", "char", "--output", "other"])
            let begun = try sandbox.lockstep(
                ["train", "--run", "new"] + Sandbox.small + ["--data", "other", "--init-from", Shared.run, "--dry-run"])
            try #require(begun.status == 0, "\(begun.errors)")
            #expect(begun.output.contains("all 7 parameters from"))
            #expect(begun.output.contains("rows by token: ") && begun.output.contains(" tokens, 9"), "\(begun.output)")
        }

        @Test(arguments: [nil, 2])
        func pathsMayHaveSpacesAndAnyCharacter(ranks: Int?) throws {
            let sandbox = try Sandbox()
            let (data, run) = ("d\u{E4}ta 'of' mine & yours", "r\u{FC}n #1: \u{2603}")
            try FileManager.default.copyItem(atPath: Shared.corpus, toPath: sandbox.path(data))
            try sandbox.train(run, ["training.steps=2"], ["--data", data], ranks: ranks)
            try sandbox.succeed(
                ["train", "--run", run, "--resume", "auto", "--set", "training.steps=4"], ranks: ranks)
            let result = try sandbox.evaluate(run)
            #expect(result.step == 4)
            #expect(try sandbox.evaluate(run, ["--data", data]) == result)
            #expect(try sandbox.succeed(["inspect", run]).contains("step-000000004"))
            #expect(try sandbox.succeed(["generate", "--checkpoint", run, "--length", "5"]).count == 6)
        }

        /// Other levels than characters, from a text to a sample.
        @Test(arguments: [("word", "bits per word"), ("byte", "bits per byte")])
        func otherLevels(level: String, unit: String) throws {
            let sandbox = try Sandbox()
            try sandbox.succeed([
                "prepare", "--train", "\(Shared.corpus)/train.txt", "--valid", "\(Shared.corpus)/valid.txt",
                "--level", level, "--output", "data",
            ])
            try sandbox.train("run", ["training.steps=20"], ["--data", "data"])
            #expect(try sandbox.succeed(["evaluate", "--checkpoint", "run"]).contains(unit))
            let text = try sandbox.succeed(["generate", "--checkpoint", "run", "--prompt", "A car", "--length", "10"])
            #expect(text.hasPrefix("A car"))
            #expect(text.hasSuffix("\n"))
        }

        /// Ids and a list of pieces, from whatever tokenizer, to evaluation, score and sample.
        @Test func otherTokenizers() throws {
            let sandbox = try Sandbox()
            let pieces = (0..<57).map { "p\($0)" }
            _ = try sandbox.write(pieces.joined(separator: "\n") + "\n", to: "pieces.txt")
            let output = try sandbox.succeed([
                "prepare", "--tokens", "--input", "\(Shared.corpus)/train.npy", "--vocabulary", "pieces.txt", "--output",
                "data",
            ])
            #expect(output.contains("level       piece"))
            try sandbox.train("run", ["training.steps=20"], ["--data", "data"])
            #expect(try sandbox.succeed(["evaluate", "--checkpoint", "run"]).contains("bits per piece"))
            let text = try sandbox.succeed(["generate", "--checkpoint", "run", "--prompt", "p1 p2", "--length", "10"])
            #expect(text.hasPrefix("p1 p2 p"))
            #expect(text.split(whereSeparator: \.isWhitespace).allSatisfy { pieces.contains(String($0)) })
            let lines = try sandbox.write("p1 p2 p3\n\np4\n", to: "lines.txt")
            let scores = try sandbox.succeed(["score", "--checkpoint", "run", "--counts", lines]).split(separator: "\n")
            #expect(scores.map { $0.split(separator: "\t")[1] } == ["3", "0", "1"])
        }
    }
}
