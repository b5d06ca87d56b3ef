import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// Whatever ends a run, it resumes as if nothing had happened.
    struct ResumeTests {
        /// Everything that a checkpoint must contain: optimizer slots, carried state of two layers, dropout's position.
        private static let settings = [
            "model={layers: 2, dropout: 0.3}", "training.optimizer.name=adam",
            "training.schedule={name: decay, factor: 0.5}",
        ]

        /// 186 steps are an epoch: the first step, in its midst, its last, and the first of the next.
        @Test(arguments: [1, 100, 186, 187])
        func resumesToTheByte(after step: Int) throws {
            let sandbox = try Sandbox()
            try sandbox.train("whole", Self.settings + ["training.steps=200"])
            try sandbox.train("parts", Self.settings + ["training.steps=\(step)"])
            try sandbox.train("parts", Self.settings + ["training.steps=200"], ["--resume", "auto"])
            #expect(try sandbox.tensors("parts", step: 200) == sandbox.tensors("whole", step: 200))
            #expect(try sandbox.losses("parts") == sandbox.losses("whole"))
            #expect(try sandbox.metrics("whole").first { $0.epoch == 2 }?.step == 187)
        }

        /// Killed without warning some steps after a checkpoint: what came after it is done again.
        @Test(arguments: [nil, 2, 3])
        func survivesKill(ranks: Int?) throws {
            let sandbox = try Sandbox()
            let settings = Self.settings + ["training.random_unroll=true", "checkpoint.every_steps=50"]
            let endless =
                ["train", "--run", "killed"] + Sandbox.small
                + (settings + ["training.steps=1000000"]).flatMap { ["--set", $0] }
            let outcome = try sandbox.interrupt(
                endless, ranks: ranks, when: Self.lines(120, in: "killed"),
                "kill -KILL $job $ranks")
            #expect(outcome.status == 128 + 9, "\(outcome.errors)")

            let saved = try #require(try latestStep(sandbox, "killed"))
            let end = saved + 60
            try sandbox.train("killed", settings + ["training.steps=\(end)"], ["--resume", "auto"], ranks: ranks)
            try sandbox.train("whole", settings + ["training.steps=\(end)"], ranks: ranks)
            #expect(saved >= 100)
            #expect(try sandbox.tensors("killed", step: end) == sandbox.tensors("whole", step: end))
            #expect(try sandbox.losses("killed") == sandbox.losses("whole"))
        }

        @Test(arguments: ["TERM", "INT"])
        func stopsOnRequestWithACheckpoint(signal: String) throws {
            let sandbox = try Sandbox()
            let outcome = try stop(sandbox, "kill -\(signal) $job")
            let saved = try #require(try latestStep(sandbox, "run"))
            #expect(outcome.status == 75)
            #expect(
                complaints(outcome.errors) == [
                    "lockstep: run, step \(saved): stopped on request, checkpoint saved; resume with: lockstep train --run run --resume auto"
                ])

            let end = saved + 20
            try sandbox.train("run", Self.settings + ["training.steps=\(end)"], ["--resume", "auto"])
            try sandbox.train("whole", Self.settings + ["training.steps=\(end)"])
            #expect(try sandbox.tensors("run", step: end) == sandbox.tensors("whole", step: end))
        }

        /// The other ranks, whom nobody asked, stop at the same step.
        @Test func aRequestToOneRankStopsAll() throws {
            let sandbox = try Sandbox()
            let outcome = try stop(sandbox, ranks: 3, "set -- $ranks; kill -TERM $3")
            #expect(outcome.status == 75)
            #expect(complaints(outcome.errors).count == 1)
            #expect(try latestStep(sandbox, "run") != nil)
        }

        @Test func savesOnRequestAndContinues() throws {
            let sandbox = try Sandbox()
            let outcome = try stop(
                sandbox,
                """
                kill -USR1 $job
                while kill -0 $job && ! [ -e run/checkpoints/latest ]; do sleep 0.02; done
                kill -TERM $job
                """
            )
            #expect(outcome.status == 75)
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: sandbox.path("run/checkpoints"))
                    .count { $0.hasPrefix("step-") } == 2)
        }

        /// Wherever in a step a signal arrives, it disturbs nothing.
        @Test func signalsChangeNothing() throws {
            let sandbox = try Sandbox()
            let outcome = try stop(
                sandbox, "for i in $(seq 300); do kill -USR1 $job; sleep 0.002; done; kill -TERM $job")
            #expect(outcome.status == 75, "\(outcome.errors.suffix(2000))")
            let end = try #require(try latestStep(sandbox, "run"))
            try sandbox.train("whole", Self.settings + ["training.steps=\(end)", "validation.every_epoch=false"])
            #expect(try sandbox.tensors("run", step: end) == sandbox.tensors("whole", step: end))
        }

        /// Streams keep their carried state and their place, whoever owns them.
        @Test(arguments: [(2, nil), (nil, 3), (3, 4)] as [(Int?, Int?)])
        func resumesWithAnotherNumberOfRanks(before: Int?, after: Int?) throws {
            let sandbox = try Sandbox()
            try sandbox.train("whole", Self.settings + ["training.steps=60"])
            try sandbox.train("parts", Self.settings + ["training.steps=40"], ranks: before)
            try sandbox.train("parts", Self.settings + ["training.steps=60"], ["--resume", "auto"], ranks: after)
            let (whole, parts) = try (sandbox.losses("whole"), sandbox.losses("parts"))
            #expect(whole.count == 60 && parts.count == 60)
            #expect(zip(whole, parts).allSatisfy { abs($0 - $1) < 1e-5 * $0 })
            let (one, other) = try (sandbox.evaluate("whole"), sandbox.evaluate("parts"))
            #expect(other.step == 60)
            #expect(abs(one.nats_per_token - other.nats_per_token) < 1e-5 * one.nats_per_token)
        }

        /// `--resume` with a folder; the configuration comes from the checkpoint.
        /// Losses of another text cannot be compared with the best so far. A validation part may be added.
        @Test func dataAreThoseOfTheRun() throws {
            let sandbox = try Sandbox()
            let text = (1...60).map { "line \($0) of the text\n" }.joined()
            _ = try sandbox.write(text, to: "text")
            _ = try sandbox.write(String(text.dropFirst(300)), to: "other")
            let whole = ["--vocabulary", "one", "--split", "100,0,0"]
            try sandbox.succeed(["prepare", "--train", "text", "--valid", "text", "--level", "char", "--output", "one"])
            try sandbox.succeed(["prepare", "--train", "text", "--valid", "other", "--vocabulary", "one", "--output", "two"])
            try sandbox.succeed(["prepare", "--train", "other", "--valid", "text", "--vocabulary", "one", "--output", "three"])
            try sandbox.succeed(["prepare", "--input", "text", "--output", "four"] + whole)
            func train(_ data: String, _ run: String, steps: Int, _ options: [String] = []) throws -> Launch.Outcome {
                try sandbox.lockstep(
                    ["train", "--data", data, "--run", run, "--set", "model={layers: 1, embedding: 4, hidden: 8}"]
                        + ["--set", "training={streams: 2, unroll: 8, steps: \(steps)}"] + options)
            }
            #expect(try train("one", "run", steps: 3).status == 0)
            for (data, part) in [("two", "validation"), ("three", "training"), ("four", "validation")] {
                let refused = try train(data, "run", steps: 6, ["--resume", "auto"])
                expectRefusal(refused, status: 64, ["a resumed run cannot change its \(part) data", data, "SHA-256", "--init-from run"])
            }
            #expect(try train("one", "run", steps: 6, ["--resume", "auto"]).status == 0)
            #expect(try train("four", "unvalidated", steps: 3).status == 0)
            #expect(try train("one", "unvalidated", steps: 6, ["--resume", "auto"]).status == 0)
        }

        @Test func goesOnFromANamedCheckpoint() throws {
            let sandbox = try Sandbox()
            try sandbox.train("run", ["checkpoint.every_steps=20"])
            let whole = try sandbox.tensors("run", step: 50)
            try sandbox.succeed(["train", "--resume", sandbox.checkpoint("run", step: 20)])
            #expect(try sandbox.tensors("run", step: 50) == whole)
            #expect(try sandbox.losses("run").count == 50)
        }

        /// A finished run has nothing to do, and says so.
        @Test func resumingAFinishedRunChangesNothing() throws {
            let sandbox = try Sandbox()
            try sandbox.train("run")
            let before = try (sandbox.tensors("run", step: 50), sandbox.losses("run"))
            let output = try sandbox.succeed(["train", "--run", "run", "--resume", "auto"])
            #expect(output.contains("nothing to do"))
            #expect(try sandbox.tensors("run", step: 50) == before.0)
            #expect(try sandbox.losses("run") == before.1)
        }

        /// An endless run, interrupted by `action` after ten steps.
        private func stop(_ sandbox: Sandbox, ranks: Int? = nil, _ action: String) throws -> Launch.Outcome {
            try sandbox.interrupt(
                ["train", "--run", "run"] + Sandbox.small
                    + (Self.settings + ["training.steps=1000000", "validation.every_epoch=false"]).flatMap {
                        ["--set", $0]
                    },
                ranks: ranks, when: Self.lines(10, in: "run"), action)
        }

        /// A shell test: whether the run has written more records.
        private static func lines(_ count: Int, in run: String) -> String {
            "[ -e \(run)/metrics.jsonl ] && [ $(wc -l < \(run)/metrics.jsonl) -gt \(count) ]"
        }

        private func latestStep(_ sandbox: Sandbox, _ run: String) throws -> Int? {
            let name = try String(contentsOfFile: sandbox.path("\(run)/checkpoints/latest"), encoding: .utf8)
            return Int(name.trimmingCharacters(in: .newlines).dropFirst("step-".count))
        }
    }
}
