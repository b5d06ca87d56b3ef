import Diagnostics
import Glibc

/// A rank of this job as the kernel of this machine sees it.
package struct LaunchedProcess: CustomStringConvertible {
    package let rank: Int
    let process: Int

    /// The state in words, preceded by a space; empty for a process that runs normally.
    package var state: String { Self.state(of: process) }
    package var description: String { "rank \(rank), host \(Host.name), process \(process)\(state)" }

    /// The other ranks on this machine that the launcher of this process has started.
    package static func neighbours() -> [LaunchedProcess] {
        let own = (process: Int(getpid()), launcher: Int(getppid()))
        return Machine.this.names("/proc").compactMap { name in
            guard let process = Int(name), process != own.process, launcher(of: process) == own.launcher,
                let rank = rank(of: process)
            else { return nil }
            return LaunchedProcess(rank: rank, process: process)
        }.sorted { $0.rank < $1.rank }
    }

    /// The state of any process on this machine.
    package static func state(of process: Int) -> String {
        guard let state = Machine.this.status(of: "\(process)").first else { return " (gone)" }
        switch state {
        case "T", "t": return " (stopped)"
        case "D": return " (waiting for a disk)"
        case "Z", "X": return " (dead)"
        default: return ""
        }
    }

    private static func launcher(of process: Int) -> Int? {
        Machine.this.status(of: "\(process)").dropFirst().first.flatMap { Int($0) }
    }

    private static func rank(of process: Int) -> Int? {
        Machine.this.text("/proc/\(process)/environ").flatMap { LaunchEnvironment.rank(in: $0.split(separator: "\0")) }
    }
}
