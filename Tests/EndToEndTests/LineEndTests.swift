import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// `training.line_end`.
    struct LineEndTests {
        private let sandbox: Sandbox
        private let text: String

        init() throws {
            sandbox = try Sandbox()
            let lines = try String(contentsOfFile: "\(Shared.corpus)/test.txt", encoding: .utf8).components(separatedBy: "\n")
            text = try sandbox.write(lines.prefix(30).map { $0 + "\n" }.joined(), to: "text.txt")
        }

        private func evaluate(_ run: String, _ options: [String] = []) throws -> Certificate {
            let output = try sandbox.succeed(["evaluate", "--checkpoint", run, "--text", text, "--json"] + options)
            return try JSONDecoder().decode(Certificate.self, from: Data(output.utf8))
        }

        private struct Certificate: Decodable {
            let nll_sum: Double
            let line_end: String
            let state: String
        }

        private struct Manifest: Decodable {
            struct Model: Decodable {
                struct LineEnd: Decodable {
                    let rule: String
                    let token: Int
                }
                let line_end: LineEnd?
            }
            let model: Model
        }

        private struct Line: Decodable {
            let log_probabilities: [Double]
        }

        @Test func theScoresOfTheLinesAreTheLossOfTheText() throws {
            try sandbox.train("run", ["training.line_end=reset"])
            let certificate = try evaluate("run")
            #expect(certificate.line_end == "reset" && certificate.state == "zero at the start of each line")
            let output = try sandbox.succeed(["score", "--checkpoint", "run", "--tokens", text])
            let scores = try output.split(separator: "\n").flatMap {
                try JSONDecoder().decode(Line.self, from: Data($0.utf8)).log_probabilities
            }
            #expect(abs(scores.dropFirst().reduce(0, +) + certificate.nll_sum) < 1e-6)
            let carried = try sandbox.succeed(["score", "--checkpoint", "run", "--carry-state", text])
            #expect(try carried == sandbox.succeed(["score", "--checkpoint", "run", text]))
        }

        @Test func theCheckpointSaysIt() throws {
            for (rule, recorded) in [("carry", nil), ("cut", "cut"), ("reset", "reset")] {
                try sandbox.train(rule, ["training.line_end=\(rule)", "training.steps=3"])
                let manifest = try JSONDecoder().decode(
                    Manifest.self, from: Data(contentsOf: URL(filePath: "\(sandbox.checkpoint(rule, step: 3))/manifest.json")))
                #expect(manifest.model.line_end?.rule == recorded)
                #expect(try evaluate(rule).line_end == rule)
            }
            // Which state a token is trained from cannot change in the middle of a run.
            let outcome = try sandbox.lockstep(["train", "--run", "reset", "--resume", "auto", "--set", "training.line_end=cut"])
            #expect(outcome.status == 64 && outcome.errors.contains("training.line_end"), "\(outcome.errors)")
        }

        @Test func aRunOnRanksIsTheSameRun() throws {
            let settings = ["training.line_end=reset", "training.reproducible_shards=12", "training.random_unroll=true"]
            try sandbox.train("one", settings)
            try sandbox.train("two", settings, ranks: 2)
            #expect(try sandbox.tensors("one", step: 50) == sandbox.tensors("two", step: 50))
        }

        @Test func aTextWithoutLinesIsRefused() throws {
            let text = try sandbox.write(String(repeating: "a text without an end ", count: 200), to: "endless.txt")
            try sandbox.succeed(["prepare", "--input", text, "--level", "char", "--output", "endless"])
            for rule in ["cut", "reset"] {
                let outcome = try sandbox.lockstep(["train", "--data", "endless", "--run", "run", "--set", "training.line_end=\(rule)"])
                #expect(outcome.status == 64)
                #expect(outcome.errors.contains("training.line_end: the vocabulary has no token that ends a line"), "\(outcome.errors)")
                #expect(outcome.errors.contains("set it to carry"))
                #expect(!FileManager.default.fileExists(atPath: sandbox.path("run")))
            }
        }
    }
}
