import Glibc

/// The variables that a launcher sets in the environment of its processes. One list for all: Open MPI's mpirun, the Hydra of
/// MPICH and Intel MPI, Cray's, and Slurm's srun.
///
/// The innermost launcher comes first: mpirun inside a Slurm job leaves Slurm's variables, about its own daemons, in place.
package enum LaunchEnvironment {
    private static let ranks = ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"]
    private static let sizes = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"]
    private static let localRanks = ["OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "PMI_LOCAL_RANK"]
    private static let localSizes = ["OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "PMI_LOCAL_SIZE"]

    /// This process's rank; nil where no launcher says one.
    package static var rank: Int? { first(of: ranks) }
    /// How many processes the launcher says it started; nil when it says nothing.
    package static var size: Int? { first(of: sizes) }
    /// This process's number among those on this machine; nil where no launcher says one.
    package static var localRank: Int? { first(of: localRanks) }
    /// How many of them are on this machine; nil when it says nothing.
    package static var localSize: Int? { first(of: localSizes) }

    /// Whether a launcher started this process as one rank of a job. Slurm's rank alone does not tell: a batch script has it, too.
    package static var isLaunched: Bool { isSet("PMIX_RANK") || isSet("PMI_RANK") || size ?? 1 > 1 }

    /// Whether that launcher is Open MPI's or Hydra: this process's parent is then the launcher or its daemon, and each has one
    /// thread only.
    package static var isChildOfLauncher: Bool { isSet("OMPI_COMM_WORLD_RANK") || isSet("MPI_LOCALNRANKS") }

    /// The rank of another process.
    /// - Parameter environment: its variables, as in `/proc/PID/environ`: `NAME=VALUE`.
    package static func rank(in environment: some Sequence<Substring>) -> Int? {
        for name in ranks {
            if let line = environment.first(where: { $0.hasPrefix("\(name)=") }) { return Int(line.dropFirst(name.count + 1)) }
        }
        return nil
    }

    private static func isSet(_ name: String) -> Bool { getenv(name) != nil }

    private static func first(of names: [String]) -> Int? {
        names.lazy.compactMap { getenv($0) }.first.flatMap { Int(String(cString: $0)) }
    }
}
