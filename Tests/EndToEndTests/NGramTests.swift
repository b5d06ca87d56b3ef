import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// n-gram models, by every command that takes a model.
    struct NGramTests {
        private let sandbox: Sandbox

        init() throws { sandbox = try Sandbox() }

        /// Two lines for which KenLM gives the probabilities.
        private static let text = "a a b a\nb a a b\n"

        private func trainOnWords() throws {
            let file = try sandbox.write(Self.text, to: "text")
            try sandbox.succeed(["prepare", "--level", "word", "--train", file, "--valid", file, "--output", "words"])
            try sandbox.succeed(["train", "--data", "words", "--run", "run", "--set", "model={cell: ngram, order: 3}"])
        }

        /// The same bytes twice, and on any number of ranks, for characters of the shared corpus.
        @Test func theSameBytesOnAnyNumberOfRanks() throws {
            let train = ["train", "--data", Shared.corpus, "--set", "model={cell: ngram, order: 5}", "--run"]
            func files(_ run: String) throws -> [Data] {
                try ["model.safetensors", "state.safetensors", "model.arpa"].map {
                    try Data(contentsOf: URL(filePath: "\(sandbox.checkpoint(run, step: 1))/\($0)"))
                }
            }
            try sandbox.succeed(train + ["one"])
            let one = try files("one")
            try sandbox.succeed(train + ["again"])
            #expect(try files("again") == one)
            for ranks in [2, 3] {
                try sandbox.succeed(train + ["ranks-\(ranks)"], ranks: ranks)
                #expect(try files("ranks-\(ranks)") == one, "\(ranks) ranks")
            }
            // The run's own validation is evaluate's, on any number of ranks.
            let validation = try #require(try sandbox.metrics("one").first { $0.kind == "validation" })
            let result = try sandbox.evaluate("one")
            #expect(result.nats_per_token == validation.loss && result.step == 1)
            #expect(try sandbox.evaluate("one", ["--streams", "7"], ranks: 3) == sandbox.evaluate("one", ["--streams", "7"]))
            // Five characters tell much more than one.
            try sandbox.succeed(["train", "--data", Shared.corpus, "--set", "model={cell: ngram, order: 1}", "--run", "unigrams"])
            #expect(try result.perplexity < 0.3 * sandbox.evaluate("unigrams").perplexity)
            #expect(try (60...61).contains(sandbox.succeed(["generate", "--checkpoint", "one", "--length", "60"]).count))
        }

        /// evaluate, score, complete, generate and inspect; and the same from the ARPA file.
        @Test func everyCommandTakesIt() throws {
            try trainOnWords()
            let arpa = "\(sandbox.checkpoint("run", step: 1))/model.arpa"
            let zipped = sandbox.path("model.arpa.gz")
            try Data(gzipped(Array(Data(contentsOf: URL(filePath: arpa))))).write(to: URL(filePath: zipped))
            let lines = try sandbox.write("a a b a\nb a a b\n\na c\n", to: "lines")
            let scores = try sandbox.succeed(["score", "--checkpoint", "run", "--log-base", "10", lines]).split(separator: "\n").map { Double($0)! }
            // <s> a a b a </s>, by the table of three-grams.
            #expect(abs(scores[0] - (-0.3771202 - 0.1488509 - 0.2010289 - 0.2997394 - 0.4208291)) < 1e-5)
            #expect(scores.count == 4)
            for file in [arpa, zipped] {
                for command in [["score", "--tokens", lines], ["complete", "a a"], ["generate", "--length", "30"], ["evaluate", "--text", lines]] {
                    let (one, other) = (
                        try sandbox.succeed(command + ["--checkpoint", "run"]), try sandbox.succeed(command + ["--checkpoint", file])
                    )
                    // evaluate also says where the model is.
                    #expect(command[0] == "evaluate" ? one.prefix(200) == other.prefix(200) : one == other, "\(command)")
                }
            }
            let completion = try sandbox.succeed(["complete", "--checkpoint", "run", "a a ", "-k", "1"])
            #expect(completion == "0.629464\tb\n", "\(completion)")
            #expect(try sandbox.succeed(["inspect", "run"]).contains("3-gram, vocabulary 4"))
            #expect(try sandbox.succeed(["inspect", sandbox.checkpoint("run", step: 1)]).contains("5 + 7 + 7 n-grams"))
            #expect(try sandbox.succeed(["inspect", zipped]).contains("5 + 7 + 7 n-grams"))
        }

        /// What has no meaning for an n-gram model is named, and so is a fallback.
        @Test func saysWhatItDoes() throws {
            let file = try sandbox.write(Self.text, to: "text")
            try sandbox.succeed(["prepare", "--level", "word", "--train", file, "--valid", file, "--output", "words"])
            let train = ["train", "--data", "words", "--run", "run", "--set", "model={cell: ngram, order: 3, layers: 7}"]
            let dry = try sandbox.lockstep(train + ["--dry-run"])
            #expect(dry.status == 0 && dry.output.contains("dry run") && dry.output.contains("3-gram"), "\(dry.errors)")
            #expect(!FileManager.default.fileExists(atPath: sandbox.path("run")))
            let outcome = try sandbox.lockstep(train)
            #expect(outcome.status == 0)
            #expect(outcome.errors.contains("note: an n-gram model ignores model.layers"), "\(outcome.errors)")
            #expect(outcome.errors.contains("the counts of 3-grams are too regular to estimate discounts from (n1 = 6, n2 = 1, n3 = 0, n4 = 0)"))
            #expect(outcome.output.contains("perplexity"))
            // It is complete: there is nothing to resume.
            #expect(try sandbox.succeed(train + ["--resume", "auto"]).contains("nothing to do"))
            #expect(try refused(train).contains("the run folder already has checkpoints"))
            for command in ["bench", "verify"] {
                #expect(try refused([command, "--data", "words", "--set", "model.cell=ngram"]).contains("an n-gram model is counted, not trained step by step"))
            }
            #expect(try refused(["export", "--checkpoint", "run", "--format", "onnx", "--output", "lm"]).contains("only recurrent networks"))
            #expect(try refused(["train", "--data", "words", "--run", "b", "--set", "model.cell=ngram", "--init-from", "run"]).contains("--init-from"))
            #expect(try refused(["train", "--data", "words", "--run", "b", "--init-from", "run", "--set", "training={streams: 1, unroll: 2}", "--set", "validation.streams=1"]).contains("no weights to start from"))
            #expect(try refused(["train", "--data", "words", "--run", "b", "--set", "model.order=3"]).contains("model.order"))
        }

        /// Damage ends in a line with the place and the remedy, whichever file it is in.
        @Test func damageIsNamed() throws {
            try trainOnWords()
            let checkpoint = sandbox.checkpoint("run", step: 1)
            let arpa = try String(contentsOfFile: "\(checkpoint)/model.arpa", encoding: .utf8)
            let cut = try sandbox.write(arpa.split(separator: "\n").prefix(9).joined(separator: "\n") + "\n", to: "cut.arpa")
            let outcome = try sandbox.lockstep(["evaluate", "--checkpoint", cut, "--text", "text"])
            #expect(outcome.status == 65 && outcome.errors.contains("cut.arpa, line 10: "), "\(outcome.errors)")
            #expect(outcome.errors.contains("ends too early"))
            _ = try sandbox.write(arpa.replacing("a b", with: "b b"), to: "run/checkpoints/step-000000001/model.arpa")
            let other = try sandbox.lockstep(["evaluate", "--checkpoint", "run"])
            #expect(other.status == 65 && other.errors.contains("model.arpa"), "\(other.errors)")
        }

        private func refused(_ arguments: [String]) throws -> String {
            let outcome = try sandbox.lockstep(arguments)
            #expect(outcome.status == 64 || outcome.status == 65, "\(arguments): \(outcome.status) \(outcome.errors)")
            return outcome.errors
        }
    }
}
