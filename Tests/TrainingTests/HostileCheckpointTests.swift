import Checkpoints
import Corpus
import Files
import Foundation
import Inference
import Recurrent
import TestSupport
import Testing
import Training

/// Checkpoints from a stranger, with all checksums right.
@Suite struct HostileCheckpointTests {
    /// Changes a manifest's text and makes its checksum right again.
    private func edit(_ folder: String, _ changes: [(String, String)]) throws {
        let path = "\(folder)/manifest.json"
        var text = String(decoding: try File.contents(of: path), as: UTF8.self)
        let zeros = String(repeating: "0", count: 64)
        text.replace(/"checksum" : "[0-9a-f]{64}"/, with: "\"checksum\" : \"\(zeros)\"")
        for (old, new) in changes {
            try #require(text.contains(old))
            text = text.replacing(old, with: new)
        }
        let checksum = Array(text.utf8).withUnsafeBytes { Digest.sha256($0) }
        try File.publish(text.replacing(zeros, with: checksum), at: path)
    }

    private func latest(_ folder: String) throws -> LoadedCheckpoint {
        let store = CheckpointStore(runFolder: folder, keep: 1) { _ in }
        return try #require(try store.latest())
    }

    /// Embedding and recurrent weights are there, as holes in a file of 768 MiB; the output layer that goes with them
    /// would take 4 TiB.
    @Test func aModelLargerThanItsFileIsRefused() throws {
        try withTemporaryFolder { folder in
            let run = SmallRun(cell: .elman, tokens: source.sample(200, seed: 1), folder: folder, steps: 1, layers: 1)
            try run.train()
            let checkpoint = try latest(folder)
            let path = "\(checkpoint.folder)/model.safetensors"
            let old = try #require(checkpoint.manifest.files["model.safetensors"]).size
            let (vocabulary, hidden) = (1 << 27, 1 << 13)
            let end = 4 * (vocabulary + hidden * hidden)
            let header = """
                {"encoder.weight":{"dtype":"F32","shape":[\(vocabulary),1],"data_offsets":[0,\(4 * vocabulary)]},\
                "rnn.weight_hh_l0":{"dtype":"F32","shape":[\(hidden),\(hidden)],"data_offsets":[\(4 * vocabulary),\(end)]}}
                """
            let file = try File.open(path, .write)
            try withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { try file.write($0) }
            try file.write(header)
            try file.truncate(to: 8 + header.utf8.count + end)
            try edit(
                checkpoint.folder,
                [
                    ("\"size\" : \(old)", "\"size\" : \(8 + header.utf8.count + end)"),
                    ("\"embedding\" : 7", "\"embedding\" : 1"), ("\"hidden\" : 11", "\"hidden\" : \(hidden)"),
                    ("\"vocabulary_size\" : 13", "\"vocabulary_size\" : \(vocabulary)"),
                ])
            let loaded = try LoadedCheckpoint(folder: checkpoint.folder, verifying: false)
            #expect(throws: SafetensorsError.self) { try ModelFile.load(loaded) }
        }
    }

    /// A checkpoint of an older version does not say what kind of model it is; one of a later version may be of another kind.
    @Test func theKindDecidesHowACheckpointIsOpened() throws {
        try withTemporaryFolder { folder in
            try SmallRun(tokens: source.sample(200, seed: 1), folder: folder, steps: 1).train()
            let checkpoint = try latest(folder)
            #expect(checkpoint.manifest.kind == "recurrent")
            #expect(try ModelFormat.open(checkpoint) is RecurrentPredictor)
            try edit(checkpoint.folder, [("  \"kind\" : \"recurrent\",\n", "")])
            #expect(try ModelFormat.open(latest(folder)).vocabularySize == 13)
            try edit(checkpoint.folder, [("  \"model\" : {", "  \"kind\" : \"later\",\n  \"model\" : {")])
            let error = #expect(throws: ModelFileError.self) { try ModelFormat.open(latest(folder)) }
            #expect("\(error!)".contains("unknown kind of model; expected recurrent, ngram, found 'later'"), "\(error!)")
        }
    }

    /// A count 1024 below 2^63, which two more steps of 720 tokens would carry over it.
    @Test(arguments: ["9.223372036854774784e18", "-1e300", "0.5"])
    func countsThatCannotBeAreZero(count: String) throws {
        try withTemporaryFolder { folder in
            var run = SmallRun(
                tokens: source.sample(20_000, seed: 1), folder: folder, unroll: UnrollPlan(fixed: 60), steps: 4)
            run.options.metricsEverySteps = 100
            try run.train(stopAfter: 2)
            let names = ["interval_tokens", "interval_steps", "interval_clipped", "validations_without_improvement"]
            let numbers = try latest(folder).manifest.schedule
            try edit(
                latest(folder).folder,
                names.map { ("\"\($0)\" : \(Int(numbers[$0]!))", "\"\($0)\" : \(count)") })
            #expect(try run.train(resume: true).step == 4)
        }
    }
}
