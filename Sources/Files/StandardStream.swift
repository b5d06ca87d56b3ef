@preconcurrency import Glibc
import Synchronization

/// Standard output and standard error without buffering: each call is one write.
package final class StandardStream: Sendable {
    /// For results: waits for its reader.
    package static let output = StandardStream(descriptor: 1)
    /// For messages: what nobody reads within a second is dropped. mpirun reads nothing while it waits for its ranks to end,
    /// so a rank that waited for mpirun would be killed before it has saved.
    package static let error = StandardStream(descriptor: 2, patience: 1000)

    private let descriptor: Int32
    /// Milliseconds to wait for a slow reader; nil to wait indefinitely.
    private let patience: Int32?
    /// Whether something was dropped last time; if so, the next write does not wait.
    private let isStuck = Atomic<Bool>(false)
    /// The error of a failed write that was not caused by a closed reader.
    private let failure = Atomic<Int32>(0)

    package init(descriptor: Int32, patience: Int32? = nil) {
        self.descriptor = descriptor
        self.patience = patience
    }

    package var isTerminal: Bool { isatty(descriptor) == 1 }

    /// - Returns: false if the pipe is closed or the device is full. Never fatal: output to people is
    ///   not worth a training run.
    @discardableResult
    package func write(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var done = 0
        while done < bytes.count {
            guard isReady() else { return false }
            // A pipe that is ready accepts this much without waiting.
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
    package func write(_ text: String) -> Bool {
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

    /// Checks that everything written to standard output, also by `print`, has arrived. A reader that has closed the
    /// pipe wanted no more, which is not an error.
    /// - Throws: `FileError`, for instance if the disk is full.
    package static func finishOutput() throws {
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
