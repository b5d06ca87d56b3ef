import Diagnostics
import Files
import Glibc

/// A rank as the kernel of this machine sees it.
struct LaunchedProcess: CustomStringConvertible {
    let rank: Int
    let process: Int

    var state: String { Self.state(of: process) }
    var description: String { "rank \(rank), host \(Host.name), process \(process)\(state)" }

    /// The other ranks that this process's launcher has started on this machine.
    static func neighbours() -> [LaunchedProcess] {
        let own = (process: Int(getpid()), launcher: Int(getppid()))
        return ((try? Folder.names(in: "/proc")) ?? []).compactMap { name in
            guard let process = Int(name), process != own.process, launcher(of: process) == own.launcher,
                let rank = rank(of: process)
            else { return nil }
            return LaunchedProcess(rank: rank, process: process)
        }.sorted { $0.rank < $1.rank }
    }

    /// In words, with a blank before; empty for a process that does what it should.
    static func state(of process: Int) -> String {
        guard let fields = status(of: process) else { return " (gone)" }
        switch fields.first?.first {
        case "T", "t": return " (stopped)"
        case "D": return " (waiting for a disk)"
        case "Z", "X": return " (dead)"
        default: return ""
        }
    }

    private static func launcher(of process: Int) -> Int? {
        status(of: process)?.dropFirst().first.flatMap { Int($0) }
    }

    /// State, parent and what follows. The program's name comes before, in brackets, and may hold anything.
    private static func status(of process: Int) -> [Substring]? {
        text("/proc/\(process)/stat")?.split(separator: ")").last?.split(separator: " ")
    }

    private static func rank(of process: Int) -> Int? {
        let name = "OMPI_COMM_WORLD_RANK="
        let line = text("/proc/\(process)/environ")?.split(separator: "\0").first { $0.hasPrefix(name) }
        return line.flatMap { Int($0.dropFirst(name.count)) }
    }

    private static func text(_ path: String) -> String? {
        (try? File.contents(of: path, limit: 1 << 20)).map { String(decoding: $0, as: UTF8.self) }
    }
}
