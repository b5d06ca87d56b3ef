import Glibc
import Synchronization

/// An operation that a file system lacks, such as Lustre mounted without `flock`, or some CIFS, FUSE and object
/// stores. Work continues without it, less protected, and the user gets one warning for each operation.
package struct MissingOperation: Sendable {
    package enum Operation: Sendable, Hashable { case lock, sync, map }

    package let operation: Operation
    package let path: String
    let code: Int32

    /// The kernel's answers if there is no such operation, as opposed to a failure of it.
    static let codes: Set<Int32> = [ENOSYS, EOPNOTSUPP, EINVAL]

    private struct State {
        var listener: (@Sendable (MissingOperation) -> Void)?
        var reported: Set<Operation> = []
    }
    private static let state = Mutex(State())

    /// - Parameter listener: called the first time that each operation is missing.
    package static func onFirst(_ listener: @escaping @Sendable (MissingOperation) -> Void) {
        state.withLock { $0 = State(listener: listener) }
    }

    static func report(_ operation: Operation, path: String, code: Int32) {
        let listener = state.withLock { $0.reported.insert(operation).inserted ? $0.listener : nil }
        listener?(MissingOperation(operation: operation, path: path, code: code))
    }

    /// What is missing, why, and what is therefore not protected.
    package var description: String {
        let reason = String(cString: strerror(code))
        return switch operation {
        case .lock:
            "\(path): this file system has no locks (\(reason)), so nothing stops a second job from writing to the same folder; start one at a time"
        case .sync:
            "\(path): this file system cannot make files durable (fsync: \(reason)), so a power cut or a crash of the file server may lose what was saved last"
        case .map:
            "\(path): this file system cannot map files (\(reason)), so each process reads its files into memory of its own"
        }
    }
}
