import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// Ranks that do not belong together, and data that changes under a running job.
    struct FaultTests {
        private let sandbox: Sandbox

        init() throws {
            sandbox = try Sandbox()
            try FileManager.default.copyItem(atPath: Shared.corpus, toPath: sandbox.path("corpus"))
        }

        /// Runs three ranks: rank 1 is started by the shell text `odd`, the others by `"$@"`.
        private func mixed(_ odd: String) throws -> Launch.Outcome {
            let script = "if [ $\(Launch.rankVariable) = 1 ]; then \(odd); fi; exec \"$@\""
            return try Launch.mpirun(
                ranks: 3, "sh",
                ["-c", script, "sh", Launch.product("lockstep"), "train", "--run", "new"] + Sandbox.small,
                folder: sandbox.folder)
        }

        @Test func otherSettingOnOneRank() throws {
            expectRefusal(
                try mixed("exec \"$@\" --set training.optimizer.learning_rate=0.003"), status: 64,
                ["disagree on training.optimizer.learning_rate", "'0.002' on ranks 0, 2, '0.003' on rank 1"],
                underMPI: true)
            #expect(!FileManager.default.fileExists(atPath: sandbox.path("new")))
        }

        @Test func otherProgramOnOneRank() throws {
            expectRefusal(
                try mixed("cp \"$1\" other; echo >> other; shift; exec ./other \"$@\""), status: 64,
                ["disagree on the program's SHA-256", "on ranks 0, 2", "on rank 1"], underMPI: true)
        }

        /// SIGBUS, at whatever rank reads first what is no longer there.
        @Test(arguments: [nil, 2])
        func dataTruncatedWhileTraining(ranks: Int?) throws {
            let outcome = try interrupt(ranks, "truncate -s 4096 corpus/train.npy")
            #expect(outcome.status == 65, "\(outcome.errors)")
            let lines = complaints(outcome.errors)
            #expect((1...(ranks ?? 1)).contains(lines.count))
            #expect(lines.first?.contains("corpus/train.npy: the file was truncated") == true, "\(lines)")
            if ranks != nil { #expect(lines.first?.hasPrefix("lockstep: rank ") == true) }
            #expect(try sandbox.ending("run") == nil)
        }

        /// Nothing that was learnt from other data is saved.
        @Test(arguments: [nil, 2])
        func dataChangedWhileTraining(ranks: Int?) throws {
            let outcome = try interrupt(
                ranks,
                "printf 'X' | dd of=corpus/train.npy bs=1 seek=5000 conv=notrunc 2> /dev/null; set -- $ranks $job; kill -USR1 $1")
            #expect(outcome.status == 65)
            #expect(complaints(outcome.errors).count == 1)
            #expect(outcome.errors.contains("corpus/train.npy: the file has changed"))
            #expect(!FileManager.default.fileExists(atPath: sandbox.path("run/checkpoints/latest")))
        }

        /// The same bytes with a new date are no change.
        @Test func dataTouchedWhileTraining() throws {
            let outcome = try interrupt(nil, "touch corpus/train.npy; kill -TERM $job")
            #expect(outcome.status == 75)
        }

        /// /sys refuses to everyone, root included.
        @Test func folderThatCannotBeWritten() throws {
            let outcome = try sandbox.lockstep(["train", "--run", "/sys/run"] + Sandbox.small)
            expectRefusal(outcome, status: 74, ["/sys/run", "cannot create folder"])
        }

        /// mpirun itself refuses more ranks than slots, and root: nothing starts. `launch/openmpi.env` allows root.
        @Test(.disabled(if: Launch.isMPICH, "Hydra refuses neither"))
        func refusedByMpirun() throws {
            let environment = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent().appending(path: "launch/openmpi.env").path
            func start(_ first: String, _ options: [String]) throws -> Launch.Outcome {
                try Launch.run(
                    "sh",
                    ["-c", "unset OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM; \(first); exec mpirun \"$@\"", "sh"]
                        + options + [Launch.product("lockstep"), "train", "--run", "new"] + Sandbox.small,
                    environment: Launch.mpiEnvironment, folder: sandbox.folder)
            }
            let crowded = try start(". '\(environment)'", ["-n", "2", "--host", "localhost:1"])
            #expect(crowded.status != 0)
            #expect(crowded.errors.contains("not enough slots"), "\(crowded.errors)")
            if getuid() == 0 {
                let root = try start(":", ["-n", "1"])
                #expect(root.status != 0)
                #expect(root.errors.contains("OMPI_ALLOW_RUN_AS_ROOT"), "\(root.errors)")
            }
            #expect(!FileManager.default.fileExists(atPath: sandbox.path("new")))
            #expect(try start(". '\(environment)'", ["-n", "2", "--oversubscribe"]).status == 0)
        }

        /// Whenever it comes, mpirun ends the others.
        @Test(arguments: [0, 2])
        func killedRank(rank: Int) throws {
            let outcome = try sandbox.interrupt(
                ["train", "--run", "run"] + Sandbox.small + ["--set", "training.steps=1000000"], ranks: 3,
                when: "[ -s run/metrics.jsonl ]", "set -- $ranks; kill -KILL $\(rank + 1)")
            #expect(!outcome.timedOut)
            #expect(outcome.status == (Launch.isMPICH ? 9 : 128 + 9))
            #expect(try sandbox.ending("run") == nil)
        }

        /// Ranks with parameters of their own, as on several machines, walk the same trajectory, and compare.
        @Test func privateMemoryChangesNothing() throws {
            try sandbox.train("shared", ranks: 3)
            let outcome = try Launch.mpirun(
                ranks: 3, Launch.product("lockstep"),
                ["train", "--run", "private"] + Sandbox.small + ["--set", "training.verify_every_steps=1"],
                environment: ["LOCKSTEP_RANKS_PER_MACHINE": "1"], folder: sandbox.folder)
            #expect(outcome.status == 0, "\(outcome.errors)")
            let (shared, own) = try (sandbox.losses("shared"), sandbox.losses("private"))
            #expect(zip(shared, own).allSatisfy { abs($0 - $1) < 1e-4 * $0 })
        }

        private func interrupt(_ ranks: Int?, _ action: String) throws -> Launch.Outcome {
            try sandbox.interrupt(
                ["train", "--run", "run"] + Sandbox.small
                    + ["--data", "corpus", "--set", "training.steps=1000000", "--set", "validation.every_epoch=false"],
                ranks: ranks, when: "[ -s run/metrics.jsonl ]", action)
        }
    }
}
