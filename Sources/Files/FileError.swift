import Diagnostics
import Glibc

/// A system call that failed, with the call, the path and the operating system's own words.
public struct FileError: DiagnosedError, Equatable {
    public let operation: String
    public let path: String
    public let code: Int32

    public init(operation: String, path: String, code: Int32 = errno) {
        self.operation = operation
        self.path = path
        self.code = code
    }

    /// A file that does not exist was most likely typed wrong; all else is the system's refusal.
    public var kind: FailureKind { code == ENOENT || code == ENOTDIR || code == EISDIR ? .data : .inputOutput }

    public var diagnosis: Diagnosis {
        Diagnosis("cannot \(operation): \(String(cString: strerror(code)))", file: path, remedy: remedy)
    }

    private var remedy: String? {
        switch code {
        case ENOENT, ENOTDIR, EISDIR: "check the path"
        case EACCES, EPERM, EROFS: "check the permissions"
        case ENOSPC, EDQUOT: "free some space or choose another folder"
        default: nil
        }
    }
}
