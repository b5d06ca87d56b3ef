import Platform
import Reporting

/// Checks of one machine's ranks, cores and threads: which rank computes where.
struct RankChecks {
    /// The ranks of this machine, or one process without a launcher.
    let ranks: [Facts]
    let plan: Plan

    private var processor: Facts.Processor { ranks[0].processor }
    private var isLaunched: Bool { plan.isLaunched }
    private var threads: Int { ranks.map(\.threads).max()! }
    private var capacity: Int { processor.capacity }

    var all: [Finding] { [cores, threadCount, affinity, binding, share].compactMap { $0 } }

    private var advice: String {
        plan.isBySlurm
            ? "srun \(plan.family.slurm) -n \(plan.ranks) --cpus-per-task=\(plan.threads) --cpu-bind=cores ..." : "\(plan.launcher) -n \(plan.ranks) \(plan.mapping) ..."
    }

    private var cores: Finding {
        guard isLaunched else {
            guard let slots = plan.intent.hostfile?.slots(of: ranks[0].host) else {
                return .ok("ranks", "room for \(counted(capacity, "rank")), one per core")
            }
            guard let slots else { return .ok("ranks", "the hostfile leaves the slots of this host to \(plan.launcher)") }
            if slots > capacity {
                return .problem(
                    "ranks", "\(slots) slots in the hostfile, \(counted(capacity, "core"))",
                    because: "ranks that share a core run at half speed or less, and all others wait for them",
                    remedy: "in \(plan.intent.hostfile!.path): \(plan.family.hostfileLine(ranks[0].host, slots: capacity))")
            }
            return .ok("ranks", "\(slots) slots in the hostfile, \(counted(capacity, "core"))")
        }
        let busy = ranks.reduce(0) { $0 + $1.threads }
        let found = "\(counted(ranks.count, "rank")) on \(counted(capacity, "core"))"
        if ranks.count > capacity {
            let isByThreads = processor.quota == nil && ranks.count <= processor.available.count
            let because =
                processor.quota.map { $0 < Double(processor.physical(processor.available).count) } == true
                ? "the control group stops ranks for part of the time, and all others wait for them"
                : isByThreads
                    ? "two threads of a core share its arithmetic: no more products per second, but more ranks to wait for"
                    : "ranks that share a core run at half speed or less, and waiting ranks keep it busy"
            return isByThreads
                ? .warning("ranks", found, because: because, remedy: advice) : .problem("ranks", found, because: because, remedy: advice)
        }
        if busy < capacity, plan.ranks > plan.size {
            return .warning("ranks", found, because: "\(counted(capacity - busy, "core")) of this machine stay idle", remedy: advice)
        }
        return .ok("ranks", found)
    }

    private var threadCount: Finding {
        let check = "threads"
        if let text = ranks[0].environment["OMP_NUM_THREADS"], !text.isEmpty, ThreadCount.read(text) == nil {
            return .problem(
                check, "OMP_NUM_THREADS=\(text)", because: "that is not a number of threads, and lockstep uses 1",
                remedy: "export OMP_NUM_THREADS=1")
        }
        let found = "\(threads) for each rank" + (ranks[0].environment["OMP_NUM_THREADS"] == nil ? " (OMP_NUM_THREADS is not set)" : "")
        let total = threads * (isLaunched ? ranks.count : 1)
        let remedy = "export OMP_NUM_THREADS=\(max(1, isLaunched ? capacity / ranks.count : plan.threads))"
        if !isLaunched, threads > capacity {
            return .problem(
                check, found, because: "a rank has no more threads than cores, here \(capacity); ranks with a core each share less and are faster",
                remedy: remedy)
        }
        if threads > 1, total > capacity {
            return .problem(
                check, found, because: "\(total) threads on \(counted(capacity, "core")): they take turns, and every product waits for the last",
                remedy: remedy)
        }
        if isLaunched, threads > 1, let narrow = ranks.first(where: { $0.processor.physical($0.processor.allowed).count < threads }) {
            let room = narrow.processor.physical(narrow.processor.allowed).count
            return .problem(
                check, "\(found), rank \(narrow.rank.number) bound to \(counted(room, "core"))",
                because: "a rank has no more threads than cores: it computes with \(counted(room, "thread"))",
                remedy: plan.isBySlurm ? "srun --cpus-per-task=\(threads)" : "\(plan.launcher) \(plan.family.binding(threads: threads)), or export OMP_NUM_THREADS=1")
        }
        return .ok(check, found)
    }

