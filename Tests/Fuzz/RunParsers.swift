import Configuration
import Corpus
import Files
import Inference
import Kernels
import Recurrent
import Training

@testable import Checkpoints

/// The files of a run folder.
extension Parser {
    static let names = [
        "npy", "ids", "pieces", "vocabulary", "dataset", "safetensors", "manifest", "checkpoint", "yaml", "metrics",
        "report", "events", "gzip", "arpa", "ngram", "vectors", "examples", "targets", "sequences", "labels",
        "csv", "arrays", "inputs", "values",
    ]

    /// - Parameter folder: the folder for valid and damaged files.
    static func named(_ name: String, in folder: String) throws -> Parser? {
        switch name {
        case "npy": tokenFile(in: folder)
        case "ids": tokenInput(in: folder)
        case "pieces": tokenList(in: folder)
        case "vocabulary": try vocabulary(in: folder)
        case "dataset": try dataset(in: folder)
        case "safetensors": try safetensors(in: folder)
        case "manifest": try manifest(in: folder)
        case "checkpoint": try checkpoint(in: folder)
        case "yaml": yaml(in: folder)
        case "metrics": metrics(in: folder)
        case "report": report(in: folder)
        case "events": try events(in: folder)
        case "gzip": try gzip(in: folder)
        case "examples": try examples(in: folder)
        case "targets": try targets("train.targets.npy", in: folder)
        case "sequences": try targets("train.sequences.npy", in: folder)
        case "labels": try targets("labels.json", in: folder)
        case "csv": try csv(in: folder)
        case "arrays": try arrays(in: folder)
        case "inputs": try values("train.inputs.npy", in: folder)
        case "values": try values("dataset.json", in: folder)
        case "arpa": arpa(in: folder)
        case "ngram": try ngram(in: folder)
        case "vectors": vectors(in: folder)
        default: name.hasPrefix("test-") ? faulty(String(name.dropFirst(5)), in: folder) : nil
        }
    }

    /// Word vectors, as `--init-embeddings` reads them.
    private static func vectors(in folder: String) -> Parser {
        let path = "\(folder)/vectors.txt"
        let body = "the 0.25 -1.5e-3 .5\nKing 1 2 3 \n. . 4 5 6\n</s> 1e-9 0 -0\n"
        let words = ["\n", " ", "\t", "\r\n", "nan", "inf", "1e39", "-", "e", "0x1p3", "5 3", "the", "\u{0}", "\u{FEFF}", "  "]
        let vocabulary = Vocabulary(words: ["<eos>", "<unk>", "the", "King", "é"].map { Array($0.utf8) }, endOfSentence: 0, unknown: 1)
        let parameters = Arena(ParameterLayout(model))
        return Parser("vectors", [Array(body.utf8), Array(("4 3\n" + body).utf8)], words: words, at: path) {
            try PretrainedVectors(contentsOf: path, width: 3, for: vocabulary).load(into: parameters)
            precondition(parameters.values(parameters.layout.embedding).areFinite)
        }
    }

    private static let model = ModelConfiguration(cell: .gru, vocabulary: 5, embedding: 3, hidden: 4, layers: 2)

    /// A valid checkpoint.
    /// - Returns: its folder.
    private static func save(in folder: String) throws -> String {
        let parameters = ParameterLayout(model).entries.map {
            NamedTensor($0.name, shape: $0.shape, [Float](repeating: 0.5, count: $0.count))
        }
        let state = ["carried.h_l0", "carried.h_l1"].map {
            NamedTensor($0, shape: [2, model.hidden[0]], [Float](repeating: -1, count: 2 * model.hidden[0]))
        }
        let manifest = Manifest(
            programVersion: "test",
            model: ModelSummary(
                cell: "gru", activation: "tanh", embedding: 3, hidden: [4, 4], tied: false, vocabularySize: 5),
            configuration: "model: {cell: gru}\n", step: 7, epoch: 1, offset: 35, tokens: 1000, seed: 1,
            schedule: ["elapsed_seconds": 1.5, "plateau_scale": .infinity], validationLoss: 1.25,
            best: Manifest.Best(validationLoss: 1.25, step: 7), datasetFiles: ["train.npy": "00"], vocabularyHash: "ab",
            ranks: 2)
        let vocabulary = try dataset(.character, in: folder) + "/vocabulary.json"
        return try CheckpointStore(runFolder: folder, keep: 1) { _ in }.save(
            CheckpointContent(manifest: manifest, model: parameters, state: state, vocabularyPath: vocabulary))
    }

    private static let safetensorsWords = [
        "\"dtype\"", "\"shape\"", "\"data_offsets\"", "\"__metadata__\"", "\"F32\"", "\"F64\"", "\"BF16\"", "\"U8\"", "\"BOOL\"",
        "[0,0]", "[0,4]", "[1,1]", "\"encoder.weight\"", "    ",
    ]

