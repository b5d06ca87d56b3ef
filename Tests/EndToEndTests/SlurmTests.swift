import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// `launch/slurm.sbatch` with scripts that play Slurm and the launcher; `launch/test-slurm` has the real ones.
    struct SlurmTests {
        private let sandbox: Sandbox
        private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().path

        init() throws { sandbox = try Sandbox() }

        /// The job as Slurm starts it. `body` plays mpirun, whose arguments come in the file `calls`, a line per start; what
        /// is asked of `scontrol` comes in the file `asked`. `meanwhile` acts on the job's script, `$job`, once mpirun runs.
        private func play(
            _ body: String, _ arguments: [String] = ["--run", "run"], meanwhile: String = ":",
            environment changes: [String: String] = [:]
        ) throws -> (outcome: Launch.Outcome, calls: [String], asked: String) {
            try program("mpirun", "echo \"$OMP_NUM_THREADS: $*\" >> calls\n\(body)")
            try program("scontrol", "echo \"$*\" >> asked")
            var environment = Launch.mpiEnvironment.merging([
                "SLURM_JOB_ID": "42", "SLURM_JOB_NODELIST": "node1", "SLURM_NTASKS": "2", "LOCKSTEP_ROOT": Self.root,
                "LOCKSTEP_PROGRAM": "/bin/true", "SLURM_SUBMIT_DIR": sandbox.folder, "LOCKSTEP_BUILD_MPI": "openmpi",
            ]) { $1 }
            environment.merge(changes) { $1 }
            environment["PATH"] = "\(sandbox.folder):\(environment["PATH"] ?? "")"
            let script = "\"$@\" & job=$!; until [ -s calls ] || ! kill -0 $job; do sleep 0.02; done; \(meanwhile); wait $job"
            let outcome = try Launch.run(
                "bash", ["-c", script, "bash", "bash", "\(Self.root)/launch/slurm.sbatch"] + arguments,
                environment: environment, folder: sandbox.folder)
            return (outcome, lines("calls"), lines("asked").joined(separator: "\n"))
        }

        private func program(_ name: String, _ body: String) throws {
            let path = try sandbox.write("#!/bin/bash\n\(body)\n", to: name)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        }

        private func lines(_ name: String) -> [String] {
            ((try? String(contentsOfFile: sandbox.path(name), encoding: .utf8)) ?? "").split(separator: "\n").map(String.init)
        }

        @Test func runsToItsEnd() throws {
            let (outcome, calls, asked) = try play("exit 0", ["--config", "c d.yaml", "--run", "run"])
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(calls == ["1: -x OMP_NUM_THREADS --bind-to core --map-by core /bin/true train --config c d.yaml --run run"])
            #expect(asked == "")
        }

        @Test func severalCoresForEachRank() throws {
            let (_, calls, _) = try play(
                "exit 0", environment: ["SLURM_CPUS_PER_TASK": "4", "LOCKSTEP_OPTIONS": "--mca pml ucx"])
            #expect(calls == ["4: -x OMP_NUM_THREADS --bind-to core --map-by slot:PE=4 --mca pml ucx /bin/true train --run run"])
        }

        /// Whoever asked for it.
        @Test func stopOnRequestGoesBackIntoTheQueue() throws {
            let (outcome, _, asked) = try play("exit 75")
            #expect(outcome.status == 75)
            #expect(asked == "requeue 42")
        }

        /// Slurm's warning reaches the launcher as it is, and the job waits for it.
        @Test func theTimeIsNearlyUp() throws {
            let (outcome, calls, asked) = try play(
                "trap 'sleep 0.3; exit 75' USR2; touch ready; while :; do sleep 0.02; done",
                meanwhile: "until [ -e ready ]; do sleep 0.02; done; kill -USR2 $job")
            #expect(outcome.status == 75)
            #expect(calls.count == 1)
            #expect(asked == "requeue 42")
        }

        /// It comes before the program can take it, which then dies of it.
        @Test func theTimeIsUpTooEarly() throws {
            let (outcome, _, asked) = try play(
                "touch ready; sleep 9 & wait", meanwhile: "until [ -e ready ]; do sleep 0.02; done; kill -USR2 $job")
            #expect(outcome.status == 140)
            #expect(asked == "requeue 42")
        }

        /// Slurm signals everybody: mpirun must not get a second SIGTERM, and the job must not come back.
        @Test func cancelled() throws {
            let (outcome, _, asked) = try play(
                "trap 'exit 75' USR2; trap 'exit 1' TERM; touch ready; while :; do sleep 0.02; done",
                meanwhile: "until [ -e ready ]; do sleep 0.02; done; kill -TERM $job")
            #expect(outcome.status == 75)
            #expect(asked == "")
        }

        /// A second start of the job, and restarts within it, resume from the existing checkpoint.
        @Test func goesOn() throws {
            try FileManager.default.createDirectory(atPath: sandbox.path("run/checkpoints"), withIntermediateDirectories: true)
            let (outcome, calls, _) = try play(
                "[ $(wc -l < calls) = 1 ] && kill -9 $$; exit 0", ["--init-from", "old", "--run", "run"])
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(calls.map { String($0.suffix(29)) } == Array(repeating: "train --run run --resume auto", count: 2))
        }

        @Test(arguments: [64, 65])
        func failureThatARestartDoesNotMend(code: Int32) throws {
            let (outcome, calls, asked) = try play("exit \(code)")
            #expect(outcome.status == code)
            #expect(calls.count == 1)
            #expect(asked == "")
        }

        @Test func wrongUse() throws {
            let cases: [(arguments: [String], environment: [String: String], text: String)] = [
                (["--config", "x"], [:], "give --run"),
                (["--run", "run"], ["SLURM_JOB_ID": ""], "batch script"),
                (["--run", "run"], ["LOCKSTEP_ROOT": "/nowhere"], "LOCKSTEP_ROOT"),
                (["--run", "run"], ["LOCKSTEP_PROGRAM": "/nowhere"], "launch/setup"),
                (["--run", "run"], ["LOCKSTEP_LAUNCHER": "aprun"], "mpirun or srun"),
                (["--run", "run"], ["LOCKSTEP_SITE": "/nowhere"], "no such file"),
            ]
            for (arguments, environment, text) in cases {
                let (outcome, calls, asked) = try play("exit 0", arguments, environment: environment)
                #expect(outcome.status == 64)
                #expect(outcome.errors.contains(text), "\(outcome.errors)")
                #expect(calls == [] && asked == "")
            }
        }

        @Test func siteFile() throws {
            let site = try sandbox.write("export OMPI_MCA_pml=ucx\n", to: "site")
            let (_, calls, _) = try play("echo $OMPI_MCA_pml >> calls", environment: ["LOCKSTEP_SITE": site])
            #expect(calls.last == "ucx")
        }

        /// Every script parses, and shellcheck, where it is installed, finds no error.
        @Test func scripts() throws {
            let names = try FileManager.default.contentsOfDirectory(atPath: "\(Self.root)/launch")
            let scripts = names.map { "\(Self.root)/launch/\($0)" }.filter {
                (try? String(contentsOfFile: $0, encoding: .utf8))?.hasPrefix("#!/usr/bin/env bash") == true
            }
            #expect(scripts.count >= 6)
            for script in scripts {
                let parsed = try Launch.run("bash", ["-n", script])
                #expect(parsed.status == 0, "\(parsed.errors)")
            }
            guard try Launch.run("sh", ["-c", "command -v shellcheck"]).status == 0 else { return }
            let checked = try Launch.run("shellcheck", ["-S", "error"] + scripts)
            #expect(checked.status == 0, "\(checked.output)")
        }
    }
}
