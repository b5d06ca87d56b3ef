import Glibc

extension Machine {
    /// The machine's memory in bytes, and how much of it the control groups permit.
    package struct Memory: Sendable, Equatable {
        /// 0 if the kernel does not say.
        package var total = 0
        /// Bytes that could be allocated without swapping.
        package var available = 0
        /// The control groups' limit, and the bytes that the group with that limit already uses.
        package var limit: Int?
        package var used: Int?

        package init(total: Int = 0, available: Int = 0, limit: Int? = nil, used: Int? = nil) {
            self.total = total
            self.available = available
            self.limit = limit
            self.used = used
        }

        /// Bytes that all processes of this machine, or of this container, can have together.
        package var usable: Int { min(total, limit ?? total) }

        /// Bytes that can still be allocated without swapping, within the limit.
        package var free: Int {
            guard let limit else { return available }
            return min(available, max(0, limit - (used ?? 0)))
        }
    }

    package var memory: Memory {
        var memory = Memory(total: kibibytes("MemTotal"), available: kibibytes("MemAvailable"))
        // The innermost group with the smallest limit; its usage counts against that limit.
        for group in groups("memory") {
            guard let limit = number("\(group)/memory.max") ?? number("\(group)/memory.limit_in_bytes"),
                limit < min(memory.total, memory.limit ?? .max)
            else { continue }
            memory.limit = limit
            memory.used = number("\(group)/memory.current") ?? number("\(group)/memory.usage_in_bytes")
        }
        return memory
    }

    /// What this process may still map within its own limit (`ulimit -v`); nil without one.
    package var mappable: Int? {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0, let most = Int(exactly: limit.rlim_cur), most < Int.max / 2
        else { return nil }
        let size = value("VmSize", in: "/proc/self/status").flatMap { $0.split(separator: " ").first }.flatMap { Int($0) } ?? 0
        return max(0, most - (size << 10))
    }

    private func kibibytes(_ key: String) -> Int {
        value(key, in: "/proc/meminfo").flatMap { $0.split(separator: " ").first }.flatMap { Int($0) }.map { $0 << 10 } ?? 0
    }
}
