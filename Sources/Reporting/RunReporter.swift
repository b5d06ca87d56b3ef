import Logging

/// Reports a run to its metrics log and to the person watching.
///
/// A metrics log that cannot be written, as on a full disk, costs a warning and not the run: the records that could
/// not be written are missing from it.
public final class RunReporter: TrainingReporter {
    private let metrics: MetricsLog
    private let progress: ProgressLine
    private let console: Console
    private var pace: LogPace
    private let logger: Logger
    private var metricsFail = false

    /// - Parameters:
    ///   - totalSteps: of the whole run, across resumes.
    ///   - totalEpochs: of the whole run.
    ///   - now: replaced in tests.
    public init(
        metrics: MetricsLog, totalSteps: Int, totalEpochs: Int, console: Console = .standardError,
        now: @escaping () -> ContinuousClock.Instant = { .now }
    ) {
        self.metrics = metrics
        self.console = console
        pace = LogPace(now: now)
        progress = ProgressLine(totalSteps: totalSteps, totalEpochs: totalEpochs)
        logger = Logger(label: "lockstep") { _ in ConsoleLogHandler(console) }
    }

    public func trained(_ record: TrainingRecord) {
        append(record)
        let fields = progress.fields(of: record)
        if console.isLive {
            console.show(fields, order: ProgressLine.order)
        } else if pace.isDue() || record.step >= progress.totalSteps {
            console.print(fields.joined(separator: "  "))
        }
    }

    public func validated(_ record: ValidationRecord) {
        append(record)
        console.print(progress.line(of: record), colour: .green)
    }

    public func saved(step: Int, folder: String, isBest: Bool) {
        console.print("saved step \(step)\(isBest ? ", the best so far," : "") in \(folder)")
    }

    public func note(_ message: String) { logger.notice("\(message)") }

    public func warning(_ message: String) { logger.warning("\(message)") }

    public func finished() { console.finishLine() }

    private func append(_ record: some Encodable) {
        do {
            try metrics.append(record)
            metricsFail = false
        } catch {
            if !metricsFail { warning("\(error); training goes on without these metrics") }
            metricsFail = true
        }
    }
}
