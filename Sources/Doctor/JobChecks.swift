import Diagnostics
import Reporting

/// Checks of the job as a whole: what must be the same everywhere, the run folder, and how the streams are divided.
struct JobChecks {
    let facts: [Facts]
    let plan: Plan

    private var first: Facts { facts[0] }

    var all: [Finding] {
        [layout, data, streams, shards, agreement, evenness, settings, preload, storage].compactMap { $0 }
    }

    private var layout: Finding? {
        guard plan.hosts.count > 1 else { return nil }
        let counts = plan.hosts.map(\.ranks.count)
        let found = "\(plan.hosts.count) hosts, " + (Set(counts).count == 1 ? "\(counted(counts[0], "rank")) each" : "from \(counts.min()!) to \(counts.max()!) ranks")
        guard Set(counts).count > 1 else { return .ok("hosts", found) }
        let uneven = plan.hosts.map { "\($0.name) \($0.ranks.count)" }.joined(separator: ", ")
        return .warning(
            "hosts", "\(found): \(uneven)",
            because: "with unequal numbers nothing is shared within a machine: each rank sends its whole gradient over the network",
            remedy: "\(plan.launcher) -n \(counts.min()! * plan.hosts.count) \(plan.family.ranksPerHost(counts.min()!)) ...")
    }

    private var data: Finding? {
        plan.intent.missingData.map {
            .problem(
                "data", "\($0) is not a dataset", because: "there is nothing to train on, and the memory of the run is unknown",
                remedy: "lockstep prepare ... --output \($0.shellWord), or name another folder with --data; the comments at the top of lockstep's configurations say what text they need")
        }
    }

    private var streams: Finding? {
        guard let streams = plan.intent.streams else { return nil }
        let ranks = plan.isLaunched ? plan.size : plan.ranks
        if plan.intent.split == .units || plan.intent.split == .auto && ranks > streams {
            if streams >= plan.hostCount { return .ok("streams", "\(streams), whose hidden units \(counted(ranks, "rank")) share") }
            return .problem(
                "streams", "\(streams) for \(counted(plan.hostCount, "machine"))", because: "every machine needs at least one stream",
                remedy: "take fewer machines, or --set training.streams=\(plan.hostCount) (a different batch size, so check the learning rate)")
        }
        if ranks > streams {
            return .problem(
                "streams", "\(streams) for \(counted(ranks, "rank"))", because: "every rank needs at least one stream",
                remedy: "\(plan.launcher) -n \(plan.ranks) ..., or --set training.streams=\(ranks) (a different batch size, so check the learning rate)")
        }
        let most = (streams + ranks - 1) / ranks
        let found = streams % ranks == 0 ? "\(streams), \(most) for each of \(counted(ranks, "rank"))" : "\(streams), \(most - 1) or \(most) for each of \(counted(ranks, "rank"))"
        // The share of time that ranks spend waiting for those with one more stream.
        let idle = 1 - Double(streams) / Double(most * ranks)
        guard idle > 0.1 else { return .ok("streams", found) }
        let enough = (streams + most - 1) / most
        return .warning(
            "streams", found, because: "ranks with fewer streams wait: \(Formatting.fixed(100 * idle, decimals: 0)) % of the time is lost",
            remedy: "\(plan.launcher) -n \(enough) is as fast; or --set training.streams=\(most * ranks) (a different batch size, so check the learning rate)")
    }

    private var shards: Finding? {
        guard let shards = plan.intent.shards else { return nil }
        let ranks = plan.isLaunched ? plan.size : plan.ranks
        let sharesUnits = plan.intent.split == .units || plan.intent.split == .auto && shards % ranks != 0
        let parts = sharesUnits ? (counted(plan.hostCount, "machine"), plan.hostCount) : (counted(ranks, "rank"), ranks)
        let found = "\(shards) for \(parts.0)"
        if shards % parts.1 == 0 { return .ok("shards", found) }
        let possible = largestDivisor(of: shards, upTo: parts.1)
        return .problem(
            "shards", found, because: "the \(sharesUnits ? "machines" : "ranks") must have equal numbers of shards",
            remedy: sharesUnits
                ? "take \(counted(possible, "machine"))" : "\(plan.launcher) -n \(possible) ..., or a new run with a multiple of \(ranks) shards")
    }

