import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// A run with all that regularises an AWD-LSTM, as a user sees it.
    struct RegularisationTests {
        private static let settings = [
            "model={layers: 2, embedding: 8, hidden: [24, 8], tied: true, weight_drop: 0.3}",
            "model.dropouts={embedding: 0.1, input: 0.2, hidden: 0.2, output: 0.2, locked: true}",
            "training={activation_penalty: 2, slowness_penalty: 1, reproducible_shards: 4, schedule: {name: constant}}",
            "training.optimizer={name: nt_asgd, learning_rate: 20, nonmonotone_interval: 0}",
            "validation={every_steps: 3, every_epoch: false, streams: 4}",
        ]

        private func train(_ sandbox: Sandbox, _ run: String, steps: Int, ranks: Int? = nil, resume: Bool = false) throws -> String {
            let settings = (Self.settings + ["training.steps=\(steps)"]).flatMap { ["--set", $0] }
            let outcome = try sandbox.lockstep(
                ["train", "--run", run] + Sandbox.small + settings + (resume ? ["--resume", "auto"] : []), ranks: ranks)
            try #require(outcome.status == 0, "\(outcome.errors)")
            return outcome.output + outcome.errors
        }

        /// It says when averaging begins, and what the model is; a resume on other ranks ends in the same bytes.
        @Test func averagingIsToldAndResumed() throws {
            let sandbox = try Sandbox()
            let told = try train(sandbox, "whole", steps: 40)
            let first = try #require(told.firstMatch(of: /averaging of the weights begins with step (\d+)/).flatMap { Int($0.1) })
            #expect((4...37).contains(first) && first % 3 == 1)
            #expect(told.contains("the model is the average of the weights after each of the last \(41 - first) steps"))
            #expect(told.contains("average of 3 steps"))
            let checkpoint = "checkpoints/step-000000040"
            let inspected = try sandbox.succeed(["inspect", "whole/\(checkpoint)"])
            #expect(inspected.contains("the average of the weights after steps \(first) to 40"))
            #expect(inspected.contains("optimizer.iterate.rnn.weight_hh_l1"))
            // Stopped with the step after which averaging begins.
            #expect(try train(sandbox, "parts", steps: first - 1, ranks: 2).contains("averaging of the weights begins"))
            #expect(try !train(sandbox, "parts", steps: 40, resume: true).contains("averaging of the weights begins"))
            for file in ["model.safetensors", "state.safetensors"] {
                let files = try ["whole", "parts"].map { try Data(contentsOf: URL(filePath: sandbox.path("\($0)/\(checkpoint)/\(file)"))) }
                #expect(files[0] == files[1], "\(file)")
            }
        }
    }
}
