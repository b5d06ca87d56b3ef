import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// `lockstep verify` starts its own jobs, kills them, and finds what is different.
    struct VerifyTests {
        private struct Report: Decodable {
            struct Trial: Decodable {
                struct Session: Decodable {
                    let ranks: Int
                    let start: Int
                    let killed_after: Int?
                }
                struct Finding: Decodable {
                    struct Tensor: Decodable {
                        let tensor: String
                        let index: [Int]
                    }
                    let step: Int
                    let last_equal: Int?
                    let tensors: [Tensor]
                    let repeats: Bool
                    let rank: String
                }
                let what: String
                let sessions: [Session]
                let passed: Bool
                let finding: Finding?
            }
            let verdict: String
            let trials: [Trial]
        }

        /// A processor with AVX-512 computes the reference with that, and has AVX2 to try beside it.
        private static let otherInstructions: [String] =
            (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8))?.contains(" avx512f ") == true ? ["AVX2 instructions"] : []

        /// A model slow enough to be killed in the midst of 40 steps.
        private static let options =
            ["--data", Shared.corpus, "--seed", "3"]
            + [
                "model={layers: 2, embedding: 64, hidden: 160, dropout: 0.3}", "training={streams: 12, unroll: 32, random_unroll: true}",
                "validation.every_epoch=false",
            ].flatMap { ["--set", $0] }

        private func verify(_ sandbox: Sandbox, _ options: [String]) throws -> (Launch.Outcome, Report?) {
            let outcome = try Launch.run(
                Launch.product("lockstep"), ["verify", "--json"] + Self.options + options,
                environment: Launch.mpiEnvironment, folder: sandbox.folder, timeout: 300)
            return (outcome, try? JSONDecoder().decode(Report.self, from: Data(outcome.output.utf8)))
        }

        private func scratchFolders(_ sandbox: Sandbox) throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: sandbox.folder).filter { $0.hasPrefix("lockstep-verify") }
        }

        @Test func withShardsEverythingIsEqual() throws {
            let sandbox = try Sandbox()
            let (outcome, report) = try verify(sandbox, ["--set", "training.reproducible_shards=6", "--ranks", "2,1,3", "--kills", "2"])
            #expect(outcome.status == 0, "\(outcome.errors)")
            let trials = try #require(report).trials
            #expect(
                trials.map(\.what) == ["reference", "other ranks", "other ranks", "killed and resumed"] + Self.otherInstructions)
            #expect(report?.verdict == "equal" && trials.allSatisfy(\.passed))
            let killed = trials[3].sessions
            #expect(killed.count == 3 && killed.dropLast().allSatisfy { $0.killed_after != nil } && killed[2].killed_after == nil)
            #expect(zip(killed, killed.dropFirst()).allSatisfy { $0.ranks != $1.ranks && $0.killed_after! >= $1.start })
            #expect(try scratchFolders(sandbox).isEmpty)
        }

        /// Units on one machine need no shards, and no streams for each rank.
        @Test func withUnitsEverythingIsEqual() throws {
            let sandbox = try Sandbox()
            let (outcome, report) = try verify(
                sandbox, ["--set", "exchange.split=units", "--set", "training.streams=1", "--ranks", "1,3", "--kills", "1"])
            #expect(outcome.status == 0, "\(outcome.errors)")
            let trials = try #require(report).trials
            #expect(trials.map(\.what) == ["reference", "other ranks", "killed and resumed"] + Self.otherInstructions)
            #expect(report?.verdict == "equal" && trials.allSatisfy(\.passed))
        }

        @Test func withoutShardsRunsOnTheSameRanksAreEqual() throws {
            let sandbox = try Sandbox()
            let (outcome, report) = try verify(sandbox, ["--ranks", "1,2", "--kills", "1"])
            #expect(outcome.status == 0, "\(outcome.errors)")
            let trials = try #require(report).trials
            #expect(
                trials.map(\.what) == ["reference", "killed and resumed"] + Self.otherInstructions
                    + ["reference", "killed and resumed", "next step, other ranks"])
            #expect(trials.flatMap(\.sessions).filter { $0.killed_after != nil }.count >= 2)
            #expect(try scratchFolders(sandbox).isEmpty)
        }

        /// A launcher that gives two ranks another setting, as a wrong library or processor might: the first step is named,
        /// and the rank whose streams show it. Learning rates differ in the update; dropout rates in the forward pass.
        @Test(arguments: [("training.optimizer.learning_rate=0.0021", false), ("model.dropout=0.31", true)])
        func aDifferenceIsNamed(setting: String, isSeenInTheState: Bool) throws {
            let sandbox = try Sandbox()
            let launcher = try sandbox.write(
                "#!/bin/sh\nranks=$1; shift; exec \(Launch.isMPICH ? "mpiexec.hydra" : "mpirun --oversubscribe") -n $ranks \"$@\" --set \(setting)\n", to: "launcher")
            let (outcome, report) = try verify(
                sandbox,
                ["--set", "training.reproducible_shards=6", "--ranks", "1,2", "--kills", "1", "--launcher", "sh \(launcher) {ranks}"])
            #expect(outcome.status == 70, "\(outcome.errors)")
            let trial = try #require(report?.trials.first { !$0.passed })
            let finding = try #require(trial.finding)
            #expect(trial.what == "other ranks" && report?.verdict == "different")
            #expect(finding.step == 1 && finding.last_equal == nil && finding.repeats)
            #expect(finding.tensors.contains { $0.tensor == "encoder.weight" })
            #expect(finding.tensors.contains { $0.tensor.hasPrefix("carried.") } == isSeenInTheState)
            #expect(finding.rank.hasPrefix(isSeenInTheState ? "0 of 2: carried." : "not known"))
            let complaint = try #require(complaints(outcome.errors).first)
            #expect(complaint.hasPrefix("lockstep: step 1: the runs are different; found encoder.weight[0, 0]"))
            // What was found is kept.
            #expect(try scratchFolders(sandbox).count == 1)
        }

        /// Two folders: a run that was resumed with another learning rate after step 20.
        @Test func comparesTwoRuns() throws {
            let sandbox = try Sandbox()
            let settings = ["checkpoint={every_steps: 10, keep: 9}"]
            try sandbox.train("a", settings)
            try sandbox.train("b", settings + ["training.steps=20"])
            #expect(try sandbox.succeed(["verify", "--compare", "a", "b"]).contains("equal to the byte: checkpoints of steps 10, 20"))
            try sandbox.train("b", settings + ["training.optimizer.learning_rate=0.1"], ["--resume", "auto"])
            let outcome = try sandbox.lockstep(["verify", "--compare", "a", "b"])
            #expect(outcome.status == 70)
            #expect(outcome.output.hasPrefix("first difference: the checkpoint of step 30 (step 20 is equal)\n  encoder.weight[0, 0]: "))
            #expect(complaints(outcome.errors).count == 1)
        }

        @Test func whatCannotBeVerifiedIsRefused() throws {
            let sandbox = try Sandbox()
            for (options, fragments) in [
                (["--ranks", "1,x"], ["--ranks", "1,x"]), (["--ranks", "13"], ["training.streams", "at least 13"]),
                (["--set", "training.reproducible_shards=6", "--ranks", "4"], ["training.reproducible_shards", "1, 2, 3 or 6 ranks"]),
                (["--set", "training.reproducible_shards=5"], ["training.reproducible_shards", "divisor"]),
            ] {
                expectRefusal(try verify(sandbox, options).0, status: 64, fragments)
            }
            // A job that fails says why.
            let (outcome, _) = try verify(sandbox, ["--set", "training.streams=40000"])
            expectRefusal(outcome, status: 65, ["a job of the verification ended with 65", "more than 40000"])
            #expect(outcome.errors.contains("--config"))
            // What can be known before any job is said without one.
            let missing = try verify(sandbox, ["--data", sandbox.path("nothing")]).0
            expectRefusal(missing, status: 65, ["nothing: there is no such dataset"])
            #expect(!missing.errors.contains("training on"))
        }
    }
}
