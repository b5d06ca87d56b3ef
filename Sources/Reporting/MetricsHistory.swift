import Diagnostics
import Files
import FoundationEssentials

/// The content of a `metrics.jsonl`.
package struct MetricsHistory: Sendable {
    package private(set) var starts: [StartRecord] = []
    package private(set) var training: [TrainingRecord] = []
    package private(set) var validation: [ValidationRecord] = []
    package private(set) var samples: [SampleRecord] = []
    package private(set) var gradientFlow: [GradientFlowRecord] = []
    /// The last line is incomplete: the run was killed, or is writing it.
    package private(set) var isCutShort = false

    package init(
        starts: [StartRecord] = [], training: [TrainingRecord] = [], validation: [ValidationRecord] = [],
        samples: [SampleRecord] = [], gradientFlow: [GradientFlowRecord] = []
    ) {
        self.starts = starts
        self.training = training
        self.validation = validation
        self.samples = samples
        self.gradientFlow = gradientFlow
    }

    /// - Throws: `FileError`, `MetricsError`.
    package init(path: String) throws {
        let bytes = try File.contents(of: path)
        let decoder = JSONDecoder()
        var rest = bytes[...]
        var line = 0
        var lastStep = 0
        while !rest.isEmpty {
            line += 1
            guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else {
                isCutShort = true
                break
            }
            let text = Data(rest[..<end])
            rest = rest[(end + 1)...]
            let record: MetricsRecord
            do {
                record = try decoder.decode(MetricsRecord.self, from: text)
            } catch {
                throw MetricsError.notARecord(path: path, line: line, reason: MetricsError.reason(error))
            }
            guard let numbers = record.numbers else { continue }
            if let (key, value) = numbers.first(where: { !(0...Self.largest ~= $0.value) }) {
                throw MetricsError.outOfRange(path: path, line: line, key: key, value: value)
            }
            let step = numbers[0].value
            guard step >= lastStep else {
                throw MetricsError.goesBack(path: path, line: line, step: step, previous: lastStep)
            }
            lastStep = step
            add(record)
        }
    }

    /// Exact as a floating-point number, so that nothing overflows when it is drawn.
    private static let largest = 1 << 53

    private mutating func add(_ record: MetricsRecord) {
        switch record {
        case .start(let record): starts.append(record)
        case .training(let record): training.append(record)
        case .validation(let record): validation.append(record)
        case .sample(let record): samples.append(record)
        case .gradientFlow(let record):
            // A run that was killed before its first checkpoint starts again, and measures step 0 again.
            if gradientFlow.last?.step == record.step { gradientFlow.removeLast() }
            gradientFlow.append(record)
        case .other: break
        }
    }
}

extension MetricsHistory {
    /// The history with what `lockstep inspect` has measured, in its place by step.
    package func with(_ record: GradientFlowRecord) -> MetricsHistory {
        var history = self
        history.gradientFlow.removeAll { $0.step == record.step }
        history.gradientFlow.insert(record, at: history.gradientFlow.firstIndex { $0.step > record.step } ?? history.gradientFlow.endIndex)
        return history
    }
}

extension MetricsRecord {
    /// The counts in the record, its step first; nil for a record of an unknown kind.
    fileprivate var numbers: [(key: String, value: Int)]? {
        switch self {
        case .start(let it):
            [
                ("step", it.step), ("ranks", it.ranks), ("threads_per_rank", it.threadsPerRank), ("cores", it.cores),
                ("parameters", it.parameters), ("total_steps", it.totalSteps), ("data.vocabulary", it.data.vocabulary),
                ("data.training_tokens", it.data.trainingTokens),
                ("data.validation_tokens", it.data.validationTokens ?? 0),
            ] + it.hosts.map { ("hosts.\($0.key)", $0.value) }
        case .training(let it):
            [
                ("step", it.step), ("epoch", it.epoch), ("tokens", it.tokens), ("memory_bytes", it.cost?.memory ?? 0),
                ("peak_memory_bytes", it.cost?.peakMemory ?? 0),
            ]
        case .validation(let it):
            [("step", it.step), ("epoch", it.epoch), ("tokens", it.tokens), ("averaged_steps", it.averagedSteps ?? 0)]
        case .sample(let it): [("step", it.step), ("epoch", it.epoch)]
        case .gradientFlow(let it): [("step", it.step), ("epoch", it.epoch)]
        case .other: nil
        }
    }
}

/// A line of a `metrics.jsonl` that lockstep cannot have written.
package enum MetricsError: DiagnosedError, Equatable {
    case notARecord(path: String, line: Int, reason: String)
    case outOfRange(path: String, line: Int, key: String, value: Int)
    case goesBack(path: String, line: Int, step: Int, previous: Int)

    package var kind: FailureKind { .data }

    package var diagnosis: Diagnosis {
        let remedy = "remove the line, if the file was edited or damaged"
        return switch self {
        case .notARecord(let path, let line, let reason):
            Diagnosis(
                "not a record of metrics", file: path, location: "line \(line)",
                expected: "a JSON object as in docs/file-formats.md", found: reason, remedy: remedy)
        case .outOfRange(let path, let line, let key, let value):
            Diagnosis(
                "not a count", file: path, location: "line \(line), \(key)", expected: "0 to 2^53", found: "\(value)",
                remedy: remedy)
        case .goesBack(let path, let line, let step, let previous):
            Diagnosis(
                "a step after a later one", file: path, location: "line \(line)", expected: "\(previous) or later",
                found: "\(step)", remedy: "give each run a file of its own")
        }
    }

    /// The decoder's error, shortened.
    fileprivate static func reason(_ error: any Error) -> String {
        guard let error = error as? DecodingError else { return "\(error)" }
        func path(_ context: DecodingError.Context) -> String { context.codingPath.map(\.stringValue).joined(separator: ".") }
        return switch error {
        case .keyNotFound(let key, _): "no \(key.stringValue)"
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            context.codingPath.isEmpty ? "something else" : "another type at \(path(context))"
        case .dataCorrupted: "no JSON, or a number that does not fit"
        @unknown default: "\(error)"
        }
    }
}
