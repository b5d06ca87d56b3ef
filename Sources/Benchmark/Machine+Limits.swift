import Glibc

/// What this process may use.
extension Machine {
    /// Numbers of the logical processors that this process may run on: its binding. Empty where the kernel does not say.
    public static var allowedProcessors: Set<Int> {
        guard let line = lines(of: "/proc/self/status").first(where: { $0.hasPrefix("Cpus_allowed_list:") }) else { return [] }
        return Set(numbers(inList: line.drop { !$0.isNumber }))
    }

    /// Physical cores among these processors.
    public static func cores(of processors: Set<Int>) -> Int {
        Set(processors.map { processor in
            let path = "/sys/devices/system/cpu/cpu\(processor)/topology/thread_siblings_list"
            return lines(of: path).first.flatMap { numbers(inList: $0).min() } ?? processor
        }).count
    }

    /// Bytes that the processes of this machine, or of this container (cgroup), can have; nil where the kernel does not say.
    public static var memory: Int? {
        let (pages, size) = (sysconf(Int32(_SC_PHYS_PAGES)), sysconf(Int32(_SC_PAGESIZE)))
        guard pages > 0, size > 0 else { return nil }
        return min(pages * size, memoryLimit ?? .max)
    }

    /// Bytes of memory that could be had now without swapping; nil where the kernel does not say.
    public static var freeMemory: Int? {
        guard let line = lines(of: "/proc/meminfo").first(where: { $0.hasPrefix("MemAvailable:") }),
            let kibibytes = Int(line.filter(\.isNumber))
        else { return nil }
        return min(kibibytes << 10, memoryLimit ?? .max)
    }

    /// The smallest limit of the control groups above this process, versions 2 and 1.
    private static var memoryLimit: Int? {
        let group = lines(of: "/proc/self/cgroup").first { $0.hasPrefix("0::/") }?.dropFirst(3) ?? "/"
        let parents = group.split(separator: "/").reduce(into: [""]) { $0.append("\($0.last!)/\($1)") }
        let files = parents.map { "/sys/fs/cgroup\($0)/memory.max" } + ["/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        return files.compactMap { lines(of: $0).first.flatMap { Int($0) } }.min()
    }

    /// `0-3,8` and the like.
    private static func numbers(inList list: Substring) -> [Int] {
        list.split(separator: ",").flatMap { part -> [Int] in
            let ends = part.split(separator: "-").compactMap { Int($0.filter(\.isNumber)) }
            guard let first = ends.first, let last = ends.last, first <= last, last - first < 1 << 16 else { return [] }
            return Array(first...last)
        }
    }
}
