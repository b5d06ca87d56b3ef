import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// Models that read and predict numbers, from `prepare` to `score`.
    struct ValueTests {
        private let sandbox: Sandbox

        init() throws {
            sandbox = try Sandbox()
            try sandbox.succeed(["prepare", "--sample", "adding", "--problems", "1000", "--length", "4", "--output", "adding"])
        }

        private struct Certificate: Decodable {
            let mean_squared_error: Double
            let predictions: Int
            let perplexity: Double?
        }

        private func train(_ run: String, _ settings: [String] = [], ranks: Int? = nil, _ options: [String] = []) throws {
            let own = [
                "data.path=adding", "model={layers: 1, embedding: 8, hidden: 16, output: values}",
                "training={streams: 20, batching: sentences, epochs: 10}", "training.optimizer.learning_rate=0.03", "checkpoint.every_minutes=0",
            ]
            try sandbox.succeed(["train", "--run", run] + options + (own + settings).flatMap { ["--set", $0] }, ranks: ranks)
        }

        private func evaluate(_ run: String, ranks: Int? = nil) throws -> Certificate {
            let output = try sandbox.succeed(["evaluate", "--checkpoint", run, "--split", "valid", "--json"], ranks: ranks)
            return try JSONDecoder().decode(Certificate.self, from: Data(output.utf8))
        }

        /// Better than the mean, whose error is 1/6; the same bytes on two ranks with shards; and what is scored is what was evaluated.
        @Test func aModelLearnsToAdd() throws {
            try train("alone", ["training.reproducible_shards=4"])
            let result = try evaluate("alone")
            #expect(result.mean_squared_error < 0.01 && result.predictions == 100 && result.perplexity == nil)
            #expect(try evaluate("alone", ranks: 2).mean_squared_error == result.mean_squared_error)
            try train("two", ["training.reproducible_shards=4"], ranks: 2)
            #expect(try sandbox.tensors("two", step: 400) == sandbox.tensors("alone", step: 400))

            let text = try sandbox.write("0.25,0\n0.5,1\n,\n0.125,1\n0.75,0\n0,0\n\n0.25,1\n0.5,1\n", to: "rows.csv")
            let scored = try sandbox.succeed(["score", "--checkpoint", "alone", text])
            let lines = scored.components(separatedBy: "\n")
            #expect(lines.count == 10 && lines[6].isEmpty && lines.filter { Float($0) != nil }.count == 8, "\(scored)")
            #expect(try sandbox.succeed(["evaluate", "--checkpoint", "alone", "--split", "valid"]).contains("mean squared error"))
        }

        @Test func nGramsCountNoNumbers() throws {
            for option in [["--dry-run"], []] {
                let outcome = try sandbox.lockstep(["train", "--run", "ngram", "--data", "adding", "--set", "model.cell=ngram"] + option)
                expectRefusal(outcome, status: 64, ["model.cell", "the dataset has numbers", "found ngram with adding"])
            }
        }

        /// No page, table or record of it has a perplexity.
        @Test func everyPlaceShowsTheSquaredError() throws {
            try train("run", ["training.epochs=1"])
            let records = try String(contentsOfFile: sandbox.path("run/metrics.jsonl"), encoding: .utf8)
            #expect(records.contains("\"root_mean_squared_error\":") && !records.contains("perplexity"))
            for path in ["run", "run/checkpoints/step-000000040"] {
                let text = try sandbox.succeed(["inspect", path])
                #expect(text.contains("mean squared error") && text.contains("root") && !text.contains("perplexity") && !text.contains("per token"), "\(text)")
            }
            #expect(try sandbox.succeed(["inspect", "adding"]).contains("split   rows  sequences"))
            try sandbox.succeed(["report", "run"])
            let page = try String(contentsOfFile: sandbox.path("run/report.html"), encoding: .utf8)
            #expect(page.contains("best validation error") && page.contains("id=\"error\"") && !page.contains("perplexity"))
        }

        @Test func whatDoesNotFitIsRefused() throws {
            func refuse(_ arguments: [String], _ words: String, status: Int32 = 64) throws {
                let outcome = try sandbox.lockstep(arguments)
                #expect(outcome.status == status && outcome.errors.contains(words), "\(arguments): \(outcome.status) \(outcome.errors)")
            }
            let data = ["--set", "data.path=adding"]
            try refuse(["train", "--run", "r"] + data, "set model.output to values")
            try refuse(["train", "--run", "r", "--set", "model.output=values"] + data, "sentences with model.output values")
            try refuse(
                ["train", "--run", "r", "--data", Shared.corpus, "--set", "model.output=values", "--set", "training.batching=sentences"],
                "no numbers to predict")
            try train("short", ["training.steps=2", "training.epochs=1"])
            try refuse(["export", "--checkpoint", "short", "--embeddings", "--output", "v.txt"], "has no word vectors")
            try refuse(["generate", "--checkpoint", "short"], "the model predicts values and not the next token")
            let text = try sandbox.write("0.5,1\n0.5\n", to: "rows.csv")
            try refuse(["score", "--checkpoint", "short", text], "line 2", status: 65)
            try refuse(["score", "--checkpoint", "short", "--tokens", text], "--tokens is not for a model that reads numbers")
            try refuse(["score", "--checkpoint", "short", "--log-base", "2", text], "--log-base is not for a model that reads numbers")
            try refuse(["evaluate", "--checkpoint", "short", "--data", Shared.corpus], "the dataset has no values")
        }
    }
}
