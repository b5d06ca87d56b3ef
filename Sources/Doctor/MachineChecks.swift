import Diagnostics
import Reporting

/// Checks of one machine, based on what one of its ranks has seen.
struct MachineChecks {
    let facts: Facts
    let plan: Plan

    static let messages = "messages"

    var all: [Finding] {
        [processor, frequency, load, products, speed, memory, hugePages, sharedMemory, transport, root, interruption, messages, libraries]
            .compactMap { $0 }
    }

    private var processor: Finding {
        let processor = facts.processor
        let (threads, cores) = (processor.cores.count, processor.physical(Array(processor.cores.keys)).count)
        var found = "\(processor.name), \(counted(cores, "core"))"
        if threads > cores { found += " of \(threads / max(1, cores)) threads" }
        if processor.numaNodes > 1 { found += ", \(processor.numaNodes) NUMA nodes" }
        let usable = processor.physical(processor.available).count
        if usable < cores { found += ", of which the control group permits \(usable)" }
        if let quota = processor.quota { found += ", of which the control group grants the time of \(Formatting.fixed(quota, decimals: 1))" }
        if let missing = processor.missingInstructions {
            return .problem(
                "processor", "\(found), without \(missing)",
                because: "lockstep is compiled for these instructions: every other command refuses to run",
                remedy: "use a processor that has them (Intel since 2013, AMD since 2017); in a virtual machine let it see the host's (qemu -cpu host); or build lockstep for this one: set `level` in Package.swift to 2, then launch/setup")
        }
        return .ok("processor", found + ", \(processor.vectorBits)-bit vectors")
    }

    private var frequency: Finding? {
        guard let governor = facts.processor.governor else { return nil }
        let driver = facts.processor.frequencyDriver ?? "unknown driver"
        let found = "governor \(governor), \(driver)"
        // The processors' own drivers raise the clock under load, whatever this governor is called.
        if governor == "powersave", !driver.hasPrefix("intel_pstate"), !driver.hasPrefix("amd-pstate"), !driver.hasPrefix("amd_pstate") {
            return .warning(
                "clock", found, because: "the processor stays at its lowest clock",
                remedy: "as an administrator: cpupower frequency-set -g performance")
        }
        return .ok("clock", found)
    }

    /// Only before ranks have started, since they are part of the load.
    private var load: Finding? {
        guard !facts.rank.isLaunched, let load = facts.processor.load else { return nil }
        let found = "\(Formatting.fixed(load, decimals: 1)) processes running, mean over the last minute"
        guard load >= max(0.5, 0.25 * Double(facts.processor.capacity)) else { return .ok("load", found) }
        return .warning(
            "load", found, because: "others use these cores; all ranks wait for the one that shares its core",
            remedy: "find them with top; wait, or reserve a machine (Slurm: --exclusive)")
    }

    // MARK: Arithmetic

    private var products: Finding? {
        if let reason = facts.software.unfitVectors, let value = facts.environment["LOCKSTEP_VECTORS"] {
            return .problem(
                "products", "LOCKSTEP_VECTORS=\(value)", because: "\(reason): every other command refuses to run",
                remedy: "unset LOCKSTEP_VECTORS")
        }
        let text = facts.software.products
        guard !text.isEmpty else { return nil }
        let bits = text.contains("AVX-512") ? 512 : text.contains("AVX2") ? 256 : 128
        guard facts.processor.architecture == "x86_64", bits < facts.processor.vectorBits else { return .ok("products", text) }
        guard let value = facts.environment["LOCKSTEP_VECTORS"] else {
            return .warning(
                "products", text,
                because: "the processor has \(facts.processor.vectorBits)-bit vectors, of which the products use \(bits): it lacks some of AVX-512's extensions (BW, DQ, VL)",
                remedy: "none is needed: results are the same, at the speed of narrower vectors")
        }
        return .warning(
            "products", "\(text); LOCKSTEP_VECTORS=\(value)",
            because: "the processor has \(facts.processor.vectorBits)-bit vectors, and products are told to use narrower ones: they take longer for the same results",
            remedy: "unset LOCKSTEP_VECTORS")
    }

