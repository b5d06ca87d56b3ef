import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// Jobs in which a part has stopped or is slow.
    struct WatchdogTests {
        private static let endless =
            ["train", "--run", "run"] + Sandbox.small
            + ["--set", "training.steps=1000000", "--set", "validation.every_epoch=false"]
        private static let started = "[ -s run/metrics.jsonl ]"

        private func watched(seconds: Int) -> [String] { Self.endless + ["--set", "watchdog.seconds=\(seconds)"] }

        /// Shell text: waits for the job and writes the command lines of ranks it has left behind. Looked at while the shell
        /// that started it lives: when that ends, the kernel continues what is stopped.
        private static let end =
            "wait $job; code=$?; sleep 1; for p in $ranks; do tr '\\0' ' ' < /proc/$p/cmdline; done > left 2> /dev/null; exit $code"

        private func left(_ sandbox: Sandbox) throws -> String {
            try String(contentsOfFile: sandbox.path("left"), encoding: .utf8)
        }

        /// Rank 0 too: the lowest that is alive speaks.
        @Test(arguments: [0, 2])
        func stoppedRankIsNamed(rank: Int) throws {
            let sandbox = try Sandbox()
            let begin = ContinuousClock.now
            let outcome = try sandbox.interrupt(
                watched(seconds: 5), ranks: 3, when: Self.started,
                "set -- $ranks; sleep 1; kill -STOP $\(rank + 1); \(Self.end)")  // until they have heard of each other
            #expect(!outcome.timedOut)
            #expect(outcome.status == 74)
            let lines = complaints(outcome.errors)
            #expect(lines.count == 1, "\(outcome.errors)")
            #expect(lines.first?.hasPrefix("lockstep: rank \(rank == 0 ? 1 : 0), host ") == true, "\(lines)")
            #expect(lines.first?.contains("phase exchange of step ") == true)
            let missing = try #require(lines.first?.firstRange(of: /rank (\d), host \S+, process \d+ \(stopped\): no sign of life, last seen in phase \w+ of step \d+;/))
            #expect(lines[0][missing].hasPrefix("rank \(rank),"))
            #expect(begin.duration(to: .now) < .seconds(30))
            #expect(try left(sandbox) == "")
        }

        /// At any moment before the first step: while MPI comes up, while the run is set up.
        @Test(arguments: [0, 0.25], [0, 1])
        func rankStoppedAtTheStartIsNamed(after seconds: Double, rank: Int) throws {
            let sandbox = try Sandbox()
            let outcome = try sandbox.interrupt(
                watched(seconds: 4), ranks: 2, when: "[ $(ranks | wc -w) = 2 ]",
                "set -- $ranks; sleep \(seconds); kill -STOP $\(rank + 1); \(Self.end)")
            #expect(!outcome.timedOut)
            #expect(outcome.status == 74)
            let lines = complaints(outcome.errors)
            #expect(lines.count == 1, "\(outcome.errors)")
            #expect(lines.first?.contains(/: no rank has made progress for \d+ s; rank \d, host \S+, process \d+ \(stopped\): no sign of life[;,]/) == true, "\(lines)")
            #expect(lines.first?.contains("; rank \(rank), host ") == true, "\(lines)")
            #expect(try left(sandbox) == "")
        }

        /// A file that nothing answers for: see missing-operations.c.
        private static let hangs = "export LD_PRELOAD='\(FileSystemTests.shim)' HANGS=1"
        private static let hang = "touch corpus/vocabulary.json.hangs"

        /// The dataset is on a file system that does not answer.
        @Test(arguments: [nil, 2])
        func hungDiskAtTheStart(ranks: Int?) throws {
            let sandbox = try Sandbox()
            try FileManager.default.copyItem(atPath: Shared.corpus, toPath: sandbox.path("corpus"))
            let outcome = try sandbox.interrupt(
                watched(seconds: 3) + ["--data", "corpus"], ranks: ranks, when: "true", ":",
                preparation: "\(Self.hangs); \(Self.hang)")
            #expect(outcome.status == 74)
            #expect(complaints(outcome.errors).count == 1)
            #expect(
                complaints(outcome.errors).first?.contains(
                    /rank 0, host \S+, phase start: no rank has made progress for 3 s; another rank or a file does not answer/)
                    == true, "\(outcome.errors)")
        }

        /// Not the 300 s of the defaults.
        @Test func aResumedRunHasItsOwnPatience() throws {
            let sandbox = try Sandbox()
            try FileManager.default.copyItem(atPath: Shared.corpus, toPath: sandbox.path("corpus"))
            try sandbox.train("run", ["watchdog.seconds=3"], ["--data", "corpus"])
            let outcome = try sandbox.interrupt(
                ["train", "--run", "run", "--resume", "auto", "--set", "training.steps=60"], when: "true", ":",
                preparation: "\(Self.hangs); \(Self.hang)")
            #expect(outcome.status == 74)
            #expect(outcome.errors.contains("no rank has made progress for 3 s"), "\(outcome.errors)")
        }

        /// A file system stops answering before a save.
        @Test(arguments: [nil, 2])
        func hungDiskIsNamed(ranks: Int?) throws {
            let sandbox = try Sandbox()
            try FileManager.default.copyItem(atPath: Shared.corpus, toPath: sandbox.path("corpus"))
            let outcome = try sandbox.interrupt(
                watched(seconds: 5) + ["--data", "corpus"], ranks: ranks, when: Self.started,
                "\(Self.hang); set -- $ranks $job; kill -USR1 $1", preparation: Self.hangs)
            #expect(outcome.status == 74)
            #expect(complaints(outcome.errors).count == 1)
            #expect(complaints(outcome.errors).first?.contains("this rank: in phase save all the time") == true)
        }

        /// Ctrl-Z and `fg`: nothing was lost but time.
        @Test func stoppedAndContinuedIsNoFault() throws {
            let sandbox = try Sandbox()
            let outcome = try sandbox.interrupt(
                watched(seconds: 6), when: Self.started,
                "kill -STOP $job; sleep 9; kill -CONT $job; sleep 1; kill -TERM $job")
            #expect(outcome.status == 75, "\(outcome.errors.suffix(1000))")
        }

        /// A killed mpirun takes its ranks along, one that is stopped included.
        @Test(arguments: [":", "kill -STOP $2"])
        func noOrphansOfAKilledMpirun(before: String) throws {
            let sandbox = try Sandbox()
            let outcome = try sandbox.interrupt(
                Self.endless, ranks: 2, when: Self.started,
                "set -- $ranks; \(before); kill -KILL $job; \(Self.end)")
            #expect(outcome.status == 128 + 9)
            #expect(try left(sandbox) == "")
        }

        /// Five times slower: reported once, with the same result. Most of a step is computing, so that it is there that most stops fall.
        @Test func stragglerIsReported() throws {
            let sandbox = try Sandbox()
            let settings = ["model.hidden=640", "training.steps=150"]
            let outcome = try sandbox.interrupt(
                ["train", "--run", "slow"] + Sandbox.small + settings.flatMap { ["--set", $0] }, ranks: 2,
                when: "[ -e slow/metrics.jsonl ]",
                "set -- $ranks; while kill -STOP $2 2> /dev/null; do sleep 0.09; kill -CONT $2; sleep 0.02; done")
            #expect(outcome.status == 0)
            let warnings = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("warning: ") }
            #expect(warnings.count == 1, "\(outcome.errors)")
            #expect(warnings.first?.contains(/^warning: rank 1, host \S+, computes [\d.]+ times as long/) == true)
            try sandbox.train("undisturbed", settings, ranks: 2)
            #expect(try sandbox.tensors("slow", step: 150) == sandbox.tensors("undisturbed", step: 150))
        }
    }
}