    /// A file of weights, as `--init-from` and `inspect` read it.
    private static func safetensors(in folder: String) throws -> Parser {
        let saved = try save(in: folder)
        let path = "\(folder)/f.safetensors"
        let header = """
            {"encoder.weight":{"dtype":"BF16","shape":[5,3],"data_offsets":[0,30]},\
            "x":{"dtype":"I64","shape":[],"data_offsets":[30,38]},"y":{"dtype":"F16","shape":[0,7],"data_offsets":[38,38]}}
            """
        let small = [UInt8(header.utf8.count), 0, 0, 0, 0, 0, 0, 0] + Array(header.utf8) + [UInt8](0..<38)
        let originals = try [
            File.contents(of: "\(saved)/model.safetensors"), File.contents(of: "\(saved)/state.safetensors"), small,
        ]
        let parameters = Arena(ParameterLayout(model))
        return Parser("safetensors", originals, words: json + safetensorsWords, at: path) {
            let file = try SafetensorsFile(path)
            for tensor in file.tensors {
                _ = try file.statistics(of: tensor.name)
                do {
                    let values: [Float] = try file.elements(of: tensor.name)
                    precondition(values.count == tensor.count)
                } catch SafetensorsError.otherType {}
            }
            do {
                _ = try ModelFile.load(file, cell: .gru, activation: nil, connections: nil)
                try ModelFile.load(file, into: parameters, model: model)
            } catch SafetensorsError.missingTensor {} catch SafetensorsError.otherShape {} catch SafetensorsError.otherType {
            } catch ModelFileError.notInFile {}
        }
    }

    /// A manifest, in most cases with the right checksum, so that what it says is believed.
    private static func manifest(in folder: String) throws -> Parser {
        let saved = try save(in: folder)
        let path = "\(saved)/manifest.json"
        let words = ["\"files\"", "\"size\"", "\"schedule\"", "\"infinity\"", "\"nan\"", "\"step\"", "\"model.safetensors\"", "\"../x\""]
        var parser = Parser("manifest", [unsealed(try File.contents(of: path))], words: json + words, at: path) {
            try open(saved)
        }
        parser.finish = { bytes, number in number % 8 == 7 ? bytes : sealed(bytes) }
        return parser
    }

    /// Weights that a manifest vouches for.
    private static func checkpoint(in folder: String) throws -> Parser {
        try weights(of: save(in: folder), named: "checkpoint", words: [])
    }

    /// The weights of a checkpoint.
    static func weights(of saved: String, named name: String, words: [String]) throws -> Parser {
        let path = "\(saved)/model.safetensors"
        let original = try File.contents(of: path)
        let manifest = String(decoding: unsealed(try File.contents(of: "\(saved)/manifest.json")), as: UTF8.self)
        let hash = original.withUnsafeBytes { Digest.sha256($0) }
        var parser = Parser(name, [original], words: json + safetensorsWords + words, at: path) { try open(saved) }
        parser.finish = { bytes, _ in
            let record = manifest.replacing(hash, with: bytes.withUnsafeBytes { Digest.sha256($0) })
                .replacing("\"size\" : \(original.count),", with: "\"size\" : \(bytes.count),")
            do {
                let file = try File.open("\(saved)/manifest.json", .write)
                try sealed(Array(record.utf8)).withUnsafeBytes { try file.write($0) }
                try file.close()
            } catch { preconditionFailure("\(error)") }
            return bytes
        }
        return parser
    }

    /// Uses a checkpoint as evaluation and inspection do.
    private static func open(_ folder: String) throws {
        let checkpoint = try LoadedCheckpoint(folder: folder, verifying: false)
        _ = try RunConfiguration.load(yaml: checkpoint.manifest.configuration, name: "manifest.json")
        use(try ModelFormat.open(checkpoint))
    }

    private static let zeros = [UInt8](repeating: UInt8(ascii: "0"), count: 64)

    /// With zeros for the checksum, which comes first in the file.
    private static func unsealed(_ manifest: [UInt8]) -> [UInt8] {
        let key = Array("\"checksum\" : \"".utf8)
        let start = manifest.firstRange(of: key)!.upperBound
        return manifest[..<start] + zeros + manifest[(start + 64)...]
    }

    private static func sealed(_ manifest: [UInt8]) -> [UInt8] {
        guard let place = manifest.firstRange(of: zeros) else { return manifest }
        var result = manifest
        result.replaceSubrange(place, with: Array(manifest.withUnsafeBytes { Digest.sha256($0) }.utf8))
        return result
    }

    private static func yaml(in folder: String) -> Parser {
        let path = "\(folder)/config.yaml"
        let originals = [
            RunConfiguration().yaml,
            "# a comment\nmodel: {cell: elman, activation: relu}\ntraining:\n  clip: {value: 1}\n  steps: null\n",
            "---\n? data\n: path: >-\n    folded\n    text\ntraining: !!map\n  \"streams\" : 16\n  loss: 'per_stream'\n...\n",
        ].map { Array($0.utf8) }
        let words = [
            "&a ", "*a", "<<: ", "!!binary ", "!x ", "| \n", ">-\n", "---\n", "...\n", "%YAML 1.1\n", "? ", "- ", "#", "\t", "\u{FEFF}",
            "{", "}", "[", "]", ": ", ",", "'", "\"", "\\x", "~", "null", "yes", ".nan", ".inf", "1e3", "0o7", "\n", "\r", "  ", "\u{85}",
            "model", "training", "hidden", "learning_rate", "optimizer", "clip", "norm", "\u{0}", "\u{1B}[2J",
        ]
        return Parser("yaml", originals, words: words, at: path) {
            let configuration = try RunConfiguration.load(file: path)
            try configuration.validate()
            let again = try RunConfiguration.load(yaml: configuration.yaml, name: "")
            precondition(again == configuration)
        }
    }
}
