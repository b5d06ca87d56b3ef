import Diagnostics

/// The two families of MPI, and how the launcher of each is told what the doctor advises.
package enum LaunchFamily: Equatable, Sendable {
    case openMPI
    /// MPICH, and Intel's and Cray's MPI: their launcher is Hydra, or takes its options.
    case mpich

    /// - Parameter library: what the MPI library says of itself.
    package init(library: String) { self = library.isEmpty || library.hasPrefix("Open MPI") ? .openMPI : .mpich }

    var name: String { self == .openMPI ? "Open MPI" : "MPICH" }
    var module: String { self == .openMPI ? "openmpi" : "mpich" }
    /// The Debian package that has the launcher.
    var package: String { self == .openMPI ? "openmpi-bin" : "mpich" }
    /// Names of the launcher, the surest first: `mpirun` may be that of the other family.
    package var launchers: [String] { self == .openMPI ? ["mpirun"] : ["mpiexec.hydra", "mpiexec", "mpirun"] }
    /// How srun and the library speak to each other.
    var slurm: String { self == .openMPI ? "--mpi=pmix" : "--mpi=pmi2" }

    /// Whether a launcher that says this of itself belongs to the other family.
    func isForeign(_ launcherVersion: String) -> Bool {
        let isOpenMPI = ["Open MPI", "OpenRTE", "PRRTE"].contains { launcherVersion.contains($0) }
        return isOpenMPI != (self == .openMPI)
    }

    // MARK: Options

    package func binding(threads: Int) -> String {
        switch self {
        case .openMPI: threads > 1 ? "--map-by slot:PE=\(threads) --bind-to core" : "--map-by core --bind-to core"
        case .mpich: threads > 1 ? "-bind-to core:\(threads) -map-by core:\(threads)" : "-bind-to core -map-by core"
        }
    }

    func binding(threads: Int, ranksPerHost: Int) -> String {
        switch self {
        case .openMPI: "--map-by ppr:\(ranksPerHost):node\(threads > 1 ? ":PE=\(threads)" : "") --bind-to core"
        case .mpich: "-ppn \(ranksPerHost) " + binding(threads: threads)
        }
    }

    var noBinding: String { self == .openMPI ? "--bind-to none" : "-bind-to none" }

    func ranksPerHost(_ count: Int) -> String { self == .openMPI ? "--map-by ppr:\(count):node" : "-ppn \(count)" }

    func hostfile(_ path: String) -> String { (self == .openMPI ? "--hostfile " : "-f ") + path.shellWord }

    func hostfileLine(_ host: String, slots: Int) -> String { self == .openMPI ? "\(host) slots=\(slots)" : "\(host):\(slots)" }

    func hosts(_ names: [String], slots: Int) -> String {
        switch self {
        case .openMPI: "--host " + names.map { "\($0):\(slots)" }.joined(separator: ",")
        case .mpich: "-hosts " + names.joined(separator: ",")
        }
    }

    /// To the ranks of other hosts; Hydra passes the whole environment.
    func passing(_ variable: String) -> String { self == .openMPI ? "-x \(variable)" : "-genvlist \(variable)" }

    /// Names the network between hosts.
    /// - Parameter interface: the one that is in this network, on the first host.
    func network(_ network: String, interface: String) -> String {
        switch self {
        case .openMPI: "mpirun --mca btl_tcp_if_include \(network) --mca oob_tcp_if_include \(network)"
        case .mpich: "export UCX_NET_DEVICES=\(interface), and mpiexec -iface \(interface)"
        }
    }
}

extension Facts.Transport {
    var family: LaunchFamily { LaunchFamily(library: library) }
}
