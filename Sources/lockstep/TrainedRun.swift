import Checkpoints
import Diagnostics
import Files
import FoundationEssentials
import Kernels

/// A run in the scratch folder.
struct TrainedRun {
    struct Session: Encodable {
        let ranks: Int
        /// The step at which it started.
        let start: Int
        /// The last known step if it was killed; nil if it reached its end.
        let killedAfter: Int?
    }

    let name: String
    let folder: String
    /// The instructions that it was made to compute with.
    var vectors: Vectors?
    var sessions: [Session] = []

    init(name: String, scratch: String) {
        self.name = name
        folder = "\(scratch)/\(name)"
    }

    var log: String { "\(folder).log" }
    private var store: CheckpointStore { CheckpointStore(runFolder: folder, keep: 1, note: { _ in }) }

    /// The ranks of the session whose trajectory the run's later checkpoints follow.
    func ranks(after step: Int) -> Int { sessions.last { $0.start <= step }?.ranks ?? 1 }

    func checkpoint(_ step: Int) throws -> LoadedCheckpoint { try store.checkpoint(ofStep: step) }

    func latestStep() throws -> Int { try store.latest()?.manifest.step ?? 0 }

    /// Steps so far, according to the run's records.
    func steps() throws -> Int { try records().last?.step ?? 0 }

    func loss(_ step: Int) throws -> Double {
        guard let record = try records().last(where: { $0.step == step }) else {
            throw JobFailed(
                command: "the run \(folder)", status: FailureKind.internal.rawValue, complaint: "no record of step \(step)", log: log)
        }
        return record.loss
    }

    /// The machines on which its ranks were when it last started.
    func machines() throws -> Int {
        struct Start: Decodable { let hosts: [String: Int] }
        return try lines().compactMap { try? JSONDecoder().decode(Start.self, from: $0) }.last?.hosts.count ?? 0
    }

    /// Changes as long as the run makes progress.
    var signOfLife: [Int] { ["\(folder)/metrics.jsonl", log].map { (try? File.open($0, .read).size()) ?? 0 } }

    private struct Record: Decodable {
        let kind: String
        let step: Int
        let loss: Double
    }

    private func records() throws -> [Record] {
        try lines().compactMap { try? JSONDecoder().decode(Record.self, from: $0) }.filter { $0.kind == "train" }
    }

    private func lines() throws -> [Data] {
        let path = "\(folder)/metrics.jsonl"
        guard Folder.exists(path) else { return [] }
        return try File.contents(of: path).split(separator: UInt8(ascii: "\n")).map { Data($0) }
    }
}
