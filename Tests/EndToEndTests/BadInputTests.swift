import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// Every mistake is answered with one line and the documented exit code.
    struct BadInputTests {
        @Test(arguments: Refusal.commandLines) func commandLine(_ refusal: Refusal) throws { try expect(refusal) }
        @Test(arguments: Refusal.settings) func setting(_ refusal: Refusal) throws { try expect(refusal) }
        @Test(arguments: Refusal.configurations) func configuration(_ refusal: Refusal) throws { try expect(refusal) }
        @Test(arguments: Refusal.datasets) func dataset(_ refusal: Refusal) throws { try expect(refusal) }
        @Test(arguments: Refusal.checkpoints) func checkpoint(_ refusal: Refusal) throws { try expect(refusal) }

        /// An error that all ranks find is reported once.
        @Test(arguments: [
            "unknown option", "--set trainig.streams=3", "--set training.streams=40000", "missing configuration",
            "missing dataset", "another vocabulary to evaluate", "run with checkpoints", "truncated model",
            "flipped bit", "weights of another shape", "run below a file",
        ])
        func onceFromTwoRanks(name: String) throws {
            let refusal = try Refusal.named(name)
            let outcome = try refusal.sandbox().lockstep(refusal.arguments, ranks: 2, timeout: 20)
            expectRefusal(outcome, status: refusal.status, refusal.fragments, underMPI: true)
        }

        private func expect(_ refusal: Refusal) throws {
            let sandbox = try refusal.sandbox()
            let before = try checkpoints(sandbox)
            expectRefusal(
                try sandbox.lockstep(refusal.arguments, timeout: 20), status: refusal.status, refusal.fragments)
            #expect(try checkpoints(sandbox) == before, "checkpoints have changed")
            #expect(!FileManager.default.fileExists(atPath: sandbox.path("new")), "a run folder is left")
        }

        /// Every file below `run/checkpoints`, with its content.
        private func checkpoints(_ sandbox: Sandbox) throws -> [String: Data] {
            let folder = sandbox.path("run/checkpoints")
            return try FileManager.default.subpathsOfDirectory(atPath: folder).reduce(into: [:]) {
                $0[$1] = FileManager.default.contents(atPath: "\(folder)/\($1)")
            }
        }

        // MARK: Several ranks

        @Test func fewerStreamsThanRanks() throws {
            let outcome = try Sandbox().lockstep(
                ["train", "--run", "new"] + Sandbox.small + ["--set", "training.streams=2"], ranks: 3, timeout: 20)
            expectRefusal(outcome, status: 64, ["training.streams", "at least 3", "found 2"], underMPI: true)
        }

        /// One host without the data: all stop, and the one is named.
        @Test(arguments: ["train", "evaluate"])
        func missingOnOneRank(command: String) throws {
            let sandbox = try Refusal.named("missing dataset").sandbox()
            let elsewhere = "if [ \"$\(Launch.rankVariable)\" = 1 ]; then cd /; fi; exec \"$@\""
            let place = command == "train" ? ["--run", "new"] : ["--checkpoint", sandbox.path("run")]
            let arguments = [command, "--data", "corpus"] + place
            let outcome = try Launch.mpirun(
                ranks: 3, "sh", ["-c", elsewhere, "sh", Launch.product("lockstep")] + arguments, folder: sandbox.folder,
                timeout: 20)
            expectRefusal(outcome, status: 65, ["rank 1:", "no such dataset"], underMPI: true)
            #expect(!outcome.errors.contains("rank 0:"))
        }

        /// The same name for different data.
        @Test func otherDataOnOneRank() throws {
            let sandbox = try Refusal.named("another vocabulary to evaluate").sandbox()
            let elsewhere =
                "if [ \"$\(Launch.rankVariable)\" = 1 ]; then data=other; fi; exec \"$@\" --data ${data:-corpus}"
            let outcome = try Launch.mpirun(
                ranks: 2, "sh", ["-c", elsewhere, "sh", Launch.product("lockstep"), "train", "--run", "new"],
                folder: sandbox.folder, timeout: 20)
            #expect(complaints(outcome.errors).count == 1)
            #expect(outcome.errors.contains("rank 0") && outcome.errors.contains("rank 1"))
            #expect([64, 65].contains(outcome.status))
            #expect(!FileManager.default.fileExists(atPath: sandbox.path("new")), "a run folder is left")
        }

        // MARK: While training

        @Test(arguments: [nil, 2])
        func divergenceStopsWithTheReason(ranks: Int?) throws {
            let sandbox = try Sandbox()
            let settings = [
                "training.clip.norm=null", "training.optimizer={name: sgd, learning_rate: 1.0e+38}",
                "checkpoint.every_steps=1", "checkpoint.keep=100",
            ]
            let outcome = try sandbox.lockstep(
                ["train", "--run", "new"] + Sandbox.small + settings.flatMap { ["--set", $0] }, ranks: ranks,
                timeout: 20)
            #expect(!outcome.timedOut)
            #expect(outcome.status == 70)
            #expect(complaints(outcome.errors).count == 1)
            // Found before the save of the step that did it: what was saved last is what came before, and is named.
            let complaint = try #require(complaints(outcome.errors).first)
            let named = try #require(complaint.firstMatch(of: /step ([1-9]): the update has made the model unusable/), "\(complaint)")
            let before = Int(named.1)! - 1
            #expect(complaint.contains("learning_rate"))
            if before == 0 {
                #expect(complaint.contains("no checkpoint has been saved"))
                #expect(!FileManager.default.fileExists(atPath: sandbox.path("new/checkpoints/latest")))
            } else {
                #expect(complaint.contains("resumes from new/checkpoints/step-00000000\(before), which is sound"))
                let saved = try String(contentsOfFile: sandbox.path("new/checkpoints/latest"), encoding: .utf8)
                #expect(saved == "step-00000000\(before)\n")
            }
        }

        /// A rate that makes the weights useless in the last step: no exit code 0, and the checkpoint before stays, although
        /// only one is kept.
        @Test(arguments: [nil, 2])
        func divergenceInTheLastStepKeepsTheCheckpointBefore(ranks: Int?) throws {
            let sandbox = try Sandbox()
            let settings = ["checkpoint.keep=1", "training.steps=3", "validation.every_epoch=false", "training.optimizer.name=adam"]
            try sandbox.train("run", settings, ranks: ranks)
            let resume = ["train", "--run", "run", "--resume", "auto", "--set", "training.steps=4"]
            let outcome = try sandbox.lockstep(
                resume + ["--set", "training.optimizer.learning_rate=1e38"], ranks: ranks, timeout: 20)
            #expect(outcome.status == 70)
            let complaint = try #require(complaints(outcome.errors).first)
            #expect(complaints(outcome.errors).count == 1)
            #expect(complaint.contains("step 4") && complaint.contains("learning_rate"))
            #expect(complaint.contains("resumes from run/checkpoints/step-000000003, which is sound"), "\(complaint)")
            #expect(try sandbox.succeed(["inspect", "run"]).contains("step-000000003"))
            try sandbox.succeed(resume + ["--set", "training.optimizer.learning_rate=0.001"], ranks: ranks)
        }

        /// Two jobs in one run folder would take each other's checkpoints for their own.
        @Test func secondJobInARunFolderIsRefused() throws {
            let sandbox = try Sandbox()
            let train = ["train", "--run", "run"] + Sandbox.small + ["--set", "training.steps=1000000"]
            let outcome = try sandbox.interrupt(
                train, when: "[ -s run/metrics.jsonl ]",
                "\"$@\" --resume auto > second.out 2> second.err; echo $? > second.status; kill -TERM $job")
            #expect(outcome.status == 75, "the first continues")
            #expect(try String(contentsOfFile: sandbox.path("second.status"), encoding: .utf8) == "74\n")
            let errors = try String(contentsOfFile: sandbox.path("second.err"), encoding: .utf8)
            #expect(complaints(errors).count == 1)
            #expect(errors.contains("another job is training in this run folder"))
        }

        /// The newest checkpoint is damaged: the one before it is used, and a note says so.
        @Test func damagedCheckpointIsPassedOver() throws {
            let sandbox = try Refusal.named("flipped bit").sandbox()
            let outcome = try sandbox.lockstep([
                "train", "--run", "run", "--resume", "auto", "--set", "training.steps=201",
            ])
            #expect(outcome.status == 0, "\(outcome.errors)")
            let notes = outcome.errors.split(separator: "\n").filter {
                $0.hasPrefix("note: resuming from step-000000200")
            }
            #expect(notes.count == 1)
            #expect(notes.first?.contains("decoder.bias") == true)
        }
    }
}
