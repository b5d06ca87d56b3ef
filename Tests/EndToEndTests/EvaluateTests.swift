import Foundation
import TestSupport
import Testing

extension CommandTests {
    struct EvaluateTests {
        private let sandbox: Sandbox
        private let run = Shared.run

        init() throws { sandbox = try Sandbox() }

        /// With as many streams it is the same computation as the validation of the training run.
        @Test(arguments: [nil, 2])
        func agreesWithTheRunsOwnValidation(ranks: Int?) throws {
            let settings = [
                "validation={streams: 7, every_steps: 20}", "checkpoint.every_steps=20", "model.dropout=0.2",
            ]
            try sandbox.train("run", settings, ranks: ranks)
            let validations = try sandbox.metrics("run").filter { $0.kind == "validation" }
            #expect(validations.map(\.step) == [20, 40, 50])
            for validation in validations {
                let checkpoint = sandbox.checkpoint("run", step: validation.step)
                let result = try sandbox.evaluate(checkpoint, ["--streams", "7"])
                #expect(abs(result.nats_per_token - validation.loss) < 1e-6)
                #expect(result.tokens == validation.tokens)
                #expect(result.step == validation.step)
            }
        }

        /// One stream, every token but the first predicted once, from left to right.
        @Test func defaultIsOneStream() throws {
            let result = try sandbox.evaluate(run)
            #expect(try result == sandbox.evaluate(run, ["--streams", "1"]))
            #expect(result.streams == 1)
            #expect(result.tokens == 4709)
            #expect(abs(result.nats_per_token - result.nll_sum / 4709) < 1e-12)
            #expect(abs(result.bits_per_token - result.nats_per_token / log(2)) < 1e-12)
            #expect(abs(result.perplexity - exp(result.nats_per_token)) < 1e-9)
            #expect(try result.nll_sum != sandbox.evaluate(run, ["--streams", "10"]).nll_sum)
        }

        @Test(arguments: [1, 2, 10], [2, 3])
        func ranksChangeNothing(streams: Int, ranks: Int) throws {
            let options = ["--streams", "\(streams)"]
            let command = ["evaluate", "--checkpoint", run, "--json"] + options
            #expect(try sandbox.succeed(command, ranks: ranks) == sandbox.succeed(command))
        }

        /// Each rank its own files, under the same names: what differs is named, with the ranks that have it.
        @Test(arguments: [
            ("split", "--split"), ("model", "the checkpoint's step"),
        ]) func ranksThatReadDifferentThingsAreRefused(what: String, name: String) throws {
            for (place, isOther) in [("n0", false), ("n1", true)] {
                try FileManager.default.createDirectory(atPath: sandbox.path(place), withIntermediateDirectories: true)
                try FileManager.default.copyItem(atPath: Shared.corpus, toPath: sandbox.path("\(place)/data"))
                let step = isOther && what == "model" ? 200 : 400
                try FileManager.default.copyItem(
                    atPath: "\(Shared.run)/checkpoints/step-000000\(step)", toPath: sandbox.path("\(place)/model"))
            }
            let outcome = try Launch.mpirun(
                ranks: 2, "sh",
                ["-c", "cd n$OMPI_COMM_WORLD_RANK; \(what == "split" ? "[ $OMPI_COMM_WORLD_RANK = 0 ] || set -- \"$@\" --split test;" : "") exec \"$@\"", "sh", Launch.product("lockstep"), "evaluate", "--checkpoint", "model", "--data", "data"],
                folder: sandbox.folder, timeout: 20)
            expectRefusal(outcome, status: 65, ["disagree on \(name)", "rank 0", "rank 1"], underMPI: true)
        }

