import Diagnostics
import Glibc

/// A system call that failed, with the call, the path and the operating system's own words.
package struct FileError: DiagnosedError, Equatable {
    package let operation: String
    package let path: String
    package let code: Int32
    /// What is at `path` when it is not what it should be; `code` is then 0.
    private var unfit: Unfit?

    private struct Unfit: Equatable {
        let what: String
        let found: String
        let remedy: String
    }

    package init(operation: String, path: String, code: Int32 = errno) {
        self.operation = operation
        self.path = path
        self.code = code
    }

    /// - Parameter found: what is there in place of a regular file.
    init(path: String, notAFileBut found: String) {
        self.init(operation: "open", path: path, code: 0)
        unfit = Unfit(what: "not a regular file", found: found, remedy: "save the content to a file and give that")
    }

    /// A sparse file.
    init(path: String, bytes: Int, written: Int) {
        self.init(operation: "open", path: path, code: 0)
        unfit = Unfit(
            what: "most of this file was never written (it is sparse)", found: "\(written) of \(bytes) bytes",
            remedy: "make, copy or download it again")
    }

    /// A file that does not exist was most likely mistyped; everything else is a refusal by the system.
    package var kind: FailureKind {
        unfit != nil || code == ENOENT || code == ENOTDIR || code == EISDIR ? .data : .inputOutput
    }

    package var diagnosis: Diagnosis {
        if let unfit { return Diagnosis(unfit.what, file: path, found: unfit.found, remedy: unfit.remedy) }
        return Diagnosis("cannot \(operation): \(String(cString: strerror(code)))", file: path, remedy: remedy)
    }

    private var remedy: String? {
        switch code {
        case ENOENT, ENOTDIR, EISDIR: "check the path"
        case EACCES, EPERM, EROFS: "check the permissions"
        case EFBIG where operation.hasPrefix("read"): "check the path: a file of this kind is never that large"
        case EFBIG: "raise the limit on a file's size (ulimit -f), or choose a file system that takes larger files"
        case EMFILE: "raise the limit on open files (ulimit -n)"
        case ENFILE: "the machine has too many open files: end what holds them"
        case EAGAIN: "raise the limit on processes and threads (ulimit -u, or the batch system's)"
        case ENOMEM: "raise the limit on memory (ulimit -v, or the batch system's)"
        case ENOSPC, EDQUOT: "free some space or choose another folder"
        case ENOSYS, EOPNOTSUPP, EBUSY, EXDEV: "choose a folder on another file system"
        default: nil
        }
    }
}
