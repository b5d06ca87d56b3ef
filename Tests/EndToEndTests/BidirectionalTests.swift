import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// `model.bidirectional`, with tags that depend on what follows.
    struct BidirectionalTests {
        private let sandbox: Sandbox

        /// The tag of a word is the word behind it, and that of the last is END.
        init() throws {
            sandbox = try Sandbox()
            var state: UInt64 = 7
            func sentences(_ count: Int) -> String {
                (0..<count).map { index in
                    let words = (0..<(2 + index % 6)).map { _ in
                        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                        return ["a", "b", "c"][Int(state >> 33) % 3]
                    }
                    return zip(words, words.dropFirst() + ["END"]).map { "\($0) \($1)\n" }.joined() + "\n"
                }.joined()
            }
            let train = try sandbox.write(sentences(240), to: "train.conll")
            let valid = try sandbox.write(sentences(60), to: "valid.conll")
            try sandbox.succeed(["prepare", "--format", "columns", "--train", train, "--valid", valid, "--output", "tagged"])
        }

        private func settings(_ own: [String]) -> [String] {
            let all = [
                "data.path=tagged", "model={layers: 1, embedding: 8, hidden: 10, output: tags}",
                "training={streams: 12, batching: sentences, epochs: 16}", "training.optimizer.learning_rate=0.1", "checkpoint.every_minutes=0",
            ]
            return (all + own).flatMap { ["--set", $0] }
        }

        private struct Certificate: Decodable {
            let accuracy: Double
            let nll_sum: Double
        }

        private func evaluate(_ run: String, ranks: Int? = nil) throws -> Certificate {
            let output = try sandbox.succeed(["evaluate", "--checkpoint", run, "--split", "valid", "--json"], ranks: ranks)
            return try JSONDecoder().decode(Certificate.self, from: Data(output.utf8))
        }

        @Test func aTaggerSeesWhatFollows() throws {
            try sandbox.succeed(["train", "--run", "one"] + settings([]))
            #expect(try evaluate("one").accuracy < 0.7)
            let both = ["model.bidirectional=true", "training.reproducible_shards=4"]
            try sandbox.succeed(["train", "--run", "both"] + settings(both))
            let result = try evaluate("both")
            #expect(result.accuracy > 0.95)
            #expect(try evaluate("both", ranks: 2).nll_sum == result.nll_sum)
            try sandbox.succeed(["train", "--run", "ranks"] + settings(both), ranks: 2)
            #expect(try sandbox.tensors("ranks", step: 320) == sandbox.tensors("both", step: 320))

            // A run that stopped ends in the same bytes.
            try sandbox.succeed(["train", "--run", "resumed"] + settings(both + ["training.steps=140"]))
            try sandbox.succeed(["train", "--run", "resumed", "--resume", "auto"] + settings(both + ["training.steps=320"]))
            #expect(try sandbox.tensors("resumed", step: 320)[0] == sandbox.tensors("both", step: 320)[0])
            let text = try sandbox.write("c a b\n", to: "text.txt")
            #expect(try sandbox.succeed(["score", "--checkpoint", "both", text]) == "a b END\n")
        }

        @Test func aModelOfTheNextTokenIsRefusedWithTheReason() throws {
            for settings in [["model.bidirectional=true"], ["model.bidirectional=true", "training.batching=sentences"]] {
                let outcome = try sandbox.lockstep(["train", "--run", "next", "--data", Shared.corpus] + settings.flatMap { ["--set", $0] })
                #expect(outcome.status == 64 && outcome.errors.contains("a layer that reads from the end would see it"), "\(outcome.errors)")
            }
        }
    }
}
