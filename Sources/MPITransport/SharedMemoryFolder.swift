import Diagnostics
import Glibc

/// Where Open MPI keeps what the ranks of a machine share, as files.
package enum SharedMemoryFolder {
    /// Of windows; messages between ranks have a setting of their own, `btl_vader_backing_directory`, and the same default.
    package static var path: String {
        getenv("OMPI_MCA_osc_sm_backing_directory").map { String(cString: $0) } ?? "/dev/shm"
    }

    /// The most that Open MPI keeps there of one rank's messages, bytes (`btl_vader_segment_size`).
    static let messages = 4 << 20

    /// Bytes; nil when there is no such folder.
    package static var free: Int? {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return nil }
        return Int(clamping: status.f_bavail).multipliedReportingOverflow(by: Int(clamping: status.f_frsize)).partialValue
    }
}

/// Less room than the ranks of a machine need. MPI would map it all the same, and its first use would kill or hang the job.
package struct SharedMemoryError: DiagnosedError, Equatable {
    /// Bytes, Open MPI's own use included.
    package let needed: Int
    package let free: Int
    /// On this machine.
    package let ranks: Int

    package var kind: FailureKind { .inputOutput }

    package var diagnosis: Diagnosis {
        let mebibytes = { (bytes: Int) in "\((bytes + (1 << 20) - 1) >> 20) MiB" }
        return Diagnosis(
            "too little shared memory for \(ranks) ranks", file: SharedMemoryFolder.path, location: "host \(Host.name)",
            expected: "\(mebibytes(needed)) free", found: "\(free >> 20) MiB",
            remedy: "enlarge it (docker run --shm-size=\(max(1, (needed * 5 / 4 + (1 << 30) - 1) >> 30))g, or mount -o remount,size=... \(SharedMemoryFolder.path)), name a folder on a local disk (OMPI_MCA_osc_sm_backing_directory=/tmp), or do without, slower: mpirun -x LOCKSTEP_RANKS_PER_MACHINE=1")
    }
}
