extension Machine {
    /// Folders of this process's control groups for one controller, from the root inwards, for versions 2 and 1. Inside a
    /// container, the innermost group may look like the root.
    func groups(_ controller: String) -> [String] {
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
}