    /// What must be the same on all ranks; training itself compares program, configuration and data, too.
    private var agreement: Finding? {
        guard facts.count > 1 else { return nil }
        let values: [(name: String, of: (Facts) -> String)] = [
            ("the version of lockstep", { $0.software.lockstep }),
            ("the program's SHA-256", { $0.software.program }),
            ("the MPI library", { $0.transport.library }),
            ("OMP_NUM_THREADS", { "\($0.threads)" }),
            ("LOCKSTEP_RANKS_PER_MACHINE", { $0.environment["LOCKSTEP_RANKS_PER_MACHINE"] ?? "none" }),
            ("Open MPI's settings", { $0.transport.settings.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ") }),
        ]
        for (name, value) in values {
            let mine = value(first)
            guard let other = facts.first(where: { value($0) != mine }) else { continue }
            return .problem(
                "agreement", "\(name): '\(mine)' on \(place(first)), '\(value(other))' on \(place(other))",
                because: "ranks that differ in this fail, hang or train something else",
                remedy: "install the same program and libraries on every host; pass settings on with \(plan.launcher) \(plan.family.passing("NAME"))")
        }
        return .ok("agreement", "same program, MPI and settings on all \(facts.count) ranks")
    }

    /// Processors with other instructions, and ranks that are slower than others.
    private var evenness: Finding? {
        guard facts.count > 1 else { return nil }
        if let other = facts.first(where: { $0.software.products != first.software.products }) {
            return .warning(
                "alike", "\(first.software.products) on \(place(first)), \(other.software.products) on \(place(other))",
                because: "all ranks wait for the slower ones; results are the same",
                remedy: "use hosts with the same processors")
        }
        let peaks = facts.compactMap { rank in rank.speed.map { (rank, $0.peak) } }
        guard let slowest = peaks.min(by: { $0.1 < $1.1 }) else { return nil }
        let middle = peaks.map(\.1).sorted()[peaks.count / 2]
        let share = slowest.1 / middle
        let found = "the slowest rank's peak is \(Formatting.fixed(100 * share, decimals: 0)) % of the median rank's"
        guard share < 0.75 else { return .ok("alike", found) }
        return .warning(
            "alike", "\(found): \(place(slowest.0))", because: "all ranks wait for the slowest in every step",
            remedy: "check with top what runs on \(slowest.0.host); leave it out if it stays slow")
    }

    private func place(_ facts: Facts) -> String {
        plan.hosts.count > 1 ? "rank \(facts.rank.number) (\(facts.host))" : "rank \(facts.rank.number)"
    }

    private var settings: Finding? {
        if let value = first.environment["LOCKSTEP_RANKS_PER_MACHINE"] {
            return .warning(
                "settings", "LOCKSTEP_RANKS_PER_MACHINE=\(value)", because: "it makes one machine act as several, for tests: ranks exchange messages instead of sharing memory",
                remedy: "unset LOCKSTEP_RANKS_PER_MACHINE")
        }
        if plan.isLaunched, first.transport.settings["mpi_yield_when_idle"] == "1",
            plan.hosts.allSatisfy({ $0.ranks.count <= $0.ranks[0].processor.capacity })
        {
            return .warning(
                "settings", "mpi_yield_when_idle=1", because: "waiting ranks yield their core and return late; the setting is for more ranks than cores",
                remedy: "unset OMPI_MCA_mpi_yield_when_idle")
        }
        return nil
    }

    private var preload: Finding? {
        guard let name = ["LD_PRELOAD", "MALLOC_CHECK_"].first(where: { first.environment[$0].map { !$0.isEmpty } ?? false }) else { return nil }
        return .warning(
            "preload", "\(name)=\(first.environment[name]!)", because: "it changes what the libraries do, and usually slows them down",
            remedy: "unset \(name)")
    }

    // MARK: Run folder

    private var storage: Finding {
        let (storage, check) = (first.storage, "run folder")
        let found = "\(storage.folder.printablePath): \(storage.fileSystem), \(Formatting.bytes(storage.free)) free"
        if let failure = storage.failure {
            return .problem(check, "\(found): \(failure)", because: "no checkpoint could be saved", remedy: "choose another folder with --run")
        }
        if let blind = facts.first(where: { $0.storage.seesFirst == false }) {
            return .problem(
                check, "\(found); \(place(blind)) does not see what rank 0 writes there",
                because: "a resumed run reads its checkpoint on every rank",
                remedy: "put the run on a file system that all hosts share: --run /shared/...")
        }
        if let need = plan.intent.need {
            // The latest, the best, one being written, and the three that are kept.
            let checkpoints = 5 * need.checkpoint
            if storage.free < 2 * need.checkpoint {
                return .problem(
                    check, "\(found); a checkpoint takes \(Formatting.bytes(need.checkpoint))",
                    because: "there is no room for a second one", remedy: "make room, or choose another folder with --run")
            }
            if storage.free < checkpoints {
                return .warning(
                    check, "\(found); a checkpoint takes \(Formatting.bytes(need.checkpoint))",
                    because: "several are kept (checkpoint.keep, best)",
                    remedy: "make room, choose another folder with --run, or --set checkpoint.keep=1")
            }
        } else if storage.free < 1 << 30 {
            return .warning(check, found, because: "checkpoints of a larger model do not fit", remedy: "make room, or choose another folder with --run")
        }
        if ["tmpfs", "ramfs"].contains(storage.fileSystem) {
            return .warning(check, found, because: "its content is lost when the machine restarts", remedy: "choose a folder on a disk with --run")
        }
        if ["overlay", "aufs"].contains(storage.fileSystem) {
            return .warning(
                check, found, because: "it belongs to the container and is removed with it",
                remedy: "mount a folder of the host (docker run -v /data/runs:/runs) and choose it with --run")
        }
        if storage.hasLocks == false {
            return .warning(
                check, found, because: "this file system has no locks, so nothing stops a second job from writing to the same run folder",
                remedy: "start one job at a time in a run folder, or have the file system mounted with flock (Lustre: -o flock)")
        }
        guard let seconds = storage.saveSeconds else { return .ok(check, found) }
        let timed = "\(found); 1 MiB saved durably in \(Formatting.fixed(seconds * 1e3, decimals: 0)) ms"
        guard seconds > 2 else { return .ok(check, timed) }
        return .warning(
            check, timed, because: "all ranks wait while a checkpoint is saved",
            remedy: "choose a faster file system with --run, or save less often: --set checkpoint.every_minutes=30")
    }
}
