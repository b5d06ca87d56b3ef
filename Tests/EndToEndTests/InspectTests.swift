import Foundation
import TestSupport
import Testing

extension CommandTests {
    struct InspectTests {
        private let sandbox: Sandbox

        init() throws { sandbox = try Sandbox() }

        private func inspect(_ path: String) throws -> (text: String, json: [String: Any]) {
            let json = try JSONSerialization.jsonObject(with: Data(sandbox.succeed(["inspect", path, "--json"]).utf8))
            return (try sandbox.succeed(["inspect", path]), try #require(json as? [String: Any]))
        }

        @Test func dataset() throws {
            let (text, json) = try inspect(Shared.corpus)
            #expect(json["kind"] as? String == "dataset")
            for fact in ["57", "35,659", "4,710", "4,683", "0.00 %", "problems 300, sample kinematics"] { #expect(text.contains(fact)) }
        }

        @Test func run() throws {
            let (text, json) = try inspect(Shared.run)
            #expect(json["kind"] as? String == "run")
            let checkpoints = try #require(json["checkpoints"] as? [[String: Any]])
            #expect(checkpoints.compactMap { $0["step"] as? Int }.contains(400))
            #expect(checkpoints.last?["latest"] as? Bool == true)
            #expect(text.contains("lstm 1 x 24") && text.contains(Shared.corpus) && text.contains("done, step 400"))
            #expect(text.contains("step-000000400") && text.contains("latest") && text.contains("valid"))
        }

        @Test func checkpointAndItsTensors() throws {
            let checkpoint = "\(Shared.run)/checkpoints/step-000000400"
            let (text, json) = try inspect(checkpoint)
            #expect(json["kind"] as? String == "checkpoint")
            for fact in [
                "step 400", "lstm", "57 x 8", "rnn.weight_hh_l0", "96 x 24", "carried.h_l0", "12 x 24", "optimizer.",
            ] {
                #expect(text.contains(fact), "\(fact)")
            }
            let file = try inspect("\(checkpoint)/model.safetensors")
            #expect(file.json["kind"] as? String == "safetensors")
            let names = try #require(file.json["tensors"] as? [[String: Any]]).compactMap { $0["name"] as? String }
            #expect(
                Set(names) == [
                    "encoder.weight", "rnn.weight_ih_l0", "rnn.weight_hh_l0", "rnn.bias_ih_l0", "rnn.bias_hh_l0",
                    "decoder.weight", "decoder.bias",
                ])
        }

        /// In the run's table with the reason; the others stay valid.
        @Test func damageIsExplained() throws {
            try sandbox.train("run", ["checkpoint.every_steps=25"])
            try flipBit(of: "\(sandbox.checkpoint("run", step: 25))/model.safetensors")
            let outcome = try sandbox.lockstep(["inspect", "run"])
            #expect(outcome.status == 65 && complaints(outcome.errors).first?.contains("step-000000025") == true)
            let lines = outcome.output.split(separator: "\n").filter { $0.hasPrefix("step-") }
            #expect(lines.count == 2)
            #expect(lines[0].contains("decoder.bias") && lines[0].contains("changed since it was saved"))
            #expect(lines[1].hasSuffix("valid"))
        }

        /// A dataset's facts are shown, then what is wrong with it.
        @Test(arguments: [true, false]) func damageOfADataset(json: Bool) throws {
            try FileManager.default.copyItem(atPath: Shared.corpus, toPath: sandbox.path("corpus"))
            try flipBit(of: sandbox.path("corpus/valid.npy"))
            let outcome = try sandbox.lockstep(["inspect", "corpus"] + (json ? ["--json"] : []))
            #expect(outcome.status == 65 && outcome.output.contains(json ? "4710" : "4,710"))
            let complaint = try #require(complaints(outcome.errors).first)
            #expect(complaint.contains("corpus/valid.npy") && complaint.contains("SHA-256"))
        }
    }
}
