import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// `--mix` and `--weight`, in every command that predicts.
    struct MixtureTests {
        private let sandbox: Sandbox

        init() throws {
            sandbox = try Sandbox()
            try sandbox.succeed(["train", "--data", Shared.corpus, "--set", "model={cell: ngram, order: 2}", "--run", "grams"])
        }

        private struct Certificate: Decodable {
            struct Member: Decodable {
                let checkpoint, model_sha256: String
                let weight: Double
            }
            let perplexity: Double
            let mixture: [Member]
        }

        private let mix = ["evaluate", "--checkpoint", Shared.run, "--mix", "grams", "--json"]

        /// Better than either model, with the weights that were found in the certificate, and the same on any ranks and threads.
        @Test func aMixtureIsBetterThanItsModels() throws {
            let outcome = try sandbox.lockstep(mix)
            #expect(outcome.status == 0 && outcome.errors.contains("saves this search"), "\(outcome.errors)")
            #expect(try sandbox.succeed(mix, ranks: 3) == outcome.output)
            #expect(try sandbox.succeed(mix + ["--weight", "auto"]) == outcome.output)
            var environment = ProcessInfo.processInfo.environment
            environment["OMP_NUM_THREADS"] = "1"
            #expect(try Launch.run(Launch.product("lockstep"), mix, environment: environment, folder: sandbox.folder).output == outcome.output)
            let result = try JSONDecoder().decode(Certificate.self, from: Data(outcome.output.utf8))
            #expect(result.mixture.count == 2 && abs(result.mixture.reduce(0) { $0 + $1.weight } - 1) < 1e-9)
            #expect(try result.perplexity < sandbox.evaluate("grams").perplexity && result.perplexity < sandbox.evaluate(Shared.run).perplexity)
            #expect(outcome.output.contains("\"fitted_on\"") && outcome.output.contains("\"split\" : \"valid\""))
            // The weight that is printed gives the same number, and half of each is no better.
            let weight = "\(result.mixture[1].weight)"
            let repeated = try JSONDecoder().decode(Certificate.self, from: Data(sandbox.succeed(mix + ["--weight", weight]).utf8))
            #expect(repeated.perplexity == result.perplexity)
            let half = try JSONDecoder().decode(Certificate.self, from: Data(sandbox.succeed(mix + ["--weight", "0.5"]).utf8))
            #expect(half.mixture.map(\.weight) == [0.5, 0.5] && half.perplexity >= result.perplexity)
            // The streams of the evaluation do not change what is fitted.
            let streams = try JSONDecoder().decode(Certificate.self, from: Data(sandbox.succeed(mix + ["--streams", "7"]).utf8))
            #expect(streams.mixture.map(\.weight) == result.mixture.map(\.weight) && streams.perplexity != result.perplexity)
            let text = try sandbox.succeed(mix.dropLast() + ["--weight", weight])
            #expect(text.contains("mixture             \(String(format: "%.6f", result.mixture[0].weight)) of "), "\(text)")
        }

        @Test func everyCommandMixes() throws {
            for command in [["score", try sandbox.write("A train\n", to: "line")], ["complete", "A tra"], ["generate", "--length", "20"]] {
                let mixed = try sandbox.succeed(command + ["--checkpoint", Shared.run, "--mix", "grams", "--weight", "0.9"])
                #expect(try mixed != sandbox.succeed(command + ["--checkpoint", Shared.run]), "\(command)")
                #expect(try mixed == sandbox.succeed(command + ["--checkpoint", "grams", "--mix", Shared.run, "--weight", "0.1"]), "\(command)")
            }
        }

        /// A bare file of weights and the ARPA file of a program that has the same words in another order; three models.
        @Test func filesOfOtherProgramsMix() throws {
            let text = try sandbox.write(String(repeating: "a b c a b\nb c a\nc c a b a\na\n", count: 30), to: "text")
            try sandbox.succeed(["prepare", "--level", "word", "--train", text, "--valid", text, "--output", "words"])
            try sandbox.succeed(["train", "--data", "words", "--run", "counted", "--set", "model={cell: ngram, order: 3}"])
            try sandbox.train("run", ["training.steps=5"], ["--data", "words"])
            let weights = "\(sandbox.checkpoint("run", step: 5))/model.safetensors"
            let arpa = try String(contentsOfFile: "\(sandbox.checkpoint("counted", step: 1))/model.arpa", encoding: .utf8)
            // The lines of each section backwards.
            let sections = arpa.components(separatedBy: "\n\n").map { section in
                let lines = section.components(separatedBy: "\n")
                return section.contains("grams:") ? ([lines[0]] + lines.dropFirst().filter { !$0.isEmpty }.reversed()).joined(separator: "\n") : section
            }
            let other = try sandbox.write(sections.joined(separator: "\n\n"), to: "other.arpa")
            #expect(try String(contentsOfFile: other, encoding: .utf8) != arpa)
            func evaluate(_ options: [String]) throws -> Double {
                let output = try sandbox.succeed(["evaluate", "--text", text, "--weight", "0.25", "--json"] + options)
                return try JSONDecoder().decode(Certificate.self, from: Data(output.utf8)).perplexity
            }
            let expected = try evaluate(["--checkpoint", "run", "--mix", "counted"])
            #expect(try abs(evaluate(["--checkpoint", weights, "--vocabulary", "words", "--mix", other]) - expected) < 1e-6 * expected)
            // The other way round, the ARPA file first.
            let reversed = try evaluate(["--checkpoint", "counted", "--mix", "run"])
            for options in [["--mix", "run"], ["--mix", weights, "--vocabulary", "words"]] {
                #expect(try abs(evaluate(["--checkpoint", other] + options) - reversed) < 1e-6 * reversed)
            }
            expectRefusal(
                try sandbox.lockstep(["evaluate", "--checkpoint", "run", "--mix", weights, "--text", text]), status: 64,
                ["model.safetensors", "does not say what its tokens stand for", "--vocabulary"])
            expectRefusal(
                try sandbox.lockstep(["evaluate", "--checkpoint", "run", "--mix", other, "--vocabulary", "words"]), status: 64,
                ["--vocabulary is for a .safetensors file"])
            try sandbox.succeed(["train", "--data", "words", "--run", "bigrams", "--set", "model={cell: ngram, order: 2}"])
            let three = try sandbox.succeed(["evaluate", "--checkpoint", "run", "--mix", "counted", "--mix", "bigrams"])
            #expect(three.components(separatedBy: "\nmixture ").count == 4)
        }

        @Test func whatCannotBeMixedIsRefused() throws {
            func refuse(_ arguments: [String], _ fragments: [String], status: Int32 = 64, ranks: Int? = nil) throws {
                expectRefusal(try sandbox.lockstep(arguments, ranks: ranks), status: status, fragments, underMPI: ranks != nil)
            }
            for weight in ["0", "1", "-0.1", "nan", "half"] {
                try refuse(mix + ["--weight", weight], ["--weight", "above 0 and below 1", weight])
            }
            try refuse(mix + ["--weight", "0.5", "--weight", "0.2"], ["one weight for each --mix", "0.5, 0.2"])
            try refuse(mix + ["--weight", "auto", "--weight", "0.2"], ["one weight for each --mix"])
            try refuse(mix + ["--mix", "other", "--weight", "0.5", "--weight", "0.6"], ["sum below 1", "0.5 + 0.6", "--checkpoint has what is left"])
            for command in ["evaluate", "score"] {
                try refuse([command, "--checkpoint", Shared.run, "--weight", "0.5"], ["--weight", "--mix"])
            }
            try refuse(["evaluate", "--checkpoint", Shared.run, "--mix", Shared.run], ["this model twice", "leave one out"])
            try refuse(["evaluate", "--checkpoint", "grams", "--mix", Shared.run, "--mix", "grams"], ["this model twice"], ranks: 2)
            try refuse(mix + ["--mix", "nowhere"], ["nowhere"], status: 65)
            // As many tokens, of which two are exchanged.
            try FileManager.default.createSymbolicLink(atPath: sandbox.path("other"), withDestinationPath: Shared.corpus)
            let swap = """
                tr 'eo' 'oe' < other/train.txt > t; tr 'eo' 'oe' < other/valid.txt > v
                "$0" prepare --level char --train t --valid v --output exchanged &&
                "$0" train --data exchanged --run exchanged-grams --set 'model={cell: ngram, order: 2}'
                """
            #expect(try Launch.run("sh", ["-c", swap, Launch.product("lockstep")], folder: sandbox.folder).status == 0)
            try refuse(
                ["evaluate", "--checkpoint", Shared.run, "--mix", "exchanged-grams"],
                ["the vocabulary is not that of", "57 tokens", "'e'", "'o'", "trained on one dataset"], status: 65)
        }

        /// auto needs a validation part.
        @Test func withoutAValidationPartTheWeightsAreUnknown() throws {
            let text = "\(Shared.corpus)/train.txt"
            try sandbox.succeed(["prepare", "--level", "char", "--input", text, "--split", "90,0,10", "--output", "corpus"])
            for order in [2, 3] {
                try sandbox.succeed(["train", "--data", "corpus", "--run", "run-\(order)", "--set", "model={cell: ngram, order: \(order)}"])
            }
            let mix = ["evaluate", "--checkpoint", "run-2", "--mix", "run-3", "--split", "test"]
            expectRefusal(try sandbox.lockstep(mix), status: 64, ["corpus", "no validation part", "--weight 0.5"])
            try sandbox.succeed(mix + ["--weight", "0.5"])
            try FileManager.default.removeItem(atPath: sandbox.path("corpus"))
            let score = ["score", "--checkpoint", "run-2", "--mix", "run-3", text]
            expectRefusal(try sandbox.lockstep(score), status: 64, ["are not there", "--weight 0.5"])
        }
    }
}
