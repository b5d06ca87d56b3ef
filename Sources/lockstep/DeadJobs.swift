import Diagnostics
import Files
import Glibc

/// Removes what jobs of this user that were killed together with their mpirun have left on this machine. Open MPI 4 and 5 remove
/// their segments of shared memory and their session folders when they end, but killed jobs cannot.
enum DeadJobs {
    /// Called by the first rank of each machine, before MPI is initialised.
    static func tidy() {
        guard LaunchEnvironment.localRank == 0 else { return }
        removeSharedMemory()
        removeSessions()
    }

    /// Files of shared memory that no process has mapped.
    private static func removeSharedMemory() {
        let prefixes = ["vader_segment.", "sm_segment.", "osc_sm.", "osc_rdma."].map { "\($0)\(shortHost)" }
        let candidates = old(in: "/dev/shm") { name in prefixes.contains { name.hasPrefix($0) } }
        guard !candidates.isEmpty else { return }
        var inUse = ""
        for process in (try? Folder.names(in: "/proc")) ?? [] where pid_t(process) != nil {
            guard let maps = try? File.contents(of: "/proc/\(process)/maps", limit: 1 << 24) else { continue }
            inUse += String(decoding: maps, as: UTF8.self)
        }
        for path in candidates where !inUse.contains(path) { unlink(path) }
    }

    /// Folders `pid.N` of an mpirun that no longer exists.
    private static func removeSessions() {
        let folder = "\(getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp")/ompi.\(shortHost).\(getuid())"
        for path in old(in: folder, where: { $0.hasPrefix("pid.") }) {
            guard let process = path.split(separator: ".").last.flatMap({ pid_t($0) }), process > 0 else { continue }
            if kill(process, 0) != 0, errno == ESRCH { try? Folder.remove(path) }
        }
    }

    /// Paths of this user's files that have not changed for a minute; those of a starting job are younger.
    private static func old(in folder: String, where isMeant: (String) -> Bool) -> [String] {
        ((try? Folder.names(in: folder)) ?? []).filter(isMeant).map { "\(folder)/\($0)" }.filter { path in
            var info = stat()
            return lstat(path, &info) == 0 && info.st_uid == getuid() && time(nil) - Int(info.st_mtim.tv_sec) > 60
        }
    }

    /// As Open MPI has it in names.
    private static var shortHost: Substring { Host.name.prefix { $0 != "." } }
}
