import Files
import Glibc
import Synchronization

/// Standard error shared by messages and one live line. Messages are printed above the live line. On anything but a
/// terminal (a pipe to mpirun, a file) there is no live line and no escape sequence.
///
/// Write errors are ignored and SIGPIPE is held off: a closed terminal must not end a training run. Nor does a reader
/// that has stopped reading, see `StandardStream.error`.
public final class Console: Sendable {
    /// A live line is possible: a terminal that understands escape sequences.
    public let isLive: Bool
    /// `isLive`, unless the user asked for no colours (no-color.org).
    public let isColoured: Bool

    private let descriptor: Int32
    private let stream: StandardStream
    private let now: @Sendable () -> ContinuousClock.Instant
    private let line = Mutex(LiveLine())

    private struct LiveLine {
        var fields: [String] = []
        var lastDrawn: ContinuousClock.Instant?
    }

    public static let standardError = Console(descriptor: STDERR_FILENO, stream: .error)

    /// `environment` and `now` are replaced in tests.
    init(
        descriptor: Int32, stream: StandardStream? = nil,
        environment: (String) -> String? = { getenv($0).map { String(cString: $0) } },
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        self.descriptor = descriptor
        self.stream = stream ?? StandardStream(descriptor: descriptor)
        self.now = now
        isLive = isatty(descriptor) == 1 && environment("TERM") != "dumb"
        isColoured = isLive && (environment("NO_COLOR") ?? "").isEmpty
    }

    /// Prints a line, or several, and keeps the live line below.
    public func print(_ message: String, colour: Colour? = nil) {
        let text = if let colour, isColoured { "\u{1B}[\(colour.rawValue)m\(message)\u{1B}[0m" } else { message }
        line.withLock { line in
            write((isLive ? Self.clear : "") + text + "\n" + drawing(of: line.fields))
        }
    }

    /// Replaces the live line, at most ten times a second. Fields that do not fit are left out, the last first.
    /// Does nothing when the console is not live.
    public func show(_ fields: [String]) {
        guard isLive else { return }
        line.withLock { line in
            line.fields = fields
            let now = now()
            if let last = line.lastDrawn, now - last < .milliseconds(100) { return }
            line.lastDrawn = now
            write(Self.clear + drawing(of: fields))
        }
    }

    /// Leaves the live line on the screen as it is now, and ends it.
    public func finishLine() {
        line.withLock { line in
            if !line.fields.isEmpty { write(Self.clear + drawing(of: line.fields) + "\n") }
            line = LiveLine()
        }
    }

    public enum Colour: Int, Sendable {
        case red = 31
        case green = 32
        case yellow = 33
    }

    /// To the first column; erase to the end of the line (ECMA-48 EL).
    private static let clear = "\r\u{1B}[K"

    private func drawing(of fields: [String]) -> String {
        fields.isEmpty ? "" : Self.fit(fields, in: width())
    }

    /// As many fields as fit, one column short of `width`: in the last column a terminal may wrap.
    private static func fit(_ fields: [String], in width: Int) -> String {
        let room = max(0, width - 1)
        var text = String((fields.first ?? "").prefix(room))
        for field in fields.dropFirst() {
            guard text.count + 2 + field.count <= room else { break }
            text += "  " + field
        }
        return text
    }

    /// Asked anew for each drawing, so that a resized window is noticed.
    private func width() -> Int {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

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
