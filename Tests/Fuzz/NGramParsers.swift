import Files
import Inference
import NGram
import TestSupport

@testable import Checkpoints

/// n-gram models: text and binary.
extension Parser {
    private static let small = """
        \\data\\
        ngram 1=5
        ngram 2=4
        ngram 3=2

        \\1-grams:
        -0.5\ta\t-0.3
        -0.6\tb\t-0.3
        -0.7\t</s>\t0
        -0.9\t<unk>\t0
        0\t<s>\t-0.3

        \\2-grams:
        -0.4\ta b\t-0.2
        -0.5\tb </s>\t0
        -0.3\tb a\t-0.1
        -0.2\t<s> b\t-0.1

        \\3-grams:
        -0.1\tb a b
        -0.15\t<s> b a
        \\end\\

        """

    static func arpa(in folder: String) -> Parser {
        let path = "\(folder)/model.arpa"
        let text = Array(small.utf8)
        let words = [
            "\\data\\", "\\end\\", "\\2-grams:", "ngram 4=1", "99999999999", "-99", "nan", "-inf", "1e400", "0.5", "<s>", "</s>", "<unk>",
            "<eos>", "\t", " ", "\n", "-0.1\tb a b\n",
        ]
        return Parser("arpa", [text, text, gzipped(text)], words: words, at: path) {
            let file = try ARPAFile(path)
            precondition(file.words.count == file.model.wordSet.vocabularySize)
            use(NGramPredictor(file.model))
            try ARPAWriter.write(file.model, spelling: { file.words[$0] }) { _ in }
        }
    }

    /// The arrays of an n-gram checkpoint, for which its manifest vouches.
    static func ngram(in folder: String) throws -> Parser {
        let path = "\(folder)/small.arpa"
        try File.publish(small, at: path)
        let model = try ARPAFile(path).model
        let manifest = Manifest(
            programVersion: "test", kind: Manifest.ngram, model: ModelSummary(ngramOrder: 3, vocabularySize: 4),
            configuration: "model: {cell: lstm}\n", step: 1, epoch: 1, offset: 0, tokens: 10, seed: 1, schedule: [:], validationLoss: nil,
            best: nil, datasetFiles: [:], vocabularyHash: "ab", ranks: 1)
        let saved = try CheckpointStore(runFolder: folder, keep: 1) { _ in }.save(
            CheckpointContent(
                manifest: manifest, model: NGramFile.tensors(model), state: [], vocabularyPath: try dataset(.character, in: folder) + "/vocabulary.json"
            ) { write in
                try Array(small.utf8).withUnsafeBytes { try write($0) }
            })
        return try weights(of: saved, named: "ngram", words: ["\"I32\"", "\"ngram.2.word\"", "\"ngram.1.children\"", "[3]", "[12,16]"])
    }

    /// Asks a predictor everything there is to ask.
    static func use(_ predictor: any TokenPredictor) {
        do {
            try predictor.reserve(streams: 2, steps: 3)
            predictor.reset(streams: 2)
            let last = Int32(predictor.vocabularySize - 1)
            for _ in 0..<2 {
                try predictor.read([0, last, last / 2, 0, last, 1 % (last + 1)], steps: 3)
                var rows = 0
                try predictor.losses(of: [last, 0, 0, -1, last / 2, last]) { _, _ in rows += 1 }
                precondition(rows == 5)
            }
            let logits = try predictor.logits(ofStream: 1)
            precondition(logits.count == predictor.vocabularySize)
        } catch { preconditionFailure("\(error)") }
    }
}
