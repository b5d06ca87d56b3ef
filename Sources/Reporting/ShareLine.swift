/// Progress of long work whose completed share is known: on a terminal, a line that updates in place and disappears at
/// the end; in a log, an occasional line. Short work shows nothing.
package final class ShareLine {
    private let name: String
    private let console: Console
    private let now: () -> ContinuousClock.Instant
    private let start: ContinuousClock.Instant
    private var pace: LogPace?

    /// - Parameters:
    ///   - name: what is being done, as in "evaluating".
    ///   - now: replaced in tests.
    package init(
        _ name: String, console: Console = .standardError, now: @escaping () -> ContinuousClock.Instant = { .now }
    ) {
        self.name = name
        self.console = console
        self.now = now
        start = now()
    }

    /// - Parameter share: 0 to 1.
    package func update(_ share: Double) {
        let gone = now() - start
        guard share > 0, gone >= (console.isLive ? .seconds(1) : .seconds(10)) else { return }
        let left = Formatting.duration(seconds: gone / .seconds(1) * (1 - share) / share)
        let fields = ["\(name) \(Formatting.padded(Formatting.fixed(100 * share, decimals: 0), to: 3)) %", "\(left) left"]
        if console.isLive { return console.show(fields) }
        if pace == nil { pace = LogPace(now: now) }
        if pace!.isDue() { console.print(fields.joined(separator: "  ")) }
    }

    package func finish() { console.clearLine() }
}
