import CProcessor
import Glibc

extension Machine {
    /// Logical processors, and which of them this process may use.
    package struct Processors: Sendable, Equatable {
        /// The processors that are online, each with its physical core.
        package var cores: [Int: String] = [:]
        /// The processors that the control group permits (a container, a batch job), and those that this process may run on:
        /// its binding.
        package var available: [Int] = []
        package var allowed: [Int] = []
        /// Processor time per second that the control groups grant, in processors; nil for no limit.
        package var quota: Double?

        /// Whether this process may run on all processors of the machine or the container.
        package var isUnbound: Bool { Set(available).isSubset(of: allowed) }

        /// Physical cores of the processors that this process may run on.
        package var allowedCores: Int { Set(allowed.compactMap { cores[$0] }).count }

        /// The same, but no more than the control groups pay for; at least 1.
        package var usableCores: Int { max(1, min(allowedCores, quota.map { Int($0) } ?? allowedCores)) }
    }

    private static let folder = "/sys/devices/system/cpu"

    package var processors: Processors {
        var processors = Processors()
        for number in online {
            // A core is named after the first of its threads.
            let siblings = text("\(Machine.folder)/cpu\(number)/topology/thread_siblings_list").map(Machine.numbers)
            processors.cores[number] = "\(siblings?.first ?? number)"
        }
        let online = processors.cores.keys.sorted()
        let set = groups("cpuset").reversed().lazy.compactMap {
            text("\($0)/cpuset.cpus.effective") ?? text("\($0)/cpuset.effective_cpus")
        }.first { !$0.isEmpty }
        let available = set.map(Machine.numbers) ?? online
        processors.available = online.filter(available.contains)
        let allowed = bound ?? online
        processors.allowed = online.filter(allowed.contains)
        processors.quota = groups("cpu").compactMap(quota).min()
        return processors
    }

    /// The number of logical processors that are online.
    package var processorCount: Int { online.count }

    /// If the kernel does not say, at least the processors that this process may run on are known.
    private var online: [Int] { text("\(Machine.folder)/online").map(Machine.numbers) ?? bound ?? [0] }

    private var bound: [Int]? { value("Cpus_allowed_list", in: "/proc/self/status").map(Machine.numbers) }

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

    /// The processor's name, or that of its architecture if it has none.
    package var processorName: String {
        // This file has a tab before the colon.
        value("model name\t", in: "/proc/cpuinfo") ?? Machine.architecture
    }

    /// The instructions that lockstep is compiled for and this processor lacks, as in "AVX2, FMA"; nil when it has all.
    /// Without them no module but the doctor's own can be expected to run.
    package static var missingInstructions: String? {
        let missing = String(cString: lockstep_missing_instructions())
        return missing.isEmpty ? nil : missing
    }

    /// The architecture as the kernel names it: `x86_64`, `aarch64`. Always that of this machine, whatever the root.
    package static var architecture: String {
        var names = utsname()
        uname(&names)
        return withUnsafeBytes(of: names.machine) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    /// The last-level caches of the processors that this process may run on: of each, the processors that share it. Empty if the
    /// kernel does not say.
    package var lastCaches: [[Int]] {
        var caches: [[Int]] = []
        for processor in processors.allowed where !caches.contains(where: { $0.contains(processor) }) {
            let folder = "\(Machine.folder)/cpu\(processor)/cache"
            let last = names(folder).filter { $0.hasPrefix("index") }.max { level(of: "\(folder)/\($0)") < level(of: "\(folder)/\($1)") }
            guard let last, level(of: "\(folder)/\(last)") > 0, let list = text("\(folder)/\(last)/shared_cpu_list") else { return [] }
            let sharing = Machine.numbers(inList: list)
            guard sharing.contains(processor) else { return [] }
            caches.append(sharing)
        }
        return caches
    }

    /// 1, 2 or 3; 0 if the kernel does not say.
    private func level(of cache: String) -> Int { number("\(cache)/level") ?? 0 }

    /// Bytes of the largest cache of the first core; 32 MiB if the kernel does not say.
    package var lastCache: Int {
        let sizes = (0..<8).compactMap { index -> Int? in
            guard let text = text("\(Machine.folder)/cpu0/cache/index\(index)/size") else { return nil }
            return Int(text.prefix { $0.isNumber }).map { $0 << (text.hasSuffix("M") ? 20 : text.hasSuffix("K") ? 10 : 0) }
        }
        return sizes.max() ?? 32 << 20
    }
}
