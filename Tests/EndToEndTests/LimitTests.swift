import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// What a shell or batch system limits, and numbers at the ends of their types: an error that says so, no signal.
    struct LimitTests {
        private let sandbox: Sandbox

        init() throws { sandbox = try Sandbox() }

        private func limited(_ limit: String, _ arguments: [String], environment: [String: String] = [:]) throws -> Launch.Outcome {
            try Launch.run(
                "sh", ["-c", "\(limit); exec \"$@\"", "sh", try Launch.product("lockstep")] + arguments, environment: environment,
                folder: sandbox.folder, timeout: 60)
        }

        private static let train = ["train", "--run", "new"] + Sandbox.small + ["--set", "training.steps=2"]

        /// As on login nodes.
        @Test func fileSize() throws {
            _ = try sandbox.write(String(repeating: "A car drives.\n", count: 20_000), to: "text")
            let outcome = try limited("ulimit -f 64", ["prepare", "--input", "text", "--level", "char", "--output", "d"])
            #expect(outcome.status == 74)
            #expect(complaints(outcome.errors).first?.contains("ulimit -f") == true, "\(outcome.errors)")
            #expect(!FileManager.default.fileExists(atPath: sandbox.path("d")))
        }

        @Test func openFiles() throws {
            let outcome = try limited("ulimit -n 8", Self.train)
            #expect(outcome.status == 74)
            #expect(complaints(outcome.errors).first?.contains("ulimit -n") == true, "\(outcome.errors)")
        }

        @Test func addressSpace() throws {
            let outcome = try limited("ulimit -v 1000000", Self.train + ["--set", "model.hidden=6000"])
            expectRefusal(outcome, status: 64, ["ulimit -v", "raise the limit"])
        }

        @Test func stack() throws {
            expectRefusal(try limited("ulimit -s 64", ["--version"]), status: 74, ["ulimit -s"])
            #expect(try limited("ulimit -s 256", Self.train).status == 0)
        }

        /// A run stops with a checkpoint when its time is up, before the hard limit kills it.
        @Test func processorTime() throws {
            let outcome = try limited("ulimit -S -t 2", Self.train + ["--set", "training.steps=1000000"])
            #expect(outcome.status == 75, "\(outcome.errors.suffix(400))")
            #expect(FileManager.default.fileExists(atPath: sandbox.path("new/checkpoints/latest")))
        }

        @Test(arguments: ["100000", "0", "-1", "two", "", "4,2", "99999999999999999999"])
        func threads(value: String) throws {
            let outcome = try limited(":", Self.train, environment: ["OMP_NUM_THREADS": value])
            #expect(outcome.status == 0)
            let isNumber = ["100000", "", "4,2"].contains(value)
            #expect(outcome.errors.contains("OMP_NUM_THREADS=\(value) is not a number of threads") == !isNumber, "\(outcome.errors)")
        }

        private static let mountsAreAllowed = (try? Launch.run("unshare", ["-m", "true"]).status) == 0

        /// A container's default is 64 MB. Without shared memory the run does as well, and the message says how.
        @Test(.enabled(if: mountsAreAllowed, "needs an administrator: unshare -m"), arguments: ["train", "train --dry-run", "bench"])
        func sharedMemory(command: String) throws {
            let words = command.split(separator: " ").map(String.init)
            let settings = ["model.hidden=512", "training.streams=4", "training.steps=2", "validation.every_epoch=false"]
            let arguments =
                words + (command == "bench" ? ["--steps", "2", "--steps-only", "--vocabulary", "100"] : ["--run", "new", "--data", Shared.corpus])
                + settings.flatMap { ["--set", $0] }
            func run(_ options: [String]) throws -> Launch.Outcome {
                let mount = "mount -t tmpfs -o size=12m tmpfs /dev/shm; exec \"$@\""
                return try Launch.run(
                    "unshare",
                    ["-m", "sh", "-c", mount, "sh", "mpirun", "-n", "2", "--oversubscribe"] + options
                        + [try Launch.product("lockstep")] + arguments, environment: Launch.mpiEnvironment, folder: sandbox.folder,
                    timeout: 60)
            }
            expectRefusal(try run([]), status: 74, ["/dev/shm", "for 2 ranks", "MiB", "--shm-size", "LOCKSTEP_RANKS_PER_MACHINE=1"], underMPI: true)
            if command == "train" {
                let outcome = try run(["-x", "LOCKSTEP_RANKS_PER_MACHINE=1"])
                #expect(outcome.status == 0, "\(outcome.errors)")
            }
        }

        /// Whoever types a number gets a run or a refusal: codes of this program, no trap.
        @Test(arguments: [
            "model.dropout", "model.initial_range", "model.initial_embedding_range", "model.layers", "model.hidden",
            "training.streams", "training.unroll", "training.epochs", "training.steps", "training.clip.norm", "training.clip.value",
            "training.optimizer.learning_rate", "training.optimizer.momentum", "training.optimizer.beta2", "training.optimizer.epsilon",
            "training.optimizer.weight_decay", "training.schedule.factor", "training.schedule.minimum", "training.seed",
            "training.verify_every_steps", "training.reproducible_shards", "checkpoint.every_steps", "checkpoint.every_minutes",
            "checkpoint.keep", "validation.every_steps", "validation.streams", "metrics.every_steps", "metrics.sample_length",
            "metrics.gradient_flow_every_steps",
            "watchdog.seconds",
        ])
        func extremesOfEverySetting(key: String) throws {
            for value in ["0", "-1", "1e308", "1e-308", "3e38", "1.2e-38", "0.9999999", "2147483648", "9223372036854775807", ".nan", ".inf"] {
                let outcome = try sandbox.lockstep(
                    ["train", "--dry-run", "--run", "new"] + Sandbox.small + ["--set", "\(key)=\(value)"], timeout: 30)
                #expect([0, 64, 65].contains(outcome.status), "\(key)=\(value): \(outcome.status) \(outcome.errors)")
            }
        }

        @Test(arguments: [
            ["evaluate", "--checkpoint", "RUN", "--streams", "9223372036854775807"],
            ["generate", "--checkpoint", "RUN", "--length", "1", "--temperature", "1e308"],
            ["generate", "--checkpoint", "RUN", "--length", "1", "--temperature", "1e-308"],
            ["generate", "--checkpoint", "RUN", "--length", "1", "--top-k", "9223372036854775807"],
            ["generate", "--checkpoint", "RUN", "--length", "1", "--top-p", "1e-308"],
            ["generate", "--checkpoint", "RUN", "--length", "1", "--seed", "18446744073709551615"],
            ["complete", "--checkpoint", "RUN", "-k", "9223372036854775807", "A car"],
            ["prepare", "--sample", "kinematics", "--problems", "9223372036854775807", "--output", "d"],
            ["bench", "--vocabulary", "9223372036854775807"], ["bench", "--steps", "9223372036854775807"],
            ["bench", "--link", "nan,1"], ["verify", "--steps", "9223372036854775807"],
        ])
        func extremesOfOptions(arguments: [String]) throws {
            let outcome = try sandbox.lockstep(arguments.map { $0 == "RUN" ? Shared.run : $0 }, timeout: 30)
            #expect(!outcome.timedOut && [0, 64, 65].contains(outcome.status), "\(outcome.status) \(outcome.errors)")
        }
    }
}
