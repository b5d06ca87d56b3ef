@preconcurrency import Glibc
import Synchronization

/// Standard output and standard error, written to directly: each call is one write, nothing stays in a buffer.
public final class StandardStream: Sendable {
    /// Results: waits for its reader.
    public static let output = StandardStream(descriptor: 1)
    /// Messages: what nobody reads within a second is dropped. mpirun reads nothing while it waits for its ranks to end,
    /// and a rank that waits for mpirun then gets killed before it has saved.
    public static let error = StandardStream(descriptor: 2, patience: 1000)

    private let descriptor: Int32
    /// Milliseconds to wait for a reader that lags; nil: as long as it takes.
    private let patience: Int32?
    /// Whether something was dropped last time: then there is no waiting again.
    private let isStuck = Atomic<Bool>(false)
    /// The error of a write that failed although somebody reads.
    private let failure = Atomic<Int32>(0)

    public init(descriptor: Int32, patience: Int32? = nil) {
        self.descriptor = descriptor
        self.patience = patience
    }

    public var isTerminal: Bool { isatty(descriptor) == 1 }

    /// - Returns: false when nobody reads any more (a closed pipe) or the device is full. Never fatal: output to people is
    ///   not worth a training run.
    @discardableResult
    public func write(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var done = 0
        while done < bytes.count {
            guard isReady() else { return false }
            // A pipe that is ready at all takes this much without waiting.
            let piece = patience == nil ? bytes.count - done : min(bytes.count - done, Int(PIPE_BUF))
            let count = retrying { Glibc.write(descriptor, bytes.baseAddress! + done, piece) }
            if count < 0 {
                if errno != EPIPE { failure.store(errno, ordering: .relaxed) }
                return false
            }
            done += count
        }
        return true
    }

    @discardableResult
    public func write(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { write(UnsafeRawBufferPointer($0)) }
    }

    private func isReady() -> Bool {
        guard let patience else { return true }
        var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        let wait = isStuck.load(ordering: .relaxed) ? 0 : patience
        let isReady = retrying { poll(&request, 1, wait) } != 0
        isStuck.store(!isReady, ordering: .relaxed)
        return isReady
    }

    /// Whether all that was written to standard output, by `print` as well, is where it should be. A reader that has gone
    /// away wanted no more: that is no error.
    /// - Throws: `FileError`, say when the disk is full.
    public static func finishOutput() throws {
        let isFlushed = fflush(stdout) == 0
        let code = isFlushed ? output.failure.load(ordering: .relaxed) : errno
        guard code != 0 || ferror(stdout) != 0, code != EPIPE, !output.hasNoReader else { return }
        throw FileError(operation: "write", path: "standard output", code: code == 0 ? EIO : code)
    }

    private var hasNoReader: Bool {
        var request = pollfd(fd: descriptor, events: 0, revents: 0)
        return retrying { poll(&request, 1, 0) } == 1 && request.revents & Int16(POLLERR) != 0
    }
}