    private var affinity: Finding? {
        guard let name = ["GOMP_CPU_AFFINITY", "OMP_PLACES"].first(where: { ranks[0].environment[$0] != nil }),
            !isLaunched || ranks.count > 1
        else { return nil }
        return .warning(
            "affinity", "\(name)=\(ranks[0].environment[name]!)", because: "it may put the threads of all ranks on the same cores",
            remedy: "unset \(name)")
    }

    // MARK: Binding

    private var binding: Finding? {
        guard isLaunched else { return nil }
        let check = "binding"
        if !plan.binds {
            return ranks.allSatisfy { $0.processor.isUnbound } || ranks.count == 1
                ? .ok(check, "none, as suits a control group that grants time")
                : .warning(
                    check, "bound, although the control group grants time on any core",
                    because: "others on this machine bind to the same first cores", remedy: advice)
        }
        if let crowd {
            let who = crowd.ranks.map(String.init).joined(separator: ", ")
            return .problem(
                check, "ranks \(who) on \(counted(crowd.cores.count, "core")): \(crowd.cores.map { "core \($0)" }.joined(separator: ", "))",
                because: "ranks that share a core run at half speed or less, and all others wait for them", remedy: advice)
        }
        // A rank with a thread for every core is bound to all cores.
        if ranks.contains(where: { $0.processor.isUnbound && $0.threads < capacity }) {
            return .warning(
                check, "none", because: "the kernel moves ranks from core to core, away from their caches", remedy: advice)
        }
        let widths = Set(ranks.map { $0.processor.physical($0.processor.allowed).count })
        let width = widths.count == 1 ? counted(widths.first!, "core") : "\(widths.min()!) to \(widths.max()!) cores"
        return .ok(check, "each rank to \(width)")
    }

    /// The smallest set of cores to which some ranks are bound and that has fewer cores than these ranks have threads.
    private var crowd: (ranks: [Int], cores: [String])? {
        let sets = ranks.map { $0.processor.physical($0.processor.allowed) }
        for set in Set(sets).sorted(by: { $0.count < $1.count }) {
            let inside = zip(ranks, sets).filter { $0.1.isSubset(of: set) }.map(\.0)
            // One rank with too many threads is reported elsewhere.
            guard inside.count > 1, inside.reduce(0, { $0 + $1.threads }) > set.count else { continue }
            return (inside.map(\.rank.number), set.sorted { ($0.count, $0) < ($1.count, $1) })
        }
        return nil
    }

    /// How much of its core each rank got during the measurement.
    private var share: Finding? {
        let shares = ranks.compactMap { rank in rank.speed.map { (rank.rank.number, $0.share) } }
        guard let least = shares.min(by: { $0.1 < $1.1 }) else { return nil }
        let percent = Formatting.fixed(100 * least.1, decimals: 0)
        if least.1 >= 0.9 { return .ok("core time", isLaunched ? "at least \(percent) % for every rank" : "\(percent) %") }
        return .warning(
            "core time", (isLaunched ? "rank \(least.0) got " : "") + "\(percent) % of a core while it was measured",
            because: "something else runs on these cores, or the control group or the hypervisor takes them away; all ranks wait for the slowest",
            remedy: "find it with top; reserve the machine (Slurm: --exclusive), or start fewer ranks")
    }
}
