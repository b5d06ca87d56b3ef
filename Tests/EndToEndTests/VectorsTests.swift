import Foundation
import TestSupport
import Testing

/// `LOCKSTEP_VECTORS` changes how fast products are, and nothing else.
@Suite struct VectorsTests {
    static let names = ["portable", "avx2", "avx512"]

    private func train(_ run: String, vectors: String, _ settings: [String], in sandbox: Sandbox) throws -> Launch.Outcome {
        try Launch.run(
            "/usr/bin/env",
            ["LOCKSTEP_VECTORS=\(vectors)", try Launch.product("lockstep"), "train", "--run", run] + Sandbox.small
                + settings.flatMap { ["--set", $0] },
            folder: sandbox.folder, timeout: 120)
    }

    @Test(arguments: ["elman", "lstm", "gru", "gru_reset_after"])
    func allInstructionsTrainTheSameWeights(cell: String) throws {
        let sandbox = try Sandbox()
        var weights: [String: Data] = [:]
        for vectors in VectorsTests.names {
            let outcome = try train(
                vectors, vectors: vectors, ["model.cell=\(cell)", "model.dropout=0.3", "training.steps=20"], in: sandbox)
            if outcome.status == 64, outcome.errors.contains("does not have these instructions") { continue }
            try #require(outcome.status == 0, "\(outcome.errors)")
            weights[vectors] = try Data(
                contentsOf: URL(filePath: sandbox.path("\(vectors)/checkpoints/step-000000020/model.safetensors")))
        }
        #expect(weights["portable"] != nil)
        #expect(Set(weights.values).count == 1, "\(weights.keys)")
    }

    @Test func anUnknownNameIsRefused() throws {
        let sandbox = try Sandbox()
        let outcome = try train("run", vectors: "avx9", [], in: sandbox)
        #expect(outcome.status == 64)
        for text in ["LOCKSTEP_VECTORS", "expected portable", "found avx9", "unset LOCKSTEP_VECTORS"] {
            #expect(outcome.errors.contains(text), "\(outcome.errors)")
        }
        #expect(!FileManager.default.fileExists(atPath: sandbox.path("run")))
    }
}
