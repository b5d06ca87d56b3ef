import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// `evaluate --dynamic`.
    struct DynamicTests {
        private let sandbox: Sandbox
        private let text: String

        init() throws {
            sandbox = try Sandbox()
            let whole = try String(contentsOfFile: "\(Shared.corpus)/test.txt", encoding: .utf8)
            text = try sandbox.write(String(whole.prefix(1500)), to: "text")
        }

        private struct Certificate: Decodable {
            struct Dynamic: Decodable {
                struct Statistics: Decodable { let split, data_sha256: String }
                let rate, decay, epsilon: Double
                let unroll: Int
                let statistics: Statistics
            }
            let perplexity: Double
            let evaluation: String
            let dynamic: Dynamic?
        }

        private func evaluate(_ options: [String]) throws -> Certificate {
            let output = try sandbox.succeed(["evaluate", "--checkpoint", Shared.run, "--text", text, "--json"] + options)
            return try JSONDecoder().decode(Certificate.self, from: Data(output.utf8))
        }

        /// Better than the network at rest, and nobody can mistake the result for the network's own.
        @Test func theCertificateSaysThatItLearned() throws {
            let still = try evaluate([])
            #expect(still.evaluation == "static" && still.dynamic == nil)
            let learning = try evaluate(["--dynamic", "--dynamic-unroll", "10"])
            #expect(learning.evaluation == "dynamic" && learning.perplexity < still.perplexity)
            let dynamic = try #require(learning.dynamic)
            #expect(dynamic.rate == 5e-5 && dynamic.decay == 0.002 && dynamic.epsilon == 2e-5 && dynamic.unroll == 10)
            #expect(dynamic.statistics.split == "train" && dynamic.statistics.data_sha256.count == 64)
            let page = try sandbox.succeed(["evaluate", "--checkpoint", Shared.run, "--text", text, "--dynamic"])
            #expect(page.hasPrefix("dynamic perplexity  ") && page.contains("dynamic evaluation  rate 5e-05"), "\(page)")
            // With a cache and an n-gram model beside it.
            try sandbox.succeed(["train", "--data", Shared.corpus, "--set", "model={cell: ngram, order: 2}", "--run", "grams"])
            let all = try evaluate(["--dynamic", "--cache", "100", "--mix", "grams", "--weight", "0.3"])
            #expect(all.evaluation == "dynamic" && all.perplexity < still.perplexity)
        }

        /// The same bytes with every instruction set and number of threads.
        @Test func theSameDigitsEverywhere() throws {
            let arguments = ["evaluate", "--checkpoint", Shared.run, "--text", text, "--json", "--dynamic", "--cache", "100"]
            let expected = try sandbox.succeed(arguments)
            for (name, value) in [("LOCKSTEP_VECTORS", "portable"), ("LOCKSTEP_VECTORS", "avx2"), ("OMP_NUM_THREADS", "1")] {
                var environment = ProcessInfo.processInfo.environment
                environment[name] = value
                let outcome = try Launch.run(Launch.product("lockstep"), arguments, environment: environment, folder: sandbox.folder)
                if outcome.errors.contains("this processor does not have these instructions") { continue }
                #expect(outcome.output == expected, "\(name)=\(value)")
            }
        }

        @Test func whatCannotLearnIsRefused() throws {
            func refuse(_ options: [String], _ fragments: [String], status: Int32 = 64, ranks: Int? = nil) throws {
                let arguments = ["evaluate", "--checkpoint", Shared.run, "--text", text] + options
                expectRefusal(try sandbox.lockstep(arguments, ranks: ranks), status: status, fragments, underMPI: ranks != nil)
            }
            try refuse(["--dynamic", "--streams", "4"], ["--streams", "one text from left to right"])
            try refuse(["--dynamic"], ["--dynamic", "one rank", "without a launcher"], ranks: 2)
            for option in ["--dynamic-rate", "--dynamic-decay", "--dynamic-epsilon", "--dynamic-unroll"] {
                try refuse([option, "1"], [option, "without it", "add --dynamic"])
                try refuse(["--dynamic", option, "-1"], [option, "-1"])
            }
            for value in ["0", "nan"] { try refuse(["--dynamic", "--dynamic-rate", value], ["--dynamic-rate", value]) }
            try refuse(["--dynamic", "--dynamic-unroll", "0"], ["--dynamic-unroll", "1 to 10000"])
            try refuse(["--dynamic", "--dynamic-rate", "1e6"], ["diverged", "lower --dynamic-rate"], status: 70)
            try sandbox.succeed(["train", "--data", Shared.corpus, "--set", "model={cell: ngram, order: 2}", "--run", "grams"])
            expectRefusal(
                try sandbox.lockstep(["evaluate", "--checkpoint", "grams", "--dynamic"]), status: 64, ["grams", "no gradient", "--mix"])
            // Without the training data.
            try FileManager.default.copyItem(atPath: Shared.run, toPath: sandbox.path("run"))
            let checkpoint = "\(sandbox.checkpoint("run", step: 400))/model.safetensors"
            let vocabulary = "\(Shared.corpus)/vocabulary.json"
            expectRefusal(
                try sandbox.lockstep(["evaluate", "--checkpoint", checkpoint, "--vocabulary", vocabulary, "--text", text, "--dynamic"]), status: 64,
                ["are not there", "training part", "--data"])
        }
    }
}
