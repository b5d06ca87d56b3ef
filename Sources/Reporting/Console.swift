import Files
import Glibc
import Synchronization

/// Standard error shared by messages and one live line. Messages are printed above the live line. Where no person watches
/// (a file, a pipe) there is no live line and no escape sequence.
///
/// Write errors are ignored and SIGPIPE is held off: a closed terminal must not end a training run. Nor does a reader
/// that has stopped reading, see `StandardStream.error`.
public final class Console: Sendable {
    /// A live line is possible: a terminal that understands escape sequences.
    public let isLive: Bool
    /// `isLive`, unless the user asked for no colours (no-color.org).
    public let isColoured: Bool

    private let terminal: Terminal?
    private let stream: StandardStream
    private let now: @Sendable () -> ContinuousClock.Instant
    private let line = Mutex(LiveLine())

    private struct LiveLine {
        var fields: [String] = []
        /// Their indices, the most important first.
        var order: [Int] = []
        var lastDrawn: ContinuousClock.Instant?
        /// Characters on the screen.
        var shown = 0
    }

    public static let standardError = Console(descriptor: STDERR_FILENO, stream: .error)

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

    /// Prints a line, or several, and keeps the live line below.
    public func print(_ message: String, colour: Colour? = nil) {
        let text = if let colour, isColoured { "\u{1B}[\(colour.rawValue)m\(message)\u{1B}[0m" } else { message }
        line.withLock { line in
            write((isLive ? clearing(line) : "") + text + "\n" + draw(&line))
        }
    }

    /// Replaces the live line, at most ten times a second. Does nothing when the console is not live.
    /// - Parameter order: indices of the fields, the most important first: the last of it are left out where the line does
    ///   not hold all. Without it the fields are in that order themselves.
    public func show(_ fields: [String], order: [Int]? = nil) {
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

    /// Leaves the live line on the screen as it is now, and ends it.
    public func finishLine() {
        line.withLock { line in
            if !line.fields.isEmpty { write(clearing(line) + draw(&line) + "\n") }
            line = LiveLine()
        }
    }

    /// Takes the live line off the screen.
    public func clearLine() {
        line.withLock { line in
            if !line.fields.isEmpty { write(clearing(line)) }
            line = LiveLine()
        }
    }

    public enum Colour: Int, Sendable {
        case red = 31
        case green = 32
        case yellow = 33
    }

    /// Back to where the line began, and erase (ECMA-48 CUU, EL, ED). A window made narrower has wrapped it.
    private func clearing(_ line: LiveLine) -> String {
        let rows = line.shown == 0 ? 0 : (line.shown - 1) / width
        return rows == 0 ? "\r\u{1B}[K" : "\r\u{1B}[\(rows)A\u{1B}[J"
    }

    private func draw(_ line: inout LiveLine) -> String {
        let text = line.fields.isEmpty ? "" : Self.fit(line.fields, order: line.order, in: width)
        line.shown = text.count
        return text
    }

    /// As many fields as fit, one column short of `width`: in the last column a terminal may wrap.
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

    /// SIGPIPE is blocked in this thread for the time of the write, and taken off the queue when the write caused it:
    /// other parts of the process keep the behaviour they asked for.
    private func write(_ text: String) {
        var pipe = sigset_t()
        var before = sigset_t()
        sigemptyset(&pipe)
        sigaddset(&pipe, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &pipe, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }

        // Whatever made a write fail, an empty queue is no error.
        if !stream.write(text) {
            var now = timespec()
            sigtimedwait(&pipe, nil, &now)
        }
    }
}
