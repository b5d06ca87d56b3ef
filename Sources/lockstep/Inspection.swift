import Checkpoints
import Configuration
import Corpus
import Diagnostics
import Files
import FoundationEssentials
import NGram

/// What `lockstep inspect` finds at a path.
enum Inspection: Encodable {
    case dataset(path: String, DatasetSummary)
    case run(path: String, [CheckpointSummary], RunSketch?)
    case checkpoint(path: String, Manifest, model: [TensorSummary], state: [TensorSummary])
    case arpa(path: String, NGramSketch)
    case tensors(path: String, [TensorSummary], metadata: [String: String], model: WeightsSketch?)

    /// - Parameters:
    ///   - shape: of a .safetensors file.
    ///   - vocabulary: the one that should go with such a file.
    /// - Throws: `InspectionError`, `FileError`, `CheckpointError`, `SafetensorsError`, `ARPAError`; as `WeightsSketch`.
    init(of path: String, _ shape: ShapeOptions, vocabulary: String?) throws {
        guard Folder.exists(path) else { throw FileError(operation: "open", path: path) }
        if !Folder.isFolder(path), ARPAFile.isARPA(path) {
            self = .arpa(path: path, NGramSketch(try ARPAFile(path)))
        } else if !Folder.isFolder(path) {
            let file = try SafetensorsFile(path)
            // Without a vocabulary any tensors may be looked at, whether or not they are a model's.
            let model =
                vocabulary == nil && shape.cell == nil && shape.connections == nil
                ? try? WeightsSketch(file, shape, vocabulary: nil) : try WeightsSketch(file, shape, vocabulary: vocabulary)
            self = .tensors(path: path, try TensorSummary.all(in: file), metadata: file.metadata, model: model)
        } else if Folder.exists("\(path)/dataset.json") {
            self = .dataset(path: path, try DatasetSummary(folder: path))
        } else if Folder.exists("\(path)/checkpoints") {
            let entries = try CheckpointStore(runFolder: path, keep: 1) { _ in }.list()
            self = .run(path: path, entries.map(CheckpointSummary.init), RunSketch(path, entries))
        } else {
            guard Folder.exists("\(path)/manifest.json") else { throw InspectionError.unrecognised(path: path) }
            let checkpoint = try LoadedCheckpoint(folder: path, finite: false)
            self = .checkpoint(
                path: path, checkpoint.manifest, model: try TensorSummary.all(in: checkpoint.model),
                state: try TensorSummary.all(in: checkpoint.state))
        }
    }

    /// Reads what `init` has not: the tokens of a dataset.
    /// - Throws: what is wrong with the thing inspected, all of which can be shown all the same.
    func requireSound() throws {
        switch self {
        case .dataset(let path, _):
            let dataset = try Dataset(folder: path)
            try dataset.verifyChecksums()
            for split in dataset.splits {
                _ = try dataset.tokens(of: split)
                _ = try dataset.sequences(of: split)
            }
        case .run(let path, let checkpoints, _):
            let damaged = checkpoints.filter { $0.damage != nil }.map(\.name)
            if !damaged.isEmpty { throw InspectionError.damagedCheckpoints(run: path, names: damaged) }
        case .checkpoint(let path, _, let model, let state):
            let tensor = (model + state).first { $0.statistics.notFinite > 0 }
            if let tensor { throw CheckpointError.notFinite(file: path, tensor: tensor.name) }
        case .arpa, .tensors: break
        }
    }

    private enum CodingKeys: String, CodingKey {
        case kind, path, dataset, checkpoints, run, manifest, model, state, tensors, metadata
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .dataset(let path, let summary):
            try container.encode("dataset", forKey: .kind)
            try container.encode(path.legible, forKey: .path)
            try container.encode(summary, forKey: .dataset)
        case .run(let path, let checkpoints, let sketch):
            try container.encode("run", forKey: .kind)
            try container.encode(path.legible, forKey: .path)
            try container.encode(checkpoints, forKey: .checkpoints)
            try container.encode(sketch, forKey: .run)
        case .checkpoint(let path, let manifest, let model, let state):
            try container.encode("checkpoint", forKey: .kind)
            try container.encode(path.legible, forKey: .path)
            try container.encode(manifest, forKey: .manifest)
            try container.encode(model, forKey: .model)
            try container.encode(state, forKey: .state)
        case .arpa(let path, let sketch):
            try container.encode("arpa", forKey: .kind)
            try container.encode(path.legible, forKey: .path)
            try container.encode(sketch, forKey: .model)
        case .tensors(let path, let tensors, let metadata, let model):
            try container.encode("safetensors", forKey: .kind)
            try container.encode(path.legible, forKey: .path)
            try container.encodeIfPresent(model, forKey: .model)
            try container.encode(tensors, forKey: .tensors)
            try container.encode(metadata, forKey: .metadata)
        }
    }
}

