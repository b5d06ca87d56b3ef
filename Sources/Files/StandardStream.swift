import Glibc
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
            if count < 0 { return false }
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
}