    private var speed: Finding? {
        guard let speed = facts.speed, speed.peak > 0 else { return nil }
        let share = speed.product / speed.peak
        let percent = { Formatting.fixed(100 * $0 / speed.peak, decimals: 0) + " %" }
        let found =
            "peak \(giga(speed.peak)) GFLOP/s a core; product \(giga(speed.product)) (\(percent(speed.product))), in the second-level cache \(giga(speed.cachedProduct)) (\(percent(speed.cachedProduct)))"
        if share < 0.15 {
            return .problem(
                "arithmetic", found, because: "the matrix product runs without this processor's vector instructions",
                remedy: "unset LOCKSTEP_VECTORS if it is set; compare with: lockstep bench --steps-only")
        }
        if share < 0.4 {
            return .warning(
                "arithmetic", found, because: "matrix products reach less than they should of what the core can do",
                remedy: "run it again on an idle machine; then compare with: lockstep bench --steps-only")
        }
        return .ok("arithmetic", found)
    }

    // MARK: Memory

    /// The number of ranks that this machine has, or would get.
    private var ranksHere: Int {
        plan.isLaunched ? plan.hosts.first { $0.name == facts.host }?.ranks.count ?? 1 : plan.ranksPerHost
    }

    private var needed: Int? {
        plan.intent.need.map { Plan.memory($0, plan.intent, ranks: ranksHere, hosts: plan.hostCount) }
    }

    private var memory: Finding {
        let memory = facts.memory
        var found = "\(Formatting.bytes(memory.free)) free of \(Formatting.bytes(memory.total))"
        if let limit = memory.limit { found += ", control group's limit \(Formatting.bytes(limit))" }
        if let needed {
            found += "; the run needs \(Formatting.bytes(needed)) with \(counted(ranksHere, "rank"))"
            if needed > memory.free {
                return .problem(
                    "memory", found, because: "the kernel would kill a rank (signal 9)",
                    remedy: "lower model.hidden, training.streams or training.unroll, take more machines, or raise the limit of the container or batch job")
            }
        }
        if memory.free < 512 << 20 {
            return .warning(
                "memory", found, because: "little is left for a model",
                remedy: "end what uses it (top, sorted by memory), or raise the limit of the container or batch job")
        }
        return .ok("memory", found)
    }

    private var hugePages: Finding? { facts.memory.hugePages.map { .ok("huge pages", $0) } }

    private var sharedMemory: Finding {
        let (memory, check) = (facts.memory, "shared memory")
        let transport = facts.transport
        if let folder = transport.settings["osc_sm_backing_directory"], folder != "/dev/shm" {
            return .ok(check, "in \(folder) (osc_sm_backing_directory)")
        }
        let because = "parameters, packed weights and gradients of a machine's ranks are in /dev/shm: without room the job fails at its start"
        guard memory.sharedTotal > 0, memory.sharedIsWritable else {
            return .problem(
                check, memory.sharedTotal > 0 ? "/dev/shm cannot be written" : "no /dev/shm", because: because,
                remedy: "as an administrator: mount -t tmpfs -o mode=1777 tmpfs /dev/shm" + (transport.family == .openMPI ? "; or mpirun --mca osc_sm_backing_directory /tmp --mca btl_vader_backing_directory /tmp" : ""))
        }
        let need = plan.intent.need.map { $0.shared(ranks: ranksHere) }
        var found = "\(Formatting.bytes(memory.sharedFree)) free of \(Formatting.bytes(memory.sharedTotal)) in /dev/shm"
        if let need { found += "; the run needs \(Formatting.bytes(need))" }
        let size = max(1, ((need ?? 0) * 5 / 4 + (1 << 30) - 1) >> 30)
        let remedy = "docker run --shm-size=\(size)g (or --ipc=host); elsewhere, as an administrator: mount -o remount,size=\(size)G /dev/shm; left-overs of dead jobs: ls -l /dev/shm"
        if memory.sharedFree < need ?? 128 << 20 { return .problem(check, found, because: because, remedy: remedy) }
        if need == nil, memory.sharedFree < 1 << 30 { return .warning(check, found, because: because, remedy: remedy) }
        return .ok(check, found)
    }

    // MARK: MPI