enum InspectionError: DiagnosedError {
    case unrecognised(path: String)
    case unreadableDataset(file: String)
    case damagedCheckpoints(run: String, names: [String])

    var kind: FailureKind { .data }

    var diagnosis: Diagnosis {
        switch self {
        case .unrecognised(let path):
            Diagnosis(
                "neither a dataset, a run nor a checkpoint", file: path,
                expected: "dataset.json, checkpoints/ or manifest.json in it", remedy: "check the path")
        case .damagedCheckpoints(let run, let names):
            Diagnosis(
                "checkpoints that cannot be used: \(names.joined(separator: ", "))", file: run,
                remedy: "move them away; --resume auto resumes from the newest valid one, if there is one")
        case .unreadableDataset(let file):
            Diagnosis(
                "not the description of a dataset", file: file, expected: "JSON with level, vocabulary and splits",
                remedy: "run lockstep prepare again")
        }
    }
}

/// The part of `dataset.json` with the counts.
struct DatasetSummary: Codable {
    struct Vocabulary: Codable { var size: Int }
    struct Split: Codable {
        var tokens: Int
        var unknown: Int
        var sequences: Sequences?
    }
    struct Sequences: Codable {
        var count: Int
        var longest: Int
        var predictions: Int
    }
    struct Labels: Codable { var count: Int }
    struct Values: Codable {
        var inputs: Int
        var targets: Int?
    }
    struct Input: Codable { var path: String }

    var level: String
    var vocabulary: Vocabulary
    var splits: [String: Split]
    var inputs: [Input]?
    var options: [String: String]?
    /// What targets the data have; nil for a text.
    var task: String?
    var labels: Labels?
    var values: Values?

    /// - Throws: `FileError`, `InspectionError.unreadableDataset`.
    init(folder: String) throws {
        let path = "\(folder)/dataset.json"
        guard Folder.isFile(path) else { throw InspectionError.unreadableDataset(file: path) }
        let bytes = try File.contents(of: path, limit: 64 << 20)
        do {
            self = try JSONDecoder().decode(DatasetSummary.self, from: Data(bytes))
            inputs = inputs?.map { Input(path: $0.path.legible) }
        } catch {
            throw InspectionError.unreadableDataset(file: path)
        }
    }
}

/// A summary of a run, from its newest valid checkpoint.
struct RunSketch: Encodable {
    var model: ModelSummary
    var data: String
    /// The step and exit code with which the run ended; nil while it runs and after it was killed.
    var ending: RunEnding?

    init?(_ folder: String, _ entries: [CheckpointStore.Entry]) {
        guard let manifest = entries.lazy.reversed().compactMap({ try? $0.checkpoint.get().manifest }).first,
            let configuration = try? RunConfiguration.load(yaml: manifest.configuration, name: folder)
        else { return nil }
        model = manifest.model
        data = configuration.data.path.legible
        ending = RunEnding(of: folder)
    }
}

struct CheckpointSummary: Encodable {
    var name: String
    var latest: Bool
    var best: Bool
    var step: Int
    var epoch: Int?
    var validationLoss: Double?
    /// Size of all files but the manifest.
    var bytes: Int?
    /// Why the checkpoint cannot be used; nil for a valid one.
    var damage: String?

    init(_ entry: CheckpointStore.Entry) {
        name = entry.name
        latest = entry.isLatest
        best = entry.isBest
        step = entry.step
        switch entry.checkpoint {
        case .success(let checkpoint):
            epoch = checkpoint.manifest.epoch
            validationLoss = checkpoint.manifest.validationLoss
            bytes = checkpoint.size
        case .failure(let error): damage = "\(error)"
        }
    }
}

struct TensorSummary: Encodable {
    var name: String
    var dtype: String
    var shape: [Int]
    var statistics: TensorStatistics

    static func all(in file: SafetensorsFile) throws -> [TensorSummary] {
        try file.tensors.map {
            TensorSummary(
                name: $0.name, dtype: $0.type.rawValue, shape: $0.shape, statistics: try file.statistics(of: $0.name))
        }
    }
}
