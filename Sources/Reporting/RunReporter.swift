import Files
import Logging

/// Reports a run to its metrics log, to TensorBoard's event files and to the person watching.
///
/// A log that cannot be written, as on a full disk, causes a warning but does not end the run. The records that could not be
/// written are missing from it.
package final class RunReporter: TrainingReporter {
    private let metrics: MetricsLog
    private let events: EventLog?
    private let progress: ProgressLine
    private let console: Console
    private var pace: LogPace
    private let logger: Logger
    private var metricsFail = false
    /// The fields of the progress line, and which of them are the most important.
    private var (fields, order): ([String], [Int]) = ([], [])
    private let now: () -> ContinuousClock.Instant
    private var validationStart: ContinuousClock.Instant?
    /// Written before the first other record, so that a session without records leaves no line.
    private var start: StartRecord?

    /// - Parameters:
    ///   - events: nil for none.
    ///   - totalSteps: of the whole run, across resumes.
    ///   - totalEpochs: of the whole run; nil if the run is given by its steps.
    ///   - now: replaced in tests.
    package init(
        metrics: MetricsLog, events: EventLog? = nil, totalSteps: Int, totalEpochs: Int?, console: Console = .standardError,
        now: @escaping () -> ContinuousClock.Instant = { .now }
    ) {
        self.metrics = metrics
        self.events = events
        self.console = console
        pace = LogPace(now: now)
        self.now = now
        progress = ProgressLine(totalSteps: totalSteps, totalEpochs: totalEpochs)
        logger = Logger(label: "lockstep") { _ in ConsoleLogHandler(console) }
    }

    /// Reports to the logs in a run folder.
    /// - Parameters:
    ///   - lastStep: 0, or the step from which a run resumes; later records are removed.
    ///   - events: whether to write TensorBoard's event files.
    /// - Throws: `FileError`.
    package convenience init(
        runFolder: String, keepingThrough lastStep: Int, events: Bool, totalSteps: Int, totalEpochs: Int?
    ) throws {
        let folder = "\(runFolder)/tensorboard"
        if !events, Folder.isFolder(folder) { try EventLog.removeEvents(after: lastStep, in: folder) }
        self.init(
            metrics: try MetricsLog(path: "\(runFolder)/metrics.jsonl", keepingThrough: lastStep),
            events: events ? try EventLog(folder: folder, keepingThrough: lastStep) : nil, totalSteps: totalSteps,
            totalEpochs: totalEpochs)
    }

    /// A session starts; `record` describes it.
    package func begins(_ record: StartRecord) { start = record }

    package func trained(_ record: TrainingRecord) {
        log {
            try metrics.append(.training(record))
            try events?.append(step: record.step, scalars: record.scalars)
        }
        (fields, order) = (progress.fields(of: record), ProgressLine.order(record.measure))
        if console.isLive {
            console.show(fields, order: order)
        } else if pace.isDue() || record.step >= progress.totalSteps {
            console.print(fields.joined(separator: "  "))
        }
    }

    /// Shown if it takes a while.
    package func validating(share: Double) {
        let start = validationStart ?? now()
        validationStart = start
        guard now() - start >= .seconds(1) else { return }
        console.show(fields.prefix(2) + ["validating \(Formatting.fixed(100 * share, decimals: 0)) %"], order: [2, 0, 1])
    }

    package func validated(_ record: ValidationRecord) {
        validationStart = nil
        console.show(fields, order: order)
        log {
            try metrics.append(.validation(record))
            try events?.append(step: record.step, scalars: record.scalars)
        }
        console.print(progress.line(of: record), colour: .green)
    }

    package func sampled(_ record: SampleRecord) {
        log {
            try metrics.append(.sample(record))
            try events?.append(step: record.step, tag: "sample", text: record.text)
        }
    }

    package func measured(_ record: GradientFlowRecord) {
        log { try metrics.append(.gradientFlow(record)) }
    }

    package func saving() {
        log {
            try metrics.sync()
            try events?.sync()
        }
    }

    package func saved(step: Int, folder: String, isBest: Bool) {
        console.print("saved step \(step)\(isBest ? ", the best so far," : "") in \(folder)")
    }

    package func note(_ message: String) { logger.notice("\(message)") }

    package func warning(_ message: String) { logger.warning("\(message)") }

    package func finished() { console.finishLine() }

    private func log(_ write: () throws -> Void) {
        do {
            if let start { try metrics.append(.start(start)) }
            start = nil
            try write()
            metricsFail = false
        } catch {
            if !metricsFail { warning("\(error); training continues without these metrics") }
            metricsFail = true
        }
    }
}

extension TrainingRecord {
    /// Names in TensorBoard; the part before the slash is the group of charts.
    fileprivate var scalars: [(tag: String, value: Double?)] {
        [
            ("train/loss", loss), ("train/perplexity", perplexity), ("train/root_mean_squared_error", rootMeanSquare),
            ("train/gradient_norm", gradientNorm),
            ("train/learning_rate", learningRate), ("train/clipped_share", clippedShare),
            ("speed/tokens_per_second", tokensPerSecond), ("speed/exchange_share", cost?.exchangeShare),
            ("memory/memory_bytes", cost?.memory.map(Double.init)),
            ("memory/peak_memory_bytes", cost?.peakMemory.map(Double.init)),
        ]
    }
}

extension ValidationRecord {
    fileprivate var scalars: [(tag: String, value: Double?)] {
        [
            ("validation/loss", loss), ("validation/perplexity", perplexity), ("validation/root_mean_squared_error", rootMeanSquare),
            ("validation/accuracy", accuracy),
        ]
    }
}
