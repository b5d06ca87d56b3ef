import Files

/// The kernel's files about machine and process, below `root`: "" for this machine, a made-up tree in tests.
struct SystemFiles {
    let root: String

    func text(_ path: String) -> String? {
        guard let bytes = try? File.contents(of: root + path, limit: 1 << 24) else { return nil }
        let text = String(decoding: bytes, as: UTF8.self)
        return String(text.trimmingSuffix(while: \.isWhitespace))
    }

    func lines(_ path: String) -> [Substring] { text(path)?.split(separator: "\n") ?? [] }

    func names(_ path: String) -> [String] { (try? Folder.names(in: root + path)) ?? [] }

    /// The value of `key:` in files such as /proc/meminfo and /proc/self/status.
    func value(_ key: String, in path: String) -> String? {
        lines(path).first { $0.hasPrefix("\(key):") }.map { $0.dropFirst(key.count + 1).trimmed }
    }

    private func kibibytes(_ key: String) -> Int {
        value(key, in: "/proc/meminfo").flatMap { $0.split(separator: " ").first }.flatMap { Int($0) }.map { $0 << 10 } ?? 0
    }

    func processor() -> Facts.Processor {
        var processor = Facts.Processor()
        let base = "/sys/devices/system/cpu"
        for number in list(text("\(base)/online") ?? "0") {
            // The first of the threads that share a core names the core.
            let siblings = list(text("\(base)/cpu\(number)/topology/thread_siblings_list") ?? "\(number)")
            processor.cores[number] = "\(siblings.first ?? number)"
        }
        let online = processor.cores.keys.sorted()
        let set = groups("cpuset").reversed().lazy.compactMap {
            text("\($0)/cpuset.cpus.effective") ?? text("\($0)/cpuset.effective_cpus")
        }.first { !$0.isEmpty }
        let available = set.map(list) ?? online
        processor.available = online.filter(available.contains)
        let allowed = value("Cpus_allowed_list", in: "/proc/self/status").map(list) ?? online
        processor.allowed = online.filter(allowed.contains)
        processor.quota = groups("cpu").compactMap(quota).min()
        processor.numaNodes = max(1, list(text("/sys/devices/system/node/online") ?? "0").count)
        processor.governor = text("\(base)/cpu0/cpufreq/scaling_governor")
        processor.frequencyDriver = text("\(base)/cpu0/cpufreq/scaling_driver")
        processor.load = text("/proc/loadavg")?.split(separator: " ").first.flatMap { Double($0) }
        return processor
    }

    func memory() -> Facts.Memory {
        var memory = Facts.Memory()
        memory.total = kibibytes("MemTotal")
        memory.available = kibibytes("MemAvailable")
        // The innermost group with the smallest limit; what it holds counts against that.
        for group in groups("memory") {
            guard let limit = number("\(group)/memory.max") ?? number("\(group)/memory.limit_in_bytes"),
                limit < min(memory.total, memory.limit ?? .max)
            else { continue }
            memory.limit = limit
            memory.used = number("\(group)/memory.current") ?? number("\(group)/memory.usage_in_bytes")
        }
        // "always [madvise] never"
        memory.hugePages = text("/sys/kernel/mm/transparent_hugepage/enabled")?
            .split(separator: " ").first { $0.hasPrefix("[") }.map { String($0.dropFirst().dropLast()) }
        return memory
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

    /// What an interface is, beyond its addresses.
    func kind(ofInterface name: String) -> Facts.Interface.Kind {
        let base = "/sys/class/net/\(name)"
        switch Int(text("\(base)/type") ?? "") {
        case 772: return .loopback  // ARPHRD_LOOPBACK
        case 32: return .infiniBand  // ARPHRD_INFINIBAND
        default: break
        }
        if Folder.exists("\(root)\(base)/bridge") {
            // One with a network card in it is the machine's way out; one without is for containers on the machine.
            let hasCard = names("\(base)/brif").contains { Folder.exists("\(root)/sys/class/net/\($0)/device") }
            return hasCard ? .device : .bridge
        }
        let others = ["veth", "tun", "tap", "wg", "docker", "virbr", "cni", "flannel", "cali", "lxc", "lxd", "podman", "ifb", "dummy"]
        return others.contains { name.hasPrefix($0) } ? .virtual : .device
    }

    func megabits(ofInterface name: String) -> Int? {
        text("/sys/class/net/\(name)/speed").flatMap { Int($0) }.flatMap { $0 > 0 ? $0 : nil }
    }

    /// The type of the file system that `path` lies on, absolute and without links.
    func fileSystem(of path: String) -> String {
        var best = (length: -1, type: "unknown")
        for line in lines("/proc/self/mountinfo") {
            // ID PARENT DEVICE ROOT MOUNTPOINT OPTIONS [FIELDS...] - TYPE SOURCE OPTIONS; the last mounted hides others.
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

    // MARK: Control groups

    /// Folders of the control groups of a controller that this process is in, from the root inwards: version 2, and
    /// version 1. Inside a container the innermost may be what looks like the root.
    private func groups(_ controller: String) -> [String] {
        var folders: [String] = []
        for line in lines("/proc/self/cgroup") {
            // "0::/path" for version 2, "4:memory:/path" for version 1
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { continue }
            let bases: [String]
            if fields[1].isEmpty {
                bases = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
            } else if fields[1].split(separator: ",").contains(where: { $0 == controller }) {
                bases = ["/sys/fs/cgroup/\(fields[1])", "/sys/fs/cgroup/\(controller)"]
            } else {
                continue
            }
            for base in bases {
                var folder = base
                folders.append(folder)
                for part in fields[2].split(separator: "/") {
                    folder += "/\(part)"
                    folders.append(folder)
                }
            }
        }
        return folders
    }

    private func quota(_ group: String) -> Double? {
        if let fields = text("\(group)/cpu.max")?.split(separator: " "), fields.count == 2,
            let quota = Double(fields[0]), let period = Double(fields[1]), period > 0
        {
            return quota / period
        }
        guard let quota = number("\(group)/cpu.cfs_quota_us"), quota > 0,
            let period = number("\(group)/cpu.cfs_period_us"), period > 0
        else { return nil }
        return Double(quota) / Double(period)
    }

    private func number(_ path: String) -> Int? { text(path).flatMap { Int($0) } }
}

/// The numbers of "0-3,8".
func list(_ text: String) -> [Int] {
    text.split(separator: ",").flatMap { part -> [Int] in
        let ends = part.split(separator: "-").compactMap { Int($0.trimmed) }
        guard let first = ends.first, let last = ends.last, first <= last, last - first < 1 << 16 else { return [] }
        return Array(first...last)
    }
}

extension StringProtocol {
    var trimmed: String {
        String(String(drop(while: \.isWhitespace)).trimmingSuffix(while: \.isWhitespace))
    }
}

extension BidirectionalCollection {
    fileprivate func trimmingSuffix(while predicate: (Element) -> Bool) -> SubSequence {
        var end = endIndex
        while end > startIndex, predicate(self[index(before: end)]) { end = index(before: end) }
        return self[..<end]
    }
}
