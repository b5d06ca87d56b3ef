import Platform
import TestSupport
import Testing

@testable import Doctor

/// The kernel's files of made-up machines.
@Suite struct MachineFactsTests {
    private let tree = MadeUpFiles()
    private var machine: Machine { Machine(root: tree.root) }

    private let cpu = "/sys/devices/system/cpu"

    @Test func coresAndThreads() throws {
        var files = ["\(cpu)/online": "0-5", "/proc/self/status": "Name:\tx\nCpus_allowed_list:\t1,4\n"]
        for thread in 0..<6 { files["\(cpu)/cpu\(thread)/topology/thread_siblings_list"] = "\(thread % 3),\(thread % 3 + 3)" }
        files["/sys/devices/system/node/online"] = "0-1"
        files["\(cpu)/cpu0/cpufreq/scaling_governor"] = "powersave"
        files["/proc/loadavg"] = "1.25 0.5 0.1 2/345 6789"
        try tree.write(files)
        let processor = machine.processorFacts()
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

    @Test func limits() throws {
        try tree.write([
            "\(cpu)/online": "0-7", "/proc/self/cgroup": "0::/", "/proc/meminfo": "MemTotal: 16777216 kB\nMemAvailable: 8388608 kB",
            "/sys/fs/cgroup/cpu.max": "250000 100000", "/sys/fs/cgroup/cpuset.cpus.effective": "2-4",
            "/sys/fs/cgroup/memory.max": "4294967296", "/sys/fs/cgroup/memory.current": "1073741824",
            "/sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
        ])
        #expect(machine.processorFacts().quota == 2.5)
        #expect(machine.processorFacts().available == [2, 3, 4])
        #expect(machine.processorFacts().capacity == 2)
        let memory = machine.memoryFacts()
        #expect(memory.total == 16 << 30 && memory.available == 8 << 30)
        #expect(memory.limit == 4 << 30 && memory.used == 1 << 30)
        #expect(memory.free == 3 << 30)
        #expect(memory.hugePages == "madvise")
    }

    @Test func aMachineThatSaysNothing() {
        #expect(machine.processorFacts().capacity == 1)
        #expect(machine.memoryFacts() == Facts.Memory())
        #expect(machine.infiniband() == [])
        #expect(machine.ptraceScope() == nil)
        #expect(!machine.hasPtraceCapability())
        #expect(machine.fileSystem(of: "/data") == "unknown")
    }

    @Test func fileSystems() throws {
        try tree.write([
            "/proc/self/mountinfo": """
                22 1 0:21 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
                23 22 0:22 / /data rw - nfs4 server:/export rw
                24 22 0:23 / /data/my\\040runs rw shared:2 master:3 - lustre x rw
                25 22 0:24 / /data/my\\040runs rw - tmpfs x rw
                """
        ])
        #expect(machine.fileSystem(of: "/home/me") == "ext4")
        #expect(machine.fileSystem(of: "/data") == "nfs4")
        #expect(machine.fileSystem(of: "/database") == "ext4")
        #expect(machine.fileSystem(of: "/data/my runs/a") == "tmpfs")
    }

    @Test func networkInterfaces() throws {
        try tree.write([
            "/sys/class/net/lo/type": "772", "/sys/class/net/ib0/type": "32", "/sys/class/net/eth0/type": "1",
            "/sys/class/net/eth0/device/vendor": "x", "/sys/class/net/eth0/speed": "25000",
            "/sys/class/net/docker0/type": "1", "/sys/class/net/docker0/bridge/x": "", "/sys/class/net/docker0/brif/veth1/x": "",
            "/sys/class/net/docker0/speed": "-1",
            "/sys/class/net/br0/type": "1", "/sys/class/net/br0/bridge/x": "", "/sys/class/net/br0/brif/eth0/x": "",
            "/sys/class/net/bond0/type": "1", "/sys/class/net/veth1/type": "1", "/sys/class/net/tun0/type": "65534",
        ])
        let kinds = ["lo", "ib0", "eth0", "docker0", "br0", "bond0", "veth1", "tun0"].map { machine.kind(ofInterface: $0) }
        #expect(kinds == [.loopback, .infiniBand, .device, .bridge, .device, .device, .virtual, .virtual])
        #expect(machine.megabits(ofInterface: "eth0") == 25_000)
        #expect(machine.megabits(ofInterface: "docker0") == nil)
        #expect(Facts.Interface("a", "10.1.200.7", prefix: 20, kind: .device).network == "10.1.192.0/20")
        #expect(Facts.Interface("a", "10.1.200.7", prefix: 32, kind: .device).network == "10.1.200.7/32")
        #expect(Facts.Interface("a", "10.1.200.7", prefix: 0, kind: .device).network == "0.0.0.0/0")
    }

    @Test func securityAndInfiniBand() throws {
        try tree.write([
            "/proc/sys/kernel/yama/ptrace_scope": "1", "/proc/self/status": "CapEff:\t0000000000080000\n",
            "/sys/class/infiniband/mlx5_0/ports/1/state": "4: ACTIVE", "/sys/class/infiniband/mlx5_0/ports/1/rate": "100 Gb/sec (4X EDR)",
            "/sys/class/infiniband/mlx5_0/ports/2/state": "1: DOWN", "/sys/class/infiniband/mlx5_0/ports/2/rate": "10 Gb/sec",
        ])
        #expect(machine.ptraceScope() == 1)
        #expect(machine.hasPtraceCapability())
        #expect(machine.infiniband().map(\.isActive) == [true, false])
        #expect(machine.infiniband().first?.rate == "100 Gb/sec (4X EDR)")
    }

    /// The environment, else the user's file, else the installation's.
    @Test func parameters() throws {
        try tree.write([
            "/etc/openmpi/openmpi-mca-params.conf": "# Debian\npml = ^ucx\nbtl = ^uct,openib # no\nunknown = 1\nosc=^ucx",
            "/home/me/.openmpi/mca-params.conf": "btl=tcp,self\n",
        ])
        let environment = ["HOME": "/home/me", "OMPI_MCA_osc": "sm", "OMPI_MCA_unknown": "2"]
        let settings = ParameterFiles.settings(machine, launcher: "/usr/bin/mpirun") { environment[$0] }
        #expect(settings == ["pml": "^ucx", "btl": "tcp,self", "osc": "sm"])
    }

    /// Odd texts must not stop the doctor.
    @Test func odd() throws {
        try tree.write([
            "\(cpu)/online": "garbage", "/proc/self/cgroup": "x\n::\n0::/../..\n", "/proc/meminfo": "MemTotal:\nMemAvailable: -",
            "/proc/self/mountinfo": "1 2 - x\n- - - - - - -", "/sys/fs/cgroup/cpu.max": "5 0",
        ])
        #expect(machine.processorFacts().capacity == 1)
        #expect(machine.memoryFacts().total == 0)
        #expect(machine.fileSystem(of: "/") == "unknown")
        #expect(machine.processorFacts().quota == nil)
    }
}
