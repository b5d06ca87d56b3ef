import Foundation
import TestSupport
import Testing

/// A temporary folder in which `lockstep` runs, with a small model in mind. Removed with the last reference to it.
final class Sandbox: Sendable {
    let folder: String

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "lockstep-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    /// Options of `train` for a model that takes a millisecond a step: 186 steps an epoch.
    static let small = [
        "--data", Shared.corpus, "--set", "model={layers: 1, embedding: 8, hidden: 24}",
        "--set", "training={streams: 12, unroll: 16, steps: 50}", "--set", "metrics.every_steps=1",
        "--set", "checkpoint.every_minutes=0",
    ]

    func path(_ name: String) -> String { "\(folder)/\(name)" }

    // MARK: Running

    /// In this folder, alone, or on `ranks` ranks of mpirun.
    func lockstep(_ arguments: [String], ranks: Int? = nil, timeout: Double = 60) throws -> Launch.Outcome {
        let program = try Launch.product("lockstep")
        guard let ranks else { return try Launch.run(program, arguments, folder: folder, timeout: timeout) }
        return try Launch.mpirun(ranks: ranks, program, arguments, folder: folder, timeout: timeout)
    }

    /// As above; requires success.
    @discardableResult
    func succeed(
        _ arguments: [String], ranks: Int? = nil, sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> String {
        let outcome = try lockstep(arguments, ranks: ranks)
        try #require(outcome.status == 0, "\(arguments): \(outcome.errors)", sourceLocation: sourceLocation)
        return outcome.output
    }

    /// Trains the small model, changed by `settings`, in the run folder `run`.
    func train(
        _ run: String, _ settings: [String] = [], _ options: [String] = [], ranks: Int? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try succeed(
            ["train", "--run", run] + Sandbox.small + options + settings.flatMap { ["--set", $0] }, ranks: ranks,
            sourceLocation: sourceLocation)
    }

    /// Starts `lockstep`, alone or on ranks, and as soon as the shell test `condition` holds, runs `action`, in which `$job`
    /// is the process and, under mpirun, `$ranks` are its ranks; in `condition`, `ranks` prints those that have started.
    /// `preparation` comes before all else.
    func interrupt(
        _ arguments: [String], ranks: Int? = nil, when condition: String, _ action: String, preparation: String = ":"
    ) throws -> Launch.Outcome {
        let program = try Launch.product("lockstep")
        let launcher = ranks.map(Launch.launcher) ?? []
        let script = """
            \(preparation)
            # Hydra's ranks are its daemon's children.
            ranks() {
                found=$(cat /proc/$job/task/*/children)
                case $(cat /proc/${found%% *}/comm) in hydra*) found=$(cat /proc/${found%% *}/task/*/children) ;; esac
                echo $found
            } 2> /dev/null
            "$@" & job=$!
            until \(condition) || ! kill -0 $job; do sleep 0.02; done
            ranks=$(ranks)
            \(action)
            wait $job
            """
        return try Launch.run(
            "sh", ["-c", script, "sh"] + launcher + [program] + arguments, environment: Launch.mpiEnvironment,
            folder: folder)
    }

    // MARK: Results

    func checkpoint(_ run: String, step: Int) -> String {
        let digits = "\(step)"
        return path("\(run)/checkpoints/step-" + String(repeating: "0", count: 9 - digits.count) + digits)
    }

    /// The bytes of a checkpoint that decide how the run continues.
    func tensors(_ run: String, step: Int) throws -> [Data] {
        try ["model", "state"].map {
            try Data(contentsOf: URL(filePath: "\(checkpoint(run, step: step))/\($0).safetensors"))
        }
    }

    /// The ending that a job has recorded; nil after one that died.
    func ending(_ run: String) throws -> String? {
        let path = path("\(run)/.ending")
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        return try String(contentsOfFile: path, encoding: .utf8)
    }

    /// Records with a loss.
    func metrics(_ run: String) throws -> [MetricsRecord] {
        try String(contentsOfFile: path("\(run)/metrics.jsonl"), encoding: .utf8).split(separator: "\n").compactMap {
            let line = Data($0.utf8)
            let kind = try JSONDecoder().decode(MetricsRecord.Kind.self, from: line).kind
            return ["train", "validation"].contains(kind) ? try JSONDecoder().decode(MetricsRecord.self, from: line) : nil
        }
    }

    /// Loss of each step.
    func losses(_ run: String) throws -> [Double] {
        let records = try metrics(run).filter { $0.kind == "train" }
        try #require(records.map(\.step) == Array(1...max(records.count, 1)))
        return records.map(\.loss)
    }

    func evaluate(_ run: String, _ options: [String] = [], ranks: Int? = nil) throws -> EvaluationResult {
        let output = try succeed(["evaluate", "--checkpoint", run, "--json"] + options, ranks: ranks)
        return try JSONDecoder().decode(EvaluationResult.self, from: Data(output.utf8))
    }

    func write(_ bytes: Data, to name: String) throws -> String {
        try bytes.write(to: URL(filePath: path(name)))
        return path(name)
    }

    func write(_ text: String, to name: String) throws -> String {
        try text.write(toFile: path(name), atomically: false, encoding: .utf8)
        return path(name)
    }
}

/// A line of `metrics.jsonl`.
struct MetricsRecord: Decodable {
    struct Kind: Decodable { let kind: String }

    let kind: String
    let step: Int
    let epoch: Int
    let tokens: Int
    let loss: Double
    let perplexity: Double
}

/// The output of `evaluate --json`.
struct EvaluationResult: Decodable, Equatable {
    let nll_sum: Double
    let tokens: Int
    let nats_per_token: Double
    let bits_per_token: Double
    let perplexity: Double
    let streams: Int
    let step: Int
}

/// Made once for all tests and only read by them.
enum Shared {
    private static let sandbox: Sandbox = {
        // Nothing destroys what is static.
        atexit { try? FileManager.default.removeItem(atPath: Shared.sandbox.folder) }
        return try! Sandbox()
    }()

    /// A dataset of 300 kinematics problems, characters: 35,659 to train on, 57 different ones.
    static let corpus: String = {
        let corpus = sandbox.path("corpus")
        try! sandbox.succeed(["prepare", "--sample", "kinematics", "--problems", "300", "--output", corpus])
        return corpus
    }()

    /// A run folder whose model has learned something: checkpoints of steps 200 and 400.
    static let run: String = {
        let run = sandbox.path("run")
        let settings = [
            "training.steps=400", "training.optimizer.learning_rate=0.01", "checkpoint.every_steps=200",
            "validation.every_epoch=false",
        ]
        try! sandbox.train(run, settings)
        return run
    }()
}
