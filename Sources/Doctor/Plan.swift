import Diagnostics
import Platform

/// How the job should be distributed over these machines.
struct Plan: Equatable {
    /// Hosts in the order of their first ranks, with the facts of their ranks.
    let hosts: [(name: String, ranks: [Facts])]
    let intent: Intent
    let ranksPerHost: Int
    let threads: Int
    /// The number of hosts of the job: those that ranks run on, or those of the hostfile.
    let hostCount: Int

    static func == (a: Plan, b: Plan) -> Bool {
        a.ranksPerHost == b.ranksPerHost && a.threads == b.threads && a.hostCount == b.hostCount
    }

    var ranks: Int { ranksPerHost * hostCount }
    var first: Facts { hosts[0].ranks[0] }
    var isLaunched: Bool { first.rank.isLaunched }
    var size: Int { hosts.reduce(0) { $0 + $1.ranks.count } }
    /// Whether the ranks were started by Slurm itself.
    var family: LaunchFamily { first.transport.family }
    /// As the user has it in PATH.
    var launcher: String { first.transport.launcher.map { String($0.split(separator: "/").last ?? "") } ?? family.launchers.last! }
    var isBySlurm: Bool { first.rank.parent == "slurmstepd" }

    /// - Parameter facts: the facts of all ranks, by rank; not empty.
    init(_ facts: [Facts], _ intent: Intent) {
        var hosts: [(name: String, ranks: [Facts])] = []
        for rank in facts {
            if let place = hosts.firstIndex(where: { $0.name == rank.host }) {
                hosts[place].ranks.append(rank)
            } else {
                hosts.append((rank.host, [rank]))
            }
        }
        self.hosts = hosts
        self.intent = intent
        let capacity = hosts.map { $0.ranks[0].processor.capacity }.min()!
        // More threads than the machine has cores are a mistake, not an intention.
        let wanted = facts[0].threads
        threads = wanted <= capacity ? wanted : 1
        var perHost = capacity / threads
        hostCount = max(hosts.count, facts[0].rank.isLaunched ? 1 : intent.hostfile?.hosts.count ?? 1)
        if let slots = intent.hostfile?.hosts.compactMap(\.slots).min() { perHost = min(perHost, max(1, slots / threads)) }
        if let streams = intent.streams, intent.split != .units {
            // A step takes as long as on the rank with the most streams; ranks beyond what that needs gain nothing.
            let most = (streams + perHost * hostCount - 1) / (perHost * hostCount)
            let enough = (streams + most - 1) / most
            perHost = min(perHost, max(1, (enough + hostCount - 1) / hostCount))
            while perHost > 1, perHost * hostCount > streams { perHost -= 1 }
            if let shards = intent.shards, intent.split == .streams {
                while perHost > 1, shards % (perHost * hostCount) != 0 { perHost -= 1 }
            }
        }
        if let need = intent.need, let free = hosts.map({ $0.ranks[0].memory.free }).min() {
            while perHost > 1, Plan.memory(need, intent, ranks: perHost, hosts: hostCount) > free { perHost -= 1 }
        }
        ranksPerHost = perHost
    }

    /// Bytes that the ranks of one host need together.
    static func memory(_ need: Intent.Need, _ intent: Intent, ranks: Int, hosts: Int) -> Int {
        // Ranks that share units have one gradient.
        need.shared(ranks: intent.split == .units ? 1 : ranks) + need.activations * (((intent.streams ?? 1) + hosts - 1) / hosts)
    }

    /// Whether binding helps. It does not if a control group grants time on any core: other containers bind to the same first cores.
    var binds: Bool { hosts.allSatisfy { $0.ranks[0].processor.quota == nil } }

    /// The launcher's options for binding.
    var mapping: String {
        if !binds { return family.noBinding }
        return hostCount > 1
            ? family.binding(threads: threads, ranksPerHost: ranksPerHost) : family.binding(threads: threads)
    }

    /// The lines that start the training. `settings` are the Open MPI parameters that these machines need.
    func command(settings: [(name: String, value: String)]) -> [String] {
        var lines: [String] = []
        let environment = first.environment
        let wantsFile = family == .openMPI
            && (first.transport.settings["odls_base_sigkill_timeout"] == nil || first.isRootRefused)
        if wantsFile, !isBySlurm {
            if let file = intent.environmentFile {
                lines.append(". \(file.shellWord)")
            } else if first.isRootRefused {
                lines.append("export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1")
            }
        }
        if environment["OMP_NUM_THREADS"] != (threads == 1 && lines.first?.hasPrefix(". ") == true ? nil : "\(threads)") {
            lines.append("export OMP_NUM_THREADS=\(threads)")
        }
        for name in ["LOCKSTEP_RANKS_PER_MACHINE", "GOMP_CPU_AFFINITY", "LOCKSTEP_VECTORS"]
        where environment[name] != nil { lines.append("unset \(name)") }

        let train = "lockstep train" + intent.arguments.map { " " + $0.shellWord }.joined()
        if isBySlurm {
            lines.append("srun \(family.slurm) -n \(ranks) --ntasks-per-node=\(ranksPerHost) --cpus-per-task=\(threads) --cpu-bind=cores \(train)")
            return lines
        }
        var words = [launcher, "-n \(ranks)"]
        if let hostfile = intent.hostfile {
            words.append(family.hostfile(hostfile.path))
        } else if hosts.count > 1, environment["SLURM_JOB_ID"] == nil {
            words.append(family.hosts(hosts.map(\.name), slots: ranksPerHost * threads))
        }
        words.append(mapping)
        if hostCount > 1, family == .openMPI { words.append("-x OMP_NUM_THREADS -x PATH") }
        words += settings.map { "--mca \($0.name) \($0.value)" }
        lines.append((words + [train]).joined(separator: " "))
        return lines
    }
}

extension Facts {
    /// Whether mpirun would refuse to start: Open MPI's does, Hydra does not.
    var isRootRefused: Bool {
        transport.family == .openMPI && transport.isRoot && !rank.isLaunched
            && (environment["OMPI_ALLOW_RUN_AS_ROOT"] != "1" || environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] != "1")
    }
}

extension Facts.Memory {
    /// Bytes that can still be allocated within the control group's limit.
    var free: Int { Machine.Memory(total: total, available: available, limit: limit, used: used).free }
}
