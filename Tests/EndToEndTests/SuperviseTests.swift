import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// `launch/supervise`, with a real job and with scripts that play one.
    struct SuperviseTests {
        private let sandbox: Sandbox
        private let supervise: String

        init() throws {
            sandbox = try Sandbox()
            supervise = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent().appending(path: "launch/supervise").path
        }

        /// A job that the shell text `body` plays; its arguments come in the file `calls`, a line per start.
        private func play(_ body: String, _ options: [String] = [], _ arguments: [String] = ["--run", "run"]) throws
            -> (outcome: Launch.Outcome, calls: [String])
        {
            let outcome = try Launch.run(
                supervise,
                ["--wait", "0"] + options + ["--", "sh", "-c", "echo \"$*\" >> calls; \(body)", "sh", "train"] + arguments,
                folder: sandbox.folder)
            let calls = (try? String(contentsOfFile: sandbox.path("calls"), encoding: .utf8)) ?? ""
            return (outcome, calls.split(separator: "\n").map(String.init))
        }

        @Test(arguments: [64, 65])
        func noRestartWhereItDoesNotHelp(code: Int32) throws {
            let (outcome, calls) = try play("exit \(code)")
            #expect(outcome.status == code)
            #expect(calls.count == 1)
        }

        @Test func attemptsAreBounded() throws {
            let (outcome, calls) = try play("exit 70", ["--attempts", "3"])
            #expect(outcome.status == 70)
            #expect(calls.count == 4)
            #expect(outcome.errors.contains("given up after 3 restarts without a new checkpoint"))
        }

        /// Each new checkpoint is worth new attempts.
        @Test func progressIsWorthNewAttempts() throws {
            let (outcome, calls) = try play(
                "n=$(wc -l < calls); mkdir -p run/checkpoints; [ $n -gt 5 ] || echo $n > run/checkpoints/latest; kill -9 $$",
                ["--attempts", "2"])
            #expect(outcome.status == 137)
            #expect(calls.count == 7)
            #expect(outcome.errors.contains("lack of memory"))
        }

        /// mpirun that lockstep's own watchdog had to kill: neither a person nor the kernel did it.
        @Test func theWatchdogsKillIsCalledThat() throws {
            let (outcome, _) = try play("mkdir -p run; echo 74 step 9 > run/.ending; kill -9 $$", ["--attempts", "1"])
            #expect(outcome.status == 74)
            #expect(outcome.errors.contains("watchdog ended the job"))
            #expect(!outcome.errors.contains("lack of memory"))
        }

        /// The first start is as given; later ones go on from the latest checkpoint, once there is one.
        @Test func restartsResume() throws {
            let (outcome, calls) = try play(
                "n=$(wc -l < calls); [ $n = 3 ] && exit 0; [ $n = 1 ] || mkdir -p run/checkpoints; exit 1", [],
                ["--init-from", "old", "--run=run", "--resume=old"])
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(
                calls == [
                    "train --init-from old --run=run --resume=old", "train --init-from old --run=run --resume=old",
                    "train --run=run --resume auto",
                ])
        }

        @Test(arguments: [("restart", 3), ("end", 1)])
        func stopOnRequest(policy: String, starts: Int) throws {
            // As mpirun when it is stopped: it returns 1, and only the run folder has the true result.
            let (outcome, calls) = try play(
                "mkdir -p run; [ $(wc -l < calls) = 3 ] && exit 0; echo 75 step 9 > run/.ending; exit 1",
                ["--on-stop", policy])
            #expect(outcome.status == (policy == "end" ? 75 : 0))
            #expect(calls.count == starts)
        }

        @Test func signalStopsBoth() throws {
            let outcome = try Launch.run(
                "sh",
                ["-c", "\"$@\" & s=$!; until [ -s run/metrics.jsonl ]; do sleep 0.02; done; kill -TERM $s; wait $s", "sh",
                    supervise, "--", Launch.product("lockstep"), "train", "--run", "run"] + Sandbox.small
                    + ["--set", "training.steps=1000000"], folder: sandbox.folder)
            #expect(outcome.status == 75, "\(outcome.errors)")
            #expect(try sandbox.ending("run")?.hasPrefix("75 ") == true)
        }

        /// A terminal, or a batch system, signals the supervisor and mpirun, which does not bear two SIGTERMs within 5 seconds.
        @Test func mpirunIsNotSignalledTwice() throws {
            let outcome = try Launch.run(
                "sh",
                ["-c", """
                    "$@" & s=$!
                    until [ -s run/metrics.jsonl ]; do sleep 0.02; done
                    kill -TERM $(cat /proc/$s/task/*/children) $s
                    wait $s
                    """, "sh", supervise, "--"] + Launch.launcher(2) + [Launch.product("lockstep"), "train", "--run",
                    "run"] + Sandbox.small + ["--set", "training.steps=1000000"],
                environment: Launch.mpiEnvironment.merging(["OMPI_MCA_odls_base_sigkill_timeout": "4"]) { $1 },
                folder: sandbox.folder)
            #expect(outcome.status == 75, "\(outcome.errors.suffix(2000))")
            #expect(try sandbox.ending("run")?.hasPrefix("75 ") == true)
        }

        @Test(arguments: [["--bogus"], ["--attempts", "x", "--", "a"], ["--"], ["--", "ls"]])
        func wrongUse(arguments: [String]) throws {
            #expect(try Launch.run(supervise, arguments, folder: sandbox.folder).status == 64)
        }

        /// A rank dies again and again; the run ends with the bytes of an undisturbed one.
        @Test func crashesChangeNothing() throws {
            let settings = ["training.steps=3000", "checkpoint.every_steps=100", "metrics.every_steps=10", "model.dropout=0.2"]
            let script = """
                # Each of Hydra's ranks is in a session of its own.
                ranks() { for p in $(pgrep -x lockstep); do [ /proc/$p/cwd -ef . ] && echo $p; done; }
                "$@" & s=$!
                for n in 1 2 3; do
                    until rank=$(ranks | tail -n 1) && [ -n "$rank" ] &&
                        [ "0$(cat run/checkpoints/latest 2> /dev/null | tr -dc 0-9)" -gt $((n * 500)) ]
                    do kill -0 $s || break; sleep 0.01; done
                    kill -KILL $rank
                done
                wait $s
                """
            let outcome = try Launch.run(
                "sh",
                ["-c", script, "sh", supervise, "--wait", "0", "--"] + Launch.launcher(2)
                    + [Launch.product("lockstep"), "train", "--run", "run"] + Sandbox.small
                    + settings.flatMap { ["--set", $0] },
                environment: Launch.mpiEnvironment, folder: sandbox.folder)
            #expect(outcome.status == 0, "\(outcome.errors.suffix(2000))")
            #expect(outcome.errors.contains("supervise: signal 9"))
            try sandbox.train("undisturbed", settings, ranks: 2)
            #expect(try sandbox.tensors("run", step: 3000) == sandbox.tensors("undisturbed", step: 3000))
            #expect(try sandbox.metrics("run").map(\.loss) == sandbox.metrics("undisturbed").map(\.loss))
        }
    }
}
