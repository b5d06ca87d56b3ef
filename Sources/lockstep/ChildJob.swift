import Checkpoints
import Diagnostics
import Files
import Glibc

/// A training job that this process has started and may kill.
final class ChildJob {
    private let process: pid_t
    private let command: [String]
    private let log: String
    private var status: Int32?

    /// Starts the job in a process group of its own; its output goes to `log`.
    /// - Parameter command: looked up in PATH unless it contains a slash.
    /// - Throws: `FileError` if it cannot be started.
    init(_ command: [String], log: String) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, log.cBytes, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        let arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0.cBytes) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var process = pid_t()
        let code = posix_spawnp(&process, command[0].cBytes, &actions, &attributes, arguments, environ)
        guard code == 0 else { throw FileError(operation: "start", path: command[0], code: code) }
        self.process = process
        self.command = command
        self.log = log
    }

    deinit { if status == nil { kill() } }

    /// Nil while it runs; else the exit code, or 128 + the signal that ended it.
    func poll() -> Int32? {
        if let status { return status }
        var raw: Int32 = 0
        guard waitpid(process, &raw, WNOHANG) == process else { return nil }
        status = raw & 0x7F == 0 ? raw >> 8 & 0xFF : 128 + raw & 0x7F
        return status
    }

    /// Kills the launcher and its process group on this machine with SIGKILL, and waits for the end. Ranks die with their
    /// launcher.
    func kill() {
        if status != nil { return }
        _ = Glibc.kill(-process, SIGKILL)
        while poll() == nil { usleep(2000) }
    }

    /// - Throws: `JobFailed` unless it ended with 0.
    func checkSuccess() throws {
        guard let status, status != 0 else { return }
        let lines = (try? File.contents(of: log)).map { String(decoding: $0, as: UTF8.self).split(separator: "\n") } ?? []
        let complaint = lines.last { $0.hasPrefix("lockstep:") } ?? lines.first { !$0.allSatisfy { "-= ".contains($0) } }
        throw JobFailed(command: command.map(\.shellWord).joined(separator: " "), status: status, complaint: complaint.map(String.init), log: log)
    }
}

/// A job that a verification needs has failed.
struct JobFailed: DiagnosedError {
    let command: String
    let status: Int32
    let complaint: String?
    let log: String

    var kind: FailureKind { FailureKind(rawValue: status) ?? .internal }
    var diagnosis: Diagnosis {
        Diagnosis(
            "a job of the verification ended with \(status)", file: log, found: complaint,
            remedy: "try it alone: \(command)")
    }
}
