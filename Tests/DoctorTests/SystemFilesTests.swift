import Foundation
import Testing

@testable import Doctor

/// The kernel's files of made-up machines.
@Suite final class SystemFilesTests {
    private let root = FileManager.default.temporaryDirectory.appending(path: "lockstep-\(UUID().uuidString)").path
    private var files: SystemFiles { SystemFiles(root: root) }

    deinit { try? FileManager.default.removeItem(atPath: root) }

    private func write(_ tree: [String: String]) throws {
        for (path, text) in tree {
            let folder = URL(filePath: root + path).deletingLastPathComponent()
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try (text + "\n").write(toFile: root + path, atomically: false, encoding: .utf8)
        }
    }

    private let cpu = "/sys/devices/system/cpu"

    @Test func coresAndThreads() throws {
        var tree = ["\(cpu)/online": "0-5", "/proc/self/status": "Name:\tx\nCpus_allowed_list:\t1,4\n"]
        for thread in 0..<6 { tree["\(cpu)/cpu\(thread)/topology/thread_siblings_list"] = "\(thread % 3),\(thread % 3 + 3)" }
        tree["/sys/devices/system/node/online"] = "0-1"
        tree["\(cpu)/cpu0/cpufreq/scaling_governor"] = "powersave"
        tree["/proc/loadavg"] = "1.25 0.5 0.1 2/345 6789"
        try write(tree)
        let processor = files.processor()
        #expect(processor.cores == [0: "0", 1: "1", 2: "2", 3: "0", 4: "1", 5: "2"])
        #expect(processor.allowed == [1, 4])
        #expect(processor.available == [0, 1, 2, 3, 4, 5])
        #expect(processor.capacity == 3)
        #expect(processor.physical(processor.allowed) == ["1"])
        #expect(!processor.isUnbound)
        #expect(processor.numaNodes == 2)
        #expect(processor.governor == "powersave")
        #expect(processor.load == 1.25)
        #expect(processor.quota == nil)
    }

    /// Version 2, nested: the tightest counts. A container sees its own group as the root.
    @Test(arguments: ["/job/step", "/"]) func limitsOfVersion2(group: String) throws {
        let base = "/sys/fs/cgroup"
        try write([
            "\(cpu)/online": "0-7", "/proc/self/cgroup": "0::\(group)",
            "/proc/meminfo": "MemTotal:       16777216 kB\nMemAvailable:    8388608 kB",
            "\(base)\(group == "/" ? "" : "/job")/cpu.max": "250000 100000",
            "\(base)/job/step/cpu.max": "max 100000",
            "\(base)\(group == "/" ? "" : "/job")/memory.max": "4294967296",
            "\(base)\(group == "/" ? "" : "/job")/memory.current": "1073741824",
            "\(base)/job/step/memory.max": "max",
            "\(base)\(group == "/" ? "" : group)/cpuset.cpus.effective": "2-4",
        ])
        #expect(files.processor().quota == 2.5)
        #expect(files.processor().available == [2, 3, 4])
        #expect(files.processor().capacity == 2)
        let memory = files.memory()
        #expect(memory.total == 16 << 30)
        #expect(memory.limit == 4 << 30)
        #expect(memory.used == 1 << 30)
        #expect(memory.free == 3 << 30)
    }

    /// An outer limit, a tighter one within, and a looser one within that.
    @Test func theTightestLimitCounts() throws {
        let base = "/sys/fs/cgroup"
        try write([
            "\(cpu)/online": "0-7", "/proc/self/cgroup": "0::/a/b", "/proc/meminfo": "MemTotal: 16777216 kB",
            "\(base)/cpu.max": "600000 100000", "\(base)/a/cpu.max": "200000 100000", "\(base)/a/b/cpu.max": "300000 100000",
            "\(base)/memory.max": "8589934592", "\(base)/a/memory.max": "1073741824", "\(base)/a/b/memory.max": "2147483648",
            "\(base)/memory.current": "1", "\(base)/a/memory.current": "2", "\(base)/a/b/memory.current": "3",
        ])
        #expect(files.processor().quota == 2)
        #expect(files.memory().limit == 1 << 30)
        #expect(files.memory().used == 2)
    }

    @Test func limitsOfVersion1() throws {
        try write([
            "\(cpu)/online": "0-7", "/proc/self/cgroup": "5:cpu,cpuacct:/box\n4:memory:/box\n3:cpuset:/\n0::/",
            "/proc/meminfo": "MemTotal:       16777216 kB\nMemAvailable:    8388608 kB",
            "/sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us": "100000",
            "/sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us": "100000",
            "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1",
            "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
            "/sys/fs/cgroup/memory/box/memory.limit_in_bytes": "2147483648",
            "/sys/fs/cgroup/memory/box/memory.usage_in_bytes": "1024",
            "/sys/fs/cgroup/cpuset/cpuset.effective_cpus": "0-7",
        ])
        #expect(files.processor().quota == 1)
        #expect(files.memory().limit == 2 << 30)
        #expect(files.memory().used == 1024)
    }

