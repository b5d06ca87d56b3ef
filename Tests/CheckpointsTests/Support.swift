import Files
import Glibc
import Synchronization

@testable import Checkpoints

func write(_ bytes: [UInt8], to path: String) throws {
    let file = try File.open(path, .write)
    try bytes.withUnsafeBytes { try file.write($0) }
    try file.close()
}

/// A safetensors file of the given header text, which need not be right, and `data` zero bytes.
func rawFile(header: String, data: Int, length: UInt64? = nil) -> [UInt8] {
    let length = length ?? UInt64(header.utf8.count)
    return withUnsafeBytes(of: length.littleEndian, Array.init) + Array(header.utf8) + [UInt8](repeating: 0, count: data)
}

/// Collects what a store notes.
final class Notes: Sendable {
    private let storage = Mutex<[String]>([])
    var all: [String] { storage.withLock { $0 } }
    func add(_ text: String) { storage.withLock { $0.append(text) } }
}

func sampleManifest(step: Int) -> Manifest {
    Manifest(
        programVersion: "test",
        model: ModelSummary(
            cell: "lstm", activation: "tanh", embedding: 3, hidden: [5], tied: false, vocabularySize: 7),
        configuration: "model: {cell: lstm}\n# ünï \"quoted\" \\ \t\n", step: step, epoch: 2, offset: 35 * step,
        tokens: 1000 * step, seed: .max, schedule: ["learning_rate": 0.1, "least": .leastNonzeroMagnitude, "never": .infinity],
        validationLoss: 1.0 / 3, best: Manifest.Best(validationLoss: 0.1 + 0.2, step: 1),
        datasetFiles: ["train.npy": "00"], vocabularyHash: "abc", ranks: 3)
}

/// A run folder in which checkpoints differ by step.
struct Run {
    let folder: String
    let notes = Notes()
    var keep = 3

    init(_ folder: String, keep: Int = 3) throws {
        self.folder = folder
        self.keep = keep
        try write(Array("[\"a\"]".utf8), to: vocabulary)
    }

    var vocabulary: String { "\(folder)/vocabulary.json" }
    var store: CheckpointStore { CheckpointStore(runFolder: folder, keep: keep) { [notes] in notes.add($0) } }

    func content(step: Int) -> CheckpointContent {
        CheckpointContent(
            manifest: sampleManifest(step: step),
            model: [
                NamedTensor("rnn.weight", shape: [2, 3], (0..<6).map { Float($0 * step) }),
                NamedTensor("rnn.bias", shape: [3], [Float](repeating: -1, count: 3)),
            ],
            state: [NamedTensor("carried", shape: [4], [Float](repeating: Float(step), count: 4))],
            vocabularyPath: vocabulary)
    }

    /// Of a run whose best so far is this one, or the one that `best` names, or `best`.
    @discardableResult
    func save(step: Int, isBest: Bool = false, best: Int? = nil) throws -> String {
        var content = content(step: step)
        let named = (try? store.pointer(.best)).flatMap { $0 }.flatMap(CheckpointStore.step)
        content.manifest.best = (isBest ? step : best ?? named).map { Manifest.Best(validationLoss: 0.3, step: $0) }
        return try store.save(content)
    }

    func checkpoint(_ step: Int) -> String { "\(folder)/checkpoints/\(CheckpointStore.name(ofStep: step))" }

    func pointer(_ name: String) -> String { "\(folder)/checkpoints/\(name)" }

    /// Every file of the run below `checkpoints`, with its bytes.
    func snapshot() throws -> [String: [UInt8]] {
        var result: [String: [UInt8]] = [:]
        func visit(_ path: String) throws {
            if Folder.isFolder(path) {
                for name in try Folder.names(in: path) { try visit("\(path)/\(name)") }
            } else {
                result[path] = try File.contents(of: path)
            }
        }
        try visit("\(folder)/checkpoints")
        return result
    }
}

/// Flips the lowest bit of the byte at `offset`.
func flipBit(in path: String, at offset: Int) throws {
    var bytes = try File.contents(of: path)
    bytes[offset] ^= 1
    try write(bytes, to: path)
}

func makePipe(_ path: String) -> Bool { mkfifo(path, 0o644) == 0 }

func link(_ path: String, to target: String) -> Bool { symlink(target, path) == 0 }
