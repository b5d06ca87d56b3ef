import Configuration
import Foundation
import TestSupport
import Testing

extension CommandTests {
    struct PrintConfigTests {
        private let sandbox: Sandbox

        init() throws { sandbox = try Sandbox() }

        private static let settings = [
            "--data", "a 'folder': with \"everything\"", "--set", "model={cell: gru, layers: 3}", "--set", "training.clip.value=0.1",
            "--set", "training.steps=7",
        ]

        @Test func loadsBackAndDoesNothingElse() throws {
            let first = try sandbox.succeed(["train", "--print-config"] + Self.settings)
            #expect(try FileManager.default.contentsOfDirectory(atPath: sandbox.folder).isEmpty)
            let expected = try RunConfiguration.load(
                file: nil, overrides: ["data.path='a ''folder'': with \"everything\"'", "model={cell: gru, layers: 3}", "training.clip.value=0.1", "training.steps=7"])
            #expect(first == expected.yaml)
            _ = try sandbox.write(first, to: "printed.yaml")
            #expect(try sandbox.succeed(["train", "--config", "printed.yaml", "--print-config"]) == first)
        }

        @Test func underMpirunItIsPrintedOnce() throws {
            let alone = try sandbox.succeed(["train", "--print-config"])
            #expect(try sandbox.succeed(["train", "--print-config"], ranks: 2) == alone)
        }

        /// A run folder with checkpoints is not an obstacle; with --resume, its own configuration is printed.
        @Test func ofARun() throws {
            let saved = try String(contentsOfFile: "\(Shared.run)/config.yaml", encoding: .utf8)
            let fresh = try sandbox.succeed(["train", "--print-config"])
            #expect(try sandbox.succeed(["train", "--run", Shared.run, "--print-config"]) == fresh)
            #expect(try sandbox.succeed(["train", "--run", Shared.run, "--resume", "auto", "--print-config"]) == saved)
        }

        @Test func whatIsWrongIsRefusedAsEver() throws {
            let outcome = try sandbox.lockstep(["train", "--print-config", "--set", "model.hiden=3"])
            #expect(outcome.status == 64 && outcome.output.isEmpty)
            #expect(outcome.errors.contains("did you mean 'model.hidden'?"))
        }
    }
}