    @Test func aMachineThatSaysNothing() {
        #expect(files.processor().capacity == 1)
        #expect(files.memory() == Facts.Memory())
        #expect(files.infiniband() == [])
        #expect(files.ptraceScope() == nil)
        #expect(!files.hasPtraceCapability())
        #expect(files.fileSystem(of: "/data") == "unknown")
    }

    @Test func fileSystems() throws {
        try write([
            "/proc/self/mountinfo": """
                22 1 0:21 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
                23 22 0:22 / /data rw - nfs4 server:/export rw
                24 22 0:23 / /data/my\\040runs rw shared:2 master:3 - lustre x rw
                25 22 0:24 / /data/my\\040runs rw - tmpfs x rw
                """
        ])
        #expect(files.fileSystem(of: "/home/me") == "ext4")
        #expect(files.fileSystem(of: "/data") == "nfs4")
        #expect(files.fileSystem(of: "/database") == "ext4")
        #expect(files.fileSystem(of: "/data/my runs/a") == "tmpfs")
    }

    @Test func networkInterfaces() throws {
        try write([
            "/sys/class/net/lo/type": "772", "/sys/class/net/ib0/type": "32", "/sys/class/net/eth0/type": "1",
            "/sys/class/net/eth0/device/vendor": "x", "/sys/class/net/eth0/speed": "25000",
            "/sys/class/net/docker0/type": "1", "/sys/class/net/docker0/bridge/x": "", "/sys/class/net/docker0/brif/veth1/x": "",
            "/sys/class/net/docker0/speed": "-1",
            "/sys/class/net/br0/type": "1", "/sys/class/net/br0/bridge/x": "", "/sys/class/net/br0/brif/eth0/x": "",
            "/sys/class/net/bond0/type": "1", "/sys/class/net/veth1/type": "1", "/sys/class/net/tun0/type": "65534",
        ])
        let kinds = ["lo", "ib0", "eth0", "docker0", "br0", "bond0", "veth1", "tun0"].map { files.kind(ofInterface: $0) }
        #expect(kinds == [.loopback, .infiniBand, .device, .bridge, .device, .device, .virtual, .virtual])
        #expect(files.megabits(ofInterface: "eth0") == 25_000)
        #expect(files.megabits(ofInterface: "docker0") == nil)
        #expect(Facts.Interface("a", "10.1.200.7", prefix: 20, kind: .device).network == "10.1.192.0/20")
        #expect(Facts.Interface("a", "10.1.200.7", prefix: 32, kind: .device).network == "10.1.200.7/32")
        #expect(Facts.Interface("a", "10.1.200.7", prefix: 0, kind: .device).network == "0.0.0.0/0")
    }

    @Test func securityAndInfiniBand() throws {
        try write([
            "/proc/sys/kernel/yama/ptrace_scope": "1", "/proc/self/status": "CapEff:\t0000000000080000\n",
            "/sys/class/infiniband/mlx5_0/ports/1/state": "4: ACTIVE", "/sys/class/infiniband/mlx5_0/ports/1/rate": "100 Gb/sec (4X EDR)",
            "/sys/class/infiniband/mlx5_0/ports/2/state": "1: DOWN", "/sys/class/infiniband/mlx5_0/ports/2/rate": "10 Gb/sec",
        ])
        #expect(files.ptraceScope() == 1)
        #expect(files.hasPtraceCapability())
        #expect(files.infiniband().map(\.isActive) == [true, false])
        #expect(files.infiniband().first?.rate == "100 Gb/sec (4X EDR)")
    }

    /// The environment, else the user's file, else the installation's.
    @Test func parameters() throws {
        try write([
            "/etc/openmpi/openmpi-mca-params.conf": "# Debian\npml = ^ucx\nbtl = ^uct,openib # no\nunknown = 1\nosc=^ucx",
            "/home/me/.openmpi/mca-params.conf": "btl=tcp,self\n",
        ])
        let environment = ["HOME": "/home/me", "OMPI_MCA_osc": "sm", "OMPI_MCA_unknown": "2"]
        let settings = ParameterFiles.settings(files, launcher: "/usr/bin/mpirun") { environment[$0] }
        #expect(settings == ["pml": "^ucx", "btl": "tcp,self", "osc": "sm"])
    }

    @Test func lists() {
        #expect(list("0-2,5") == [0, 1, 2, 5])
        #expect(list("") == [])
        #expect(list("7") == [7])
        #expect(list("3-1,x,0-99999999") == [])
    }

    /// Odd texts must not stop the doctor.
    @Test func odd() throws {
        try write([
            "\(cpu)/online": "garbage", "/proc/self/cgroup": "x\n::\n0::/../..\n", "/proc/meminfo": "MemTotal:\nMemAvailable: -",
            "/proc/self/mountinfo": "1 2 - x\n- - - - - - -", "/sys/fs/cgroup/cpu.max": "5 0",
        ])
        #expect(files.processor().capacity == 1)
        #expect(files.memory().total == 0)
        #expect(files.fileSystem(of: "/") == "unknown")
        #expect(files.processor().quota == nil)
    }
}
