import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// A model in another program's format.
    struct ExportTests {
        private static let python = Page.repository.appending(path: ".build/test-tools/bin/python").path
        private static let hasRuntime = (try? Launch.run(python, ["-c", "import onnxruntime"]).status) == 0

        private let sandbox: Sandbox
        init() throws { sandbox = try Sandbox() }

        private func export(_ options: String...) throws -> Launch.Outcome {
            try sandbox.lockstep(["export", "--format", "onnx", "--output", "lm"] + options)
        }

        private func content(_ name: String) throws -> Data { try Data(contentsOf: URL(filePath: sandbox.path(name))) }

        /// The tutorial's own Python program gives the scores of `lockstep score`, in both ways.
        @Test(.enabled(if: hasRuntime, "no onnxruntime here: launch/test-tools installs it"))
        func theTutorialsProgramScoresLikeScore() throws {
            let text = "\(Shared.corpus)/train.txt"
            try sandbox.succeed(["prepare", "--input", text, "--level", "word", "--vocabulary-size", "90", "--output", "data"])
            try sandbox.train("run", ["data.path=data", "training.steps=60", "training.optimizer.learning_rate=0.02"])
            try sandbox.succeed(["export", "--checkpoint", "run", "--format", "onnx", "--output", "lm"])
            let lines = try String(contentsOfFile: text, encoding: .utf8).components(separatedBy: "\n").prefix(9)
            let sentences = try sandbox.write(lines.map { "\($0)\n" }.joined(), to: "sentences.txt")

            let page = Page(markdown: "docs/tutorials/decoders.md")
            let block = try #require(page.blocks.last { $0.language == "python" })
            let program = try sandbox.write(block.lines.joined(separator: "\n"), to: "program.py")
            let outcome = try Launch.run(Self.python, [program], folder: sandbox.folder)
            try #require(outcome.status == 0, "\(outcome.errors)")
            let found = outcome.output.split(separator: "\n").map { $0.split(separator: " ").compactMap { Double($0) } }
            let expected = try sandbox.succeed(["score", "--checkpoint", "run", sentences]).split(separator: "\n").compactMap { Double($0) }
            try #require(found.count == 9 && expected.count == 9)
            for (both, score) in zip(found, expected) {
                try #require(both.count == 2)
                for value in both { #expect(abs(value - score) < 2e-4, "\(both), \(score)") }
            }
        }

        @Test func formsTokensAndFilesThatAreThere() throws {
            let both = try export("--checkpoint", Shared.run)
            #expect(both.status == 0 && both.output == "lm/sentences.onnx\nlm/step.onnx\nlm/tokens.txt\n", "\(both.errors)")
            let first = try content("lm/step.onnx")

            let again = try export("--checkpoint", Shared.run)
            #expect(again.status == 64 && again.errors.contains("lm/sentences.onnx: the file already exists"), "\(again.errors)")
            let step = try export("--checkpoint", Shared.run, "--form", "step", "--overwrite")
            #expect(step.status == 0 && step.output == "lm/step.onnx\nlm/tokens.txt\n", "\(step.errors)")
            #expect(try content("lm/step.onnx") == first)
            #expect(try FileManager.default.contentsOfDirectory(atPath: sandbox.path("lm")).sorted() == ["sentences.onnx", "step.onnx", "tokens.txt"])

            let table = String(decoding: try content("lm/tokens.txt"), as: UTF8.self).split(separator: "\n").map(String.init)
            #expect(table.count == 57 && table.contains { $0.hasPrefix("<0x0A> ") } && table.contains { $0.hasPrefix("<0x20> ") })
            for (id, line) in table.enumerated() { #expect(line.hasSuffix(" \(id)") && line.count(where: { $0 == " " }) == 1) }
        }

        @Test func refusals() throws {
            let missing = try export("--checkpoint", "nowhere")
            #expect(missing.status == 65, "\(missing.errors)")
            let token = try export("--checkpoint", Shared.run, "--sos", "<s>")
            #expect(token.status == 64 && token.errors.contains("--sos: the model's vocabulary has no such token"), "\(token.errors)")
            let file = try sandbox.lockstep(["export", "--checkpoint", Shared.run, "--format", "onnx", "--output", "lm.onnx"])
            #expect(file.status == 64 && file.errors.contains("--output is a folder"), "\(file.errors)")
            let format = try sandbox.lockstep(["export", "--checkpoint", Shared.run, "--format", "onx", "--output", "lm"])
            #expect(format.status == 64, "\(format.errors)")

            try FileManager.default.copyItem(atPath: Shared.run, toPath: sandbox.path("damaged"))
            let checkpoint = sandbox.checkpoint("damaged", step: 400)
            let model = try FileHandle(forUpdating: URL(filePath: "\(checkpoint)/model.safetensors"))
            try model.truncate(atOffset: 5000)
            let damaged = try export("--checkpoint", checkpoint)
            #expect(damaged.status == 65 && damaged.errors.contains("model.safetensors"), "\(damaged.errors)")
            #expect(!FileManager.default.fileExists(atPath: sandbox.path("lm")))
        }
    }
}
