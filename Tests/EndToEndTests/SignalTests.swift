import Files
import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// Signals at every moment of a run, and outputs that nobody reads. See also `ResumeTests`.
    struct SignalTests {
        private static let endless =
            ["train", "--run", "run"] + Sandbox.small
            + ["--set", "training.steps=1000000", "--set", "validation.every_epoch=false"]
        private static let started = "[ -s run/metrics.jsonl ]"

        /// nohup's wish is respected; else a vanished terminal costs nothing.
        @Test(arguments: [true, false])
        func hangup(ignored: Bool) throws {
            let sandbox = try Sandbox()
            let outcome = try sandbox.interrupt(
                Self.endless, when: Self.started,
                """
                kill -HUP $job
                n=0; while [ $n -lt \(ignored ? 10 : 500) ] && ! [ -e run/checkpoints/latest ]; do sleep 0.02; n=$((n+1)); done
                ls run/checkpoints > saved; kill -TERM $job
                """, preparation: ignored ? "trap '' HUP" : ":")
            #expect(outcome.status == 75)
            let saved = try String(contentsOfFile: sandbox.path("saved"), encoding: .utf8)
            #expect(saved.contains("latest") == !ignored)
        }

        /// Batch systems repeat it, also while the checkpoint is written.
        @Test func moreThanOneTermIsOne() throws {
            let sandbox = try Sandbox()
            let outcome = try sandbox.interrupt(
                Self.endless + ["--set", "model.hidden=256"], when: Self.started,
                "while kill -TERM $job 2> /dev/null; do sleep 0.001; done")
            #expect(outcome.status == 75)
            #expect(try sandbox.ending("run")?.hasPrefix("75 step ") == true)
        }

        /// An impatient person. The step takes seconds.
        @Test func secondInterruptEndsAtOnce() throws {
            let sandbox = try Sandbox()
            let outcome = try sandbox.interrupt(
                Self.endless + ["--set", "model.hidden=1024", "--set", "training.unroll=400"],
                when: "[ -e run/metrics.jsonl ]", "sleep 0.5; kill -INT $job; sleep 0.2; kill -INT $job")
            #expect(outcome.status == 128 + SIGINT)
            #expect(try sandbox.ending("run") == nil)
        }

        /// One rank waits in MPI's initialisation for the other.
        @Test func termBeforeMPIIsUp() throws {
            let sandbox = try Sandbox()
            let late = "if [ \"$\(Launch.rankVariable)\" = 1 ]; then sleep 3; fi; exec \"$@\""
            let script = """
                \(Launch.launcher(2).joined(separator: " ")) sh -c '\(late)' sh "$@" & job=$!
                until first=$(pgrep -P $job,$(pgrep -d, -P $job) lockstep) && [ $((0x$(sed -n 's/SigCgt:.//p' /proc/$first/status) >> 14 & 1)) = 1 ]
                do sleep 0.02; done
                kill -TERM $first
                wait $job
                """
            let outcome = try Launch.run(
                "sh", ["-c", script, "sh", Launch.product("lockstep")] + Self.endless,
                environment: Launch.mpiEnvironment, folder: sandbox.folder)
            #expect(outcome.status == 75, "\(outcome.errors)")
            #expect(try sandbox.ending("run") == "75 step 1\n")
        }

        /// Too late to matter.
        @Test func termWhileTheJobEnds() throws {
            let sandbox = try Sandbox()
            let outcome = try sandbox.interrupt(
                ["train", "--run", "run"] + Sandbox.small, ranks: 2, when: "[ -e run/.ending ]",
                "while kill -TERM $ranks 2> /dev/null; do :; done")
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(try sandbox.ending("run") == "0 step 50\n")
        }

        /// Open MPI's mpirun returns 1, whatever its ranks return; the run folder has the true result. In the 4 seconds until it
        /// forwards the signal on it reads none of their output, which must not stop them. Hydra forwards SIGTERM at once and waits;
        /// now and then it then loses its ranks' exit code and returns 0.
        @Test(arguments: Launch.isMPICH ? ["TERM"] : ["TERM", "HUP"])
        func signalToMpirun(signal: String) throws {
            let sandbox = try Sandbox()
            let outcome = try sandbox.interrupt(
                Self.endless, ranks: 2, when: Self.started, "kill -\(signal) $job",
                preparation: "export OMPI_MCA_odls_base_sigkill_timeout=4")
            #expect((Launch.isMPICH ? [0, 75] : [1]).contains(outcome.status))
            let ending = try #require(try sandbox.ending("run"))
            let step = try #require(Int(ending.dropFirst("75 step ".count).dropLast()))
            #expect(FileManager.default.fileExists(atPath: sandbox.checkpoint("run", step: step)))
        }

        /// mpirun passes it on and waits, and the ranks' own exit code comes through.
        @Test(.disabled(if: Launch.isMPICH, "Hydra dies of SIGUSR2; SIGTERM does this there: signalToMpirun"))
        func stopThroughMpirun() throws {
            let sandbox = try Sandbox()
            let outcome = try sandbox.interrupt(Self.endless, ranks: 2, when: Self.started, "kill -USR2 $job")
            #expect(outcome.status == 75, "\(outcome.errors)")
            #expect(try sandbox.ending("run")?.hasPrefix("75 step ") == true)
        }

        /// Every launcher passes it on.
        @Test func saveThroughTheLauncher() throws {
            let sandbox = try Sandbox()
            let outcome = try sandbox.interrupt(
                Self.endless, ranks: 2, when: Self.started,
                "kill -USR1 $job; until [ -e run/checkpoints/latest ] || ! kill -0 $job; do sleep 0.02; done; kill -KILL $job")
            #expect(outcome.status == 128 + SIGKILL)
            #expect(FileManager.default.fileExists(atPath: sandbox.path("run/checkpoints/latest")))
        }

        /// Signals that Hydra does not forward end the job. The ranks must not survive it.
        @Test(.enabled(if: Launch.isMPICH, "Open MPI's mpirun forwards them: signalToMpirun, stopThroughMpirun"), arguments: [SIGHUP, SIGUSR2])
        func hydraDies(signal: Int32) throws {
            let sandbox = try Sandbox()
            let outcome = try sandbox.interrupt(
                Self.endless, ranks: 2, when: Self.started,
                """
                set -- $ranks; kill -\(signal) $job
                n=0; while { kill -0 $1 || kill -0 $2; } && [ $n -lt 500 ]; do sleep 0.02; n=$((n+1)); done
                [ $n = 500 ] || : > gone
                """)
            #expect(outcome.status == 128 + signal)
            #expect(try sandbox.ending("run") == nil)
            #expect(FileManager.default.fileExists(atPath: sandbox.path("gone")))
        }

        // MARK: Outputs

        /// A closed descriptor must not be taken by the next file that is opened, or messages go into it.
        @Test func closedOutputs() throws {
            let sandbox = try Sandbox()
            let outcome = try Launch.run(
                "sh",
                ["-c", "exec \"$@\" <&- >&- 2>&-", "sh", Launch.product("lockstep"), "train", "--run", "run"]
                    + Sandbox.small, folder: sandbox.folder)
            #expect(outcome.status == 0)
            #expect(try sandbox.losses("run").count == 50)
        }

        /// A reader that stops reading, as `less` does: messages are dropped, training continues.
        @Test func readerStopsReading() throws {
            let sandbox = try Sandbox()
            let outcome = try Launch.run(
                "sh",
                ["-c", "{ \"$@\" 2>&1; echo $? > status; } | { until [ -e status ]; do sleep 0.1; done; }", "sh",
                    Launch.product("lockstep"), "train", "--run", "run"] + Sandbox.small
                    + ["--set", "training.steps=3000"], folder: sandbox.folder)
            #expect(!outcome.timedOut)
            #expect(try sandbox.ending("run") == "0 step 3000\n")
        }

        /// Hydra ends the job when it cannot pass output on.
        @Test(arguments: Launch.isMPICH ? [nil] : [nil, 2])
        func readerGoesAway(ranks: Int?) throws {
            let sandbox = try Sandbox()
            let launcher = ranks.map { Launch.launcher($0).joined(separator: " ") + " " } ?? ""
            let outcome = try Launch.run(
                "sh",
                ["-c", "{ \(launcher)\"$@\" 2>&1; echo $? > status; } | head -n 1", "sh", Launch.product("lockstep")]
                    + ["train", "--run", "run"] + Sandbox.small, environment: Launch.mpiEnvironment,
                folder: sandbox.folder)
            #expect(outcome.status == 0)
            #expect(try sandbox.losses("run").count == 50)
            #expect(try sandbox.tensors("run", step: 50).count == 2)
            if ranks == nil {
                #expect(try String(contentsOfFile: sandbox.path("status"), encoding: .utf8) == "0\n")
            }
        }
    }
}
