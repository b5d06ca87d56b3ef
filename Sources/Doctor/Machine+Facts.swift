import Files
import Platform

/// Facts that only doctor asks the kernel for.
extension Machine {
    func processorFacts() -> Facts.Processor {
        let processors = processors
        var facts = Facts.Processor()
        facts.name = processorName
        facts.architecture = Machine.architecture
        facts.cores = processors.cores
        facts.available = processors.available
        facts.allowed = processors.allowed
        facts.quota = processors.quota
        facts.numaNodes = max(1, Machine.numbers(inList: text("/sys/devices/system/node/online") ?? "0").count)
        let frequency = "/sys/devices/system/cpu/cpu0/cpufreq"
        facts.governor = text("\(frequency)/scaling_governor")
        facts.frequencyDriver = text("\(frequency)/scaling_driver")
        facts.load = text("/proc/loadavg")?.split(separator: " ").first.flatMap { Double($0) }
        return facts
    }

    func memoryFacts() -> Facts.Memory {
        let memory = memory
        var facts = Facts.Memory()
        facts.total = memory.total
        facts.available = memory.available
        facts.limit = memory.limit
        facts.used = memory.used
        // "always [madvise] never"
        facts.hugePages = text("/sys/kernel/mm/transparent_hugepage/enabled")?
            .split(separator: " ").first { $0.hasPrefix("[") }.map { String($0.dropFirst().dropLast()) }
        return facts
    }

    func ptraceScope() -> Int? { text("/proc/sys/kernel/yama/ptrace_scope").flatMap { Int($0) } }

    /// CAP_SYS_PTRACE, bit 19 of the effective capabilities.
    func hasPtraceCapability() -> Bool {
        value("CapEff", in: "/proc/self/status").flatMap { UInt64($0, radix: 16) }.map { $0 >> 19 & 1 == 1 } ?? false
    }

    func infiniband() -> [Facts.InfiniBandPort] {
        let base = "/sys/class/infiniband"
        return names(base).flatMap { device in
            names("\(base)/\(device)/ports").compactMap { port in
                guard let number = Int(port), let state = text("\(base)/\(device)/ports/\(port)/state") else { return nil }
                return Facts.InfiniBandPort(
                    device: device, port: number, isActive: state.contains("ACTIVE"),
                    rate: text("\(base)/\(device)/ports/\(port)/rate") ?? "")
            }
        }
    }

    /// The kind of a network interface.
    func kind(ofInterface name: String) -> Facts.Interface.Kind {
        let base = "/sys/class/net/\(name)"
        switch Int(text("\(base)/type") ?? "") {
        case 772: return .loopback  // ARPHRD_LOOPBACK
        case 32: return .infiniBand  // ARPHRD_INFINIBAND
        default: break
        }
        if Folder.exists("\(root)\(base)/bridge") {
            // A bridge with a network card connects the machine to the outside; one without connects its containers.
            let hasCard = names("\(base)/brif").contains { Folder.exists("\(root)/sys/class/net/\($0)/device") }
            return hasCard ? .device : .bridge
        }
        let others = ["veth", "tun", "tap", "wg", "docker", "virbr", "cni", "flannel", "cali", "lxc", "lxd", "podman", "ifb", "dummy"]
        return others.contains { name.hasPrefix($0) } ? .virtual : .device
    }

    func megabits(ofInterface name: String) -> Int? {
        text("/sys/class/net/\(name)/speed").flatMap { Int($0) }.flatMap { $0 > 0 ? $0 : nil }
    }

    /// The type of the file system of `path`, which is absolute and without links.
    func fileSystem(of path: String) -> String {
        var best = (length: -1, type: "unknown")
        for line in lines("/proc/self/mountinfo") {
            // ID PARENT DEVICE ROOT MOUNTPOINT OPTIONS [FIELDS...] - TYPE SOURCE OPTIONS; the last mount hides earlier ones.
            let fields = line.split(separator: " ")
            guard let dash = fields.firstIndex(of: "-"), dash >= 6, fields.count > dash + 1 else { continue }
            let point = String(fields[4]).replacing("\\040", with: " ")
            guard path == point || path.hasPrefix(point == "/" ? "/" : point + "/"), point.count >= best.length else { continue }
            best = (point.count, String(fields[dash + 1]))
        }
        return best.type
    }

    /// The file that a library was loaded from.
    func libraryFile(_ name: String) -> String? {
        lines("/proc/self/maps").lazy.compactMap { $0.split(separator: " ", maxSplits: 5).last }
            .first { $0.contains("/\(name)") }.map { $0.trimmed }
    }
}
