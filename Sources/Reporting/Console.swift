import Diagnostics
import Files
import Glibc
import Synchronization

/// Standard error, shared by messages and one live line. Messages are printed above the live line. If no person watches
/// (a file, a pipe), there is no live line and no escape sequence.
///
/// Write errors are ignored and SIGPIPE is blocked: a closed terminal must not end a training run. Neither must a reader
/// that has stopped reading; see `StandardStream.error`.
package final class Console: Sendable {
    /// Whether a live line is possible: on a terminal that understands escape sequences.
    package let isLive: Bool
    /// `isLive`, unless the user has switched colours off (no-color.org).
    package let isColoured: Bool

    private let terminal: Terminal?
    private let stream: StandardStream
    private let now: @Sendable () -> ContinuousClock.Instant
    private let line = Mutex(LiveLine())

    private struct LiveLine {
        var fields: [String] = []
        /// Indices of the fields, most important first.
        var order: [Int] = []
        var lastDrawn: ContinuousClock.Instant?
        /// Characters on the screen.
        var shown = 0
    }

    package static let standardError = Console(descriptor: STDERR_FILENO, stream: .error)

    /// `environment` and `now` are replaced in tests.
    init(
        descriptor: Int32, stream: StandardStream? = nil,
        environment: (String) -> String? = { getenv($0).map { String(cString: $0) } },
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        terminal = Terminal(of: descriptor)
        self.stream = stream ?? StandardStream(descriptor: descriptor)
        self.now = now
        isLive = terminal != nil && environment("TERM") != "dumb"
        isColoured = isLive && (environment("NO_COLOR") ?? "").isEmpty
    }

    /// Prints one or more lines above the live line.
    package func print(_ message: String, colour: Colour? = nil) {
        let message = message.legible
        let text = if let colour, isColoured { "\u{1B}[\(colour.rawValue)m\(message)\u{1B}[0m" } else { message }
        line.withLock { line in
            write((isLive ? clearing(line) : "") + text + "\n" + draw(&line))
        }
    }

    /// Replaces the live line, at most ten times a second. Does nothing if the console is not live.
    /// - Parameter order: indices of the fields, most important first; the last ones are left out if the line cannot
    ///   hold all. Without it, the fields themselves are in that order.
    package func show(_ fields: [String], order: [Int]? = nil) {
        guard isLive else { return }
        line.withLock { line in
            line.fields = fields
            line.order = order ?? Array(fields.indices)
            let now = now()
            if let last = line.lastDrawn, now - last < .milliseconds(100) { return }
            line.lastDrawn = now
            write(clearing(line) + draw(&line))
        }
    }

    /// Ends the live line and leaves it on the screen.
    package func finishLine() {
        line.withLock { line in
            if !line.fields.isEmpty { write(clearing(line) + draw(&line) + "\n") }
            line = LiveLine()
        }
    }

    /// Removes the live line from the screen.
    package func clearLine() {
        line.withLock { line in
            if !line.fields.isEmpty { write(clearing(line)) }
            line = LiveLine()
        }
    }

    package enum Colour: Int, Sendable {
        case red = 31
        case green = 32
        case yellow = 33
    }

    /// Returns to the start of the line and erases it (ECMA-48 CUU, EL, ED). A window made narrower has wrapped it.
    private func clearing(_ line: LiveLine) -> String {
        let rows = line.shown == 0 ? 0 : (line.shown - 1) / width
        return rows == 0 ? "\r\u{1B}[K" : "\r\u{1B}[\(rows)A\u{1B}[J"
    }

    private func draw(_ line: inout LiveLine) -> String {
        let text = line.fields.isEmpty ? "" : Self.fit(line.fields, order: line.order, in: width)
        line.shown = text.count
        return text
    }

    /// As many fields as fit, one column short of `width`: a terminal may wrap in the last column.
    private static func fit(_ fields: [String], order: [Int], in width: Int) -> String {
        let room = max(0, width - 1)
        var kept: [Int] = []
        var length = 0
        for index in order where fields.indices.contains(index) {
            length += fields[index].count + (kept.isEmpty ? 0 : 2)
            guard length <= room || kept.isEmpty else { break }
            kept.append(index)
        }
        return String(kept.sorted().map { fields[$0] }.joined(separator: "  ").prefix(room))
    }

    private var width: Int { terminal?.width ?? 80 }

    /// SIGPIPE is blocked in this thread during the write, and consumed if the write caused it:
    /// other parts of the process keep the behaviour that they asked for.
    private func write(_ text: String) {
        var pipe = sigset_t()
        var before = sigset_t()
        sigemptyset(&pipe)
        sigaddset(&pipe, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &pipe, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }

        // Whatever made the write fail, an empty queue is not an error.
        if !stream.write(text) {
            var now = timespec()
            sigtimedwait(&pipe, nil, &now)
        }
    }
}