    private var transport: Finding {
        let (transport, check) = (facts.transport, "MPI")
        let family = transport.family
        let library = shortened(transport.library)
        let file = transport.libraryFile.map { ", \($0)" } ?? ""
        if facts.rank.isLaunched { return .ok(check, "\(library)\(file), started by \(facts.rank.parent)") }
        guard let launcher = transport.launcher else {
            return .problem(
                check, "\(library)\(file); no \(family.launchers.last!) in PATH", because: "several ranks cannot be started",
                remedy: "apt-get install \(family.package), or on a cluster: module load \(family.module) (the one that lockstep was built with)")
        }
        let version = transport.launcherVersion.flatMap(number)
        let found = "\(library)\(file); \(launcher)\(version.map { " \($0)" } ?? "")"
        if let says = transport.launcherVersion, family.isForeign(says) {
            return .problem(
                check, found, because: "this launcher is not \(family.name)'s, which lockstep is linked with: each rank would run for itself",
                remedy: "put \(family.name)'s bin folder first in PATH (module load \(family.module)), or build for this MPI: launch/setup --mpi \(family == .openMPI ? "mpich" : "openmpi")")
        }
        if family == .openMPI, let version, let own = number(transport.library), version.prefix(while: { $0 != "." }) != own.prefix(while: { $0 != "." }) {
            return .problem(
                check, found, because: "mpirun and the library that lockstep is linked with are of different versions: each rank would run for itself",
                remedy: "put the bin folder of Open MPI \(own) first in PATH (module load), or build lockstep again with launch/setup")
        }
        return .ok(check, found)
    }

    private var root: Finding? {
        guard facts.transport.isRoot else { return nil }
        guard facts.isRootRefused else { return .ok("user", "root; allowed for \(plan.launcher)") }
        return .problem(
            "user", "root", because: "mpirun refuses to run as root",
            remedy: plan.intent.environmentFile.map { ". \($0.shellWord)" } ?? "export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1")
    }

    private var interruption: Finding? {
        guard plan.family == .openMPI, !plan.isBySlurm else { return nil }
        let set = facts.transport.settings["odls_base_sigkill_timeout"]
        let seconds = set.flatMap { Int($0) } ?? 1
        let found = "mpirun gives ranks \(seconds) s to save when it is stopped"
        guard seconds < 5 else { return .ok("stopping", found) }
        return .warning(
            "stopping", found, because: "a checkpoint that takes longer is lost, with all steps since the one before it",
            remedy: plan.intent.environmentFile.map { ". \($0.shellWord)" } ?? "export OMPI_MCA_odls_base_sigkill_timeout=5")
    }

    /// Open MPI reads long messages directly from the other process's memory ("CMA") if that is allowed.
    /// MPICH copies them where it is not.
    private var messages: Finding? {
        let (transport, check) = (facts.transport, MachineChecks.messages)
        guard transport.family == .openMPI else { return nil }
        let mechanism = transport.settings["btl_vader_single_copy_mechanism"] ?? "cma"
        guard mechanism == "cma" else {
            return .ok(check, "between ranks of a machine, copied twice (btl_vader_single_copy_mechanism \(mechanism))")
        }
        let scope = transport.ptraceScope.map { "kernel.yama.ptrace_scope = \($0)" } ?? "no limit by Yama"
        let isForbidden = (transport.ptraceScope ?? 0) >= 2 && !transport.hasPtraceCapability
        guard transport.readsOtherMemory == false || isForbidden else { return .ok(check, "read from the other rank's memory; \(scope)") }
        return .problem(
            check, "a process may not read another's memory; \(scope)",
            because: "Open MPI fails on messages between ranks of one machine (\"Read -1, expected ..., errno = 1\")",
            remedy: "export OMPI_MCA_btl_vader_single_copy_mechanism=none; or allow it: docker run --cap-add=SYS_PTRACE, sysctl kernel.yama.ptrace_scope=1")
    }

    private var libraries: Finding {
        let software = facts.software
        return .ok(
            "software", "lockstep \(software.lockstep), glibc \(software.libc), kernel \(software.kernel)")
    }

    /// "Open MPI v4.1.4, package: ..." without the packager's part.
    private func shortened(_ library: String) -> String { String(library.prefix { $0 != "," }) }

    /// The first number with a dot: "4.1.4".
    private func number(_ text: String) -> String? {
        text.split { !$0.isNumber && $0 != "." }.first { $0.contains(".") && $0.first!.isNumber }.map(String.init)
    }

    private func giga(_ rate: Double) -> String { Formatting.fixed(rate / 1e9, decimals: 0) }
}

/// "1 core", "2 cores".
func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
