import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// Commands that are no jobs, started by a launcher: each process does what it was asked to.
    struct TaskTests {
        private let sandbox: Sandbox

        init() throws { sandbox = try Sandbox() }

        private func contents(_ name: String) throws -> String { try String(contentsOfFile: sandbox.path(name), encoding: .utf8) }

        /// As the tutorial on rescoring has it, under mpirun and under srun.
        @Test(arguments: [true, false])
        func eachTaskScoresItsPart(mpirun: Bool) throws {
            let lines = (0..<4).map { "A train \($0)" }
            for task in 0..<2 { _ = try sandbox.write(lines[2 * task..<2 * task + 2].joined(separator: "\n") + "\n", to: "part.\(task)") }
            _ = try sandbox.write(lines.joined(separator: "\n") + "\n", to: "whole")
            let whole = try sandbox.succeed(["score", "--checkpoint", Shared.run, "whole"])
            let rank = mpirun ? Launch.rankVariable : "SLURM_PROCID"
            let script = "exec \"$1\" score --checkpoint \"$2\" part.$\(rank) > scores.$\(rank)"
            let arguments = ["-c", script, "sh", try Launch.product("lockstep"), Shared.run]
            if mpirun {
                let outcome = try Launch.mpirun(ranks: 2, "sh", arguments, folder: sandbox.folder)
                #expect(outcome.status == 0, "\(outcome.errors)")
                #expect(outcome.errors.components(separatedBy: "each of the 2 processes").count == 2, "\(outcome.errors)")
            } else {
                for task in 0..<2 {
                    let environment = Launch.mpiEnvironment.merging(["SLURM_PROCID": "\(task)", "SLURM_STEP_NUM_TASKS": "2"]) { $1 }
                    let outcome = try Launch.run("sh", arguments, environment: environment, folder: sandbox.folder)
                    #expect(outcome.status == 0, "\(outcome.errors)")
                }
            }
            #expect(try contents("scores.0") + contents("scores.1") == whole)
        }

        /// The one that fails says so, with its number.
        @Test func everyTaskSpeaksForItself() throws {
            let environment = Launch.mpiEnvironment.merging(["SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"]) { $1 }
            for arguments in [["score", "--checkpoint", "none"], ["generate"], ["inspect", "none"], ["report", "none"]] {
                let outcome = try Launch.run(Launch.product("lockstep"), arguments, environment: environment, folder: sandbox.folder)
                #expect(outcome.status != 0)
                #expect(outcome.errors.contains("lockstep: task 1: "), "\(arguments): \(outcome.errors)")
            }
            let generated = try Launch.run(
                Launch.product("lockstep"), ["generate", "--checkpoint", Shared.run, "--length", "20"], environment: environment,
                folder: sandbox.folder)
            #expect(generated.status == 0 && generated.output.count > 10)
        }

        /// Two processes, one folder: the dataset is whole, and neither has failed.
        @Test func oneFolderPreparedTwiceAtOnce() throws {
            let prepare = ["prepare", "--sample", "kinematics", "--problems", "300", "--output", "data"]
            for _ in 0..<2 {
                let outcome = try sandbox.lockstep(prepare, ranks: 3)
                #expect(outcome.status == 0, "\(outcome.errors)")
                #expect(try FileManager.default.contentsOfDirectory(atPath: sandbox.folder) == ["data"])
            }
            try sandbox.succeed(["inspect", "data"])
            // Another dataset is not taken for the same.
            let other = try sandbox.lockstep(["prepare", "--sample", "kinematics", "--problems", "200", "--output", "data"], ranks: 2)
            #expect(other.status == 64)
            #expect(other.errors.contains("task 1: data:"), "\(other.errors)")
        }
    }
}
