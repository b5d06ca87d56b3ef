import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// A processor, or a virtual machine's default model, that lacks the instructions lockstep is compiled for.
    struct ProcessorTests {
        private static let emulator = "/usr/bin/qemu-x86_64-static"
        private static let isThere = FileManager.default.isExecutableFile(atPath: emulator)

        private func lockstep(_ arguments: [String], processor: String) throws -> Launch.Outcome {
            let sandbox = try Sandbox()
            return try Launch.run(
                Self.emulator, ["-cpu", processor, Launch.product("lockstep")] + arguments,
                environment: Launch.mpiEnvironment, folder: sandbox.folder, timeout: 300)
        }

        @Test(
            .enabled(if: isThere, "no qemu-x86_64-static here: launch/test-tools installs it"), arguments: [[], ["--json"]])
        func doctorReportsIt(options: [String]) throws {
            let outcome = try lockstep(["doctor"] + options, processor: "Nehalem")
            #expect(outcome.status == 69, "\(outcome.errors)")
            #expect(outcome.output.contains(options.isEmpty ? "problem: processor" : "\"missing_instructions\""), "\(outcome)")
            #expect(outcome.output.contains("without AVX, AVX2, FMA") && outcome.output.contains("qemu -cpu host"))
            #expect(complaints(outcome.errors).allSatisfy { $0.contains("found; see the list above") })
        }

        @Test(
            .enabled(if: isThere, "no qemu-x86_64-static here: launch/test-tools installs it"),
            arguments: ["train", "evaluate", "generate", "complete", "score", "prepare", "inspect", "report", "bench", "verify", "--help"])
        func everyOtherCommandRefuses(command: String) throws {
            expectRefusal(
                try lockstep([command], processor: "Nehalem"), status: 64,
                ["expected x86-64-v3 (AVX2 and FMA)", "without AVX, AVX2, FMA", "qemu -cpu host", "set `level` in Package.swift to 2"])
        }

        @Test(.enabled(if: isThere, "no qemu-x86_64-static here: launch/test-tools installs it"))
        func nothingIsMissingFromHaswell() throws {
            #expect(try lockstep(["--version"], processor: "Haswell").status == 0)
        }
    }
}