        @Test func jsonNamesEverythingThatDecidesTheNumber() throws {
            let output = try sandbox.succeed(["evaluate", "--checkpoint", run, "--split", "test", "--json"])
            let object = try #require(try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any])
            #expect(
                Set(object.keys).isSuperset(of: [
                    "nll_sum", "tokens", "nats_per_token", "bits_per_token", "perplexity", "unit", "split", "streams",
                    "state",
                    "unknown_tokens", "unknown_predictions", "unknown_nll_sum", "perplexity_without_unknown", "checkpoint", "step", "model_sha256", "vocabulary_sha256", "data", "data_sha256",
                ]))
            #expect(object["unit"] as? String == "character")
            #expect(object["split"] as? String == "test")
            #expect(object["tokens"] as? Int == 4682)
            #expect(object["unknown_tokens"] as? Int == 0)
            for name in ["model_sha256", "vocabulary_sha256", "data_sha256"] {
                #expect((object[name] as? String)?.count == 64, "\(name)")
            }
            let model = "\(try #require(object["checkpoint"] as? String))/model.safetensors"
            #expect(try object["model_sha256"] as? String == sha256(of: model))
            #expect(try object["data_sha256"] as? String == sha256(of: "\(Shared.corpus)/test.npy"))
        }

        @Test func hashesFitATerminal() throws {
            let lines = try sandbox.succeed(["evaluate", "--checkpoint", run, "--streams", "9"]).split(separator: "\n")
            #expect(lines.contains("tokens scored       4,709 (the first token is not predicted; 0 <unk>)"))
            let hashes = lines.filter { $0.contains(/[0-9a-f]{64}/) }
            #expect(hashes.count == 3 && hashes.allSatisfy { $0.count < 80 }, "\(hashes)")
        }

        /// A vocabulary too small for the text: what `<unk>` costs is told apart.
        @Test func perplexityIsGivenWithAndWithoutUnknownWords() throws {
            let text = try sandbox.write(
                String(repeating: "one two three one two one four five six seven\n", count: 60), to: "text.txt")
            let parts = ["train", "valid", "test"].flatMap { ["--\($0)", text] }
            try sandbox.succeed(["prepare"] + parts + ["--level", "word", "--vocabulary-size", "5", "--output", "words"])
            try sandbox.succeed(
                ["train", "--run", "run", "--data", "words", "--set", "model={layers: 1, embedding: 4, hidden: 8}", "--set",
                    "training={streams: 4, unroll: 8, steps: 10}"])
            for streams in [1, 3] {
                let output = try sandbox.succeed(["evaluate", "--checkpoint", "run", "--json", "--streams", "\(streams)"])
                let object = try #require(try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any])
                let number = { (name: String) in try #require((object[name] as? NSNumber)?.doubleValue) }
                let (tokens, unknown) = (try number("tokens"), try number("unknown_predictions"))
                // Of seven words three have a place beside <unk> and <eos>.
                #expect(try tokens == 659 && unknown > 200 && unknown == number("unknown_tokens"))
                let rest = exp((try number("nll_sum") - number("unknown_nll_sum")) / (tokens - unknown))
                #expect(try abs(number("perplexity_without_unknown") - rest) < 1e-9 * rest)
                #expect(try abs(rest - number("perplexity")) > 1e-3)
            }
            #expect(try sandbox.succeed(["evaluate", "--checkpoint", "run"]).contains("without <unk>"))
        }

        private func sha256(of path: String) throws -> String {
            String(try Launch.run("sha256sum", [path]).output.prefix(64))
        }

        @Test func textForPeopleHasTheSameNumbers() throws {
            let text = try sandbox.succeed(["evaluate", "--checkpoint", run])
            let result = try sandbox.evaluate(run)
            #expect(text.contains(String(format: "%.6f", result.perplexity)))
            #expect(text.contains(String(format: "%.4f nats", result.nll_sum)))
            #expect(text.contains("bits per character"))
            #expect(text.contains("4,709"))
        }

        /// The text that a split was made from gives what the split gives.
        @Test func textFileEqualsItsSplit() throws {
            let split = try sandbox.evaluate(run, ["--split", "test"])
            let text = try sandbox.evaluate(run, ["--text", "\(Shared.corpus)/test.txt"])
            #expect(split.nll_sum == text.nll_sum)
            #expect(split.tokens == text.tokens)
        }

        /// `best` is what a run folder stands for.
        @Test func aRunFolderMeansItsBestCheckpoint() throws {
            try sandbox.train("run", ["checkpoint.every_steps=20"])
            let best = try String(contentsOfFile: sandbox.path("run/checkpoints/best"), encoding: .utf8)
            #expect(best == "step-000000050\n")
            try "step-000000020\n".write(
                toFile: sandbox.path("run/checkpoints/best"), atomically: true, encoding: .utf8)
            #expect(try sandbox.evaluate("run").step == 20)
            #expect(try sandbox.evaluate(sandbox.checkpoint("run", step: 40)).step == 40)
        }

        /// The first of several ranks alone prints.
        @Test func oneReportFromSeveralRanks() throws {
            let output = try sandbox.succeed(["evaluate", "--checkpoint", run], ranks: 3)
            #expect(output.components(separatedBy: "perplexity").count == 2)
        }
    }
}
