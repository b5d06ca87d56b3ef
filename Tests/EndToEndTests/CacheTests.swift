import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// `--cache` and `--cache-tune`, in every command that predicts.
    struct CacheTests {
        private let sandbox: Sandbox

        /// A text that stays on a subject for six lines: what a cache is for.
        init() throws {
            sandbox = try Sandbox()
            func text(_ subjects: [Int]) -> String {
                subjects.map { String(repeating: "the w\($0) said that w\($0) and a w\($0)\n", count: 6) }.joined()
            }
            let training = try sandbox.write(text((0..<40).map { $0 * 7 % 40 }), to: "train.txt")
            let test = try sandbox.write(text((0..<40).map { $0 * 11 % 40 }), to: "test.txt")
            try sandbox.succeed(
                ["prepare", "--level", "word", "--train", training, "--valid", test, "--test", test, "--output", "words"])
            try sandbox.train("run", [], ["--data", "words"])
        }

        private struct Certificate: Decodable {
            struct Cache: Decodable {
                let positions: Int
                let theta, weight: Double
            }
            struct Fitted: Decodable { let split, data_sha256: String }
            let perplexity: Double
            let cache: Cache?
            let fitted_on: Fitted?
        }

        private func evaluate(_ options: [String], ranks: Int? = nil) throws -> Certificate {
            let output = try sandbox.succeed(["evaluate", "--checkpoint", "run", "--split", "test", "--json"] + options, ranks: ranks)
            return try JSONDecoder().decode(Certificate.self, from: Data(output.utf8))
        }

        /// What is found helps on another part, is printed as options that repeat it, and is in the certificate; on any ranks.
        @Test func tunedOnTheValidationPart() throws {
            let tune = ["evaluate", "--checkpoint", "run", "--split", "test", "--json", "--cache", "300", "--cache-tune"]
            let outcome = try sandbox.lockstep(tune)
            #expect(outcome.status == 0)
            #expect(try sandbox.succeed(tune, ranks: 2) == outcome.output)
            let tuned = try JSONDecoder().decode(Certificate.self, from: Data(outcome.output.utf8))
            let cache = try #require(tuned.cache)
            #expect(cache.positions == 300 && cache.weight > 0.01 && tuned.fitted_on?.split == "valid")
            let plain = try evaluate([])
            #expect(tuned.perplexity < plain.perplexity && plain.cache == nil && plain.fitted_on == nil)
            let options = "--cache 300 --cache-theta \(cache.theta) --cache-weight \(cache.weight)"
            #expect(outcome.errors.contains("best is \(options)"), "\(outcome.errors)")
            let again = try evaluate(options.split(separator: " ").map(String.init))
            #expect(again.perplexity == tuned.perplexity && again.fitted_on == nil)
            let text = try sandbox.succeed(["evaluate", "--checkpoint", "run"] + options.split(separator: " ").map(String.init))
            #expect(text.contains("cache               300 positions, theta \(cache.theta), weight \(cache.weight)"), "\(text)")
        }

        /// A cached network beside an n-gram model is better than without its cache.
        @Test func cacheAndMixtureTogether() throws {
            try sandbox.succeed(["train", "--data", "words", "--set", "model={cell: ngram, order: 2}", "--run", "grams"])
            let mix = ["--mix", "grams"], cache = ["--cache", "300", "--cache-theta", "0.4", "--cache-weight", "0.1"]
            let both = try evaluate(mix + cache)
            #expect(try both.perplexity < evaluate(mix).perplexity && both.perplexity < evaluate(cache).perplexity)
            #expect(try both.perplexity == evaluate(mix + cache, ranks: 2).perplexity && both.cache?.positions == 300)
        }

        /// The cache is empty at the start of a line, unless lines follow each other; generated text fills it.
        @Test func scoreCompleteAndGenerate() throws {
            let lines = try sandbox.write("the w3 said\nthe w3 said\nthe w3 said\n", to: "lines")
            let cache = ["--checkpoint", "run", "--cache", "50", "--cache-weight", "0.2"]
            let scores = try sandbox.succeed(["score", lines] + cache).split(separator: "\n")
            #expect(Set(scores).count == 1 && scores.count == 3)
            let carried = try sandbox.succeed(["score", lines, "--carry-state"] + cache).split(separator: "\n").map { Double($0)! }
            #expect(carried[1] > carried[0])
            for command in [["complete", "the w3 said that w3 and "], ["generate", "--length", "40"]] {
                #expect(try sandbox.succeed(command + cache) != sandbox.succeed(command + cache.prefix(2)), "\(command)")
            }
        }

        @Test func whatIsNoCacheIsRefused() throws {
            func refuse(_ options: [String], _ fragments: [String], command: String = "evaluate", ranks: Int? = nil) throws {
                let arguments = [command, "--checkpoint", "run"] + options
                expectRefusal(try sandbox.lockstep(arguments, ranks: ranks), status: 64, fragments, underMPI: ranks != nil)
            }
            for positions in ["0", "2000000000"] { try refuse(["--cache", positions], ["--cache", "1 to 1000000000", positions]) }
            try refuse(["--cache", "900000000", "--streams", "64"], ["--cache 900000000", "more memory than this machine has", "lower --cache"], ranks: 2)
            for theta in ["-1", "nan"] { try refuse(["--cache", "5", "--cache-theta", theta], ["--cache-theta", theta, "--cache-tune"]) }
            for weight in ["0", "1"] { try refuse(["--cache", "5", "--cache-weight", weight], ["--cache-weight", "above 0 and below 1"]) }
            for (command, option) in [("score", "--cache-theta"), ("complete", "--cache-weight"), ("generate", "--cache-theta")] {
                try refuse([option, "0.5"], [option, "without a cache", "--cache 2000"], command: command)
            }
            try refuse(["--cache-tune"], ["--cache-tune", "--cache 2000"])
            try sandbox.succeed(["train", "--data", "words", "--set", "model={cell: ngram, order: 2}", "--run", "grams"])
            expectRefusal(
                try sandbox.lockstep(["evaluate", "--checkpoint", "grams", "--cache", "5"]), status: 64,
                ["grams", "no hidden vectors", "--mix"])
        }
    }
}
