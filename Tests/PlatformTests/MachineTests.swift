import Foundation
import Platform
import TestSupport
import Testing

/// The kernel's files of made-up machines.
@Suite struct MachineTests {
    private let tree = MadeUpFiles()
    private var machine: Machine { Machine(root: tree.root) }

    private let cpu = "/sys/devices/system/cpu"
    private let groups = "/sys/fs/cgroup"

    @Test func coresAndThreads() throws {
        var files = ["\(cpu)/online": "0-5", "/proc/self/status": "Name:\tx\nCpus_allowed_list:\t1,4-5,9\n"]
        for thread in 0..<6 { files["\(cpu)/cpu\(thread)/topology/thread_siblings_list"] = "\(thread % 3),\(thread % 3 + 3)" }
        try tree.write(files)
        let processors = machine.processors
        #expect(processors.cores == [0: "0", 1: "1", 2: "2", 3: "0", 4: "1", 5: "2"])
        #expect(processors.available == [0, 1, 2, 3, 4, 5])
        #expect(processors.allowed == [1, 4, 5])  // the kernel lists processors that are switched off, too
        #expect(processors.allowedCores == 2)
        #expect(processors.quota == nil)
        #expect(machine.processorCount == 6)
    }

    /// Even if /sys is not visible, the binding is known.
    @Test func bindingAlone() throws {
        try tree.write(["/proc/self/status": "Cpus_allowed_list:\t2-3"])
        #expect(machine.processors.allowed == [2, 3])
        #expect(machine.processors.allowedCores == 2)
        #expect(machine.processorCount == 2)
    }

    /// Version 2, nested: the tightest counts. A container sees its own group as the root.
    @Test(arguments: ["/job/step", "/"]) func limitsOfVersion2(group: String) throws {
        let limited = groups + (group == "/" ? "" : "/job")
        try tree.write([
            "\(cpu)/online": "0-7", "/proc/self/cgroup": "0::\(group)",
            "/proc/meminfo": "MemTotal:       16777216 kB\nMemAvailable:    8388608 kB",
            "\(limited)/cpu.max": "250000 100000",
            "\(groups)/job/step/cpu.max": "max 100000",
            "\(limited)/memory.max": "4294967296",
            "\(limited)/memory.current": "1073741824",
            "\(groups)/job/step/memory.max": "max",
            "\(groups)\(group == "/" ? "" : group)/cpuset.cpus.effective": "2-4",
        ])
        #expect(machine.processors.quota == 2.5)
        #expect(machine.processors.available == [2, 3, 4])
        let memory = machine.memory
        #expect(memory == Machine.Memory(total: 16 << 30, available: 8 << 30, limit: 4 << 30, used: 1 << 30))
        #expect(memory.usable == 4 << 30)
        #expect(memory.free == 3 << 30)
    }

    /// An outer limit, a tighter one within, and a looser one within that.
    @Test func theTightestLimitCounts() throws {
        try tree.write([
            "\(cpu)/online": "0-7", "/proc/self/cgroup": "0::/a/b", "/proc/meminfo": "MemTotal: 16777216 kB",
            "\(groups)/cpu.max": "600000 100000", "\(groups)/a/cpu.max": "200000 100000", "\(groups)/a/b/cpu.max": "300000 100000",
            "\(groups)/memory.max": "8589934592", "\(groups)/a/memory.max": "1073741824", "\(groups)/a/b/memory.max": "2147483648",
            "\(groups)/memory.current": "1", "\(groups)/a/memory.current": "2", "\(groups)/a/b/memory.current": "3",
        ])
        #expect(machine.processors.quota == 2)
        #expect(machine.memory.limit == 1 << 30)
        #expect(machine.memory.used == 2)
    }

    /// Nested, and with a limit at the root that is none.
    @Test func limitsOfVersion1() throws {
        try tree.write([
            "\(cpu)/online": "0-7", "/proc/self/cgroup": "5:cpu,cpuacct:/box\n4:memory:/jobs/box\n3:cpuset:/\n0::/",
            "/proc/meminfo": "MemTotal:       16777216 kB\nMemAvailable:    8388608 kB",
            "\(groups)/cpu,cpuacct/box/cpu.cfs_quota_us": "100000",
            "\(groups)/cpu,cpuacct/box/cpu.cfs_period_us": "100000",
            "\(groups)/cpu,cpuacct/cpu.cfs_quota_us": "-1",
            "\(groups)/cpu,cpuacct/cpu.cfs_period_us": "100000",
            "\(groups)/memory/memory.limit_in_bytes": "9223372036854771712",
            "\(groups)/memory/jobs/memory.limit_in_bytes": "9223372036854771712",
            "\(groups)/memory/jobs/box/memory.limit_in_bytes": "2147483648",
            "\(groups)/memory/jobs/box/memory.usage_in_bytes": "536870912",
            "\(groups)/cpuset/cpuset.effective_cpus": "0-5",
        ])
        #expect(machine.processors.quota == 1)
        #expect(machine.processors.available == Array(0..<6))
        #expect(machine.memory.usable == 2 << 30)
        #expect(machine.memory.free == 3 << 29)
    }

    /// Without a limit, and where a group holds more than its limit.
    @Test func free() {
        #expect(Machine.Memory(total: 16 << 30, available: 8 << 30).free == 8 << 30)
        #expect(Machine.Memory(total: 16 << 30, available: 8 << 30).usable == 16 << 30)
        #expect(Machine.Memory(total: 16 << 30, available: 8 << 30, limit: 12 << 30, used: 1 << 30).free == 8 << 30)
        #expect(Machine.Memory(total: 16 << 30, available: 8 << 30, limit: 1 << 30, used: 2 << 30).free == 0)
    }

    @Test func nameAndCache() throws {
        try tree.write([
            "/proc/cpuinfo": "processor\t: 0\nmodel\t\t: 7\nmodel name\t: Made Up 9000\nprocessor\t: 1\nmodel name\t: Other",
            "\(cpu)/cpu0/cache/index0/size": "48K", "\(cpu)/cpu0/cache/index3/size": "105M",
        ])
        #expect(machine.processorName == "Made Up 9000")
        #expect(machine.lastCache == 105 << 20)
    }

    /// The processors of a last-level cache; of several caches, those that this process may use.
    @Test func lastCaches() throws {
        var files = ["\(cpu)/online": "0-5", "/proc/self/status": "Cpus_allowed_list:\t1,3-4"]
        for thread in 0..<6 {
            // The kernel counts the two of the first level by themselves.
            for (index, level) in [1, 1, 2, 3].enumerated() {
                files["\(cpu)/cpu\(thread)/cache/index\(index)/level"] = "\(level)"
                files["\(cpu)/cpu\(thread)/cache/index\(index)/shared_cpu_list"] = level < 3 ? "\(thread)" : thread < 2 ? "0-1" : "2-5"
            }
        }
        try tree.write(files)
        #expect(machine.lastCaches == [[0, 1], [2, 3, 4, 5]])
        try tree.write(["/proc/self/status": "Cpus_allowed_list:\t5"])
        #expect(machine.lastCaches == [[2, 3, 4, 5]])
        try tree.write(["\(cpu)/cpu5/cache/index3/shared_cpu_list": "garbage"])
        #expect(machine.lastCaches == [])
    }

    @Test func aMachineThatSaysNothing() {
        #expect(machine.lastCaches == [])
        #expect(machine.processors.cores == [0: "0"] && machine.processors.allowed == [0])
        #expect(machine.memory == Machine.Memory() && machine.memory.usable == 0 && machine.memory.free == 0)
        #expect(machine.processorName == Machine.architecture)
        #expect(machine.lastCache == 32 << 20)
        #expect(machine.processAge == nil)
    }

    /// Odd texts must not stop anyone.
    @Test func odd() throws {
        try tree.write([
            "\(cpu)/online": "garbage", "/proc/self/cgroup": "x\n::\n0::/../..\n", "/proc/meminfo": "MemTotal:\nMemAvailable: -",
            "/proc/self/stat": "1 (x) S", "\(groups)/cpu.max": "5 0", "\(groups)/memory.max": "-", "/proc/cpuinfo": "\n\n",
        ])
        #expect(machine.processors.cores.isEmpty && machine.processors.quota == nil)
        #expect(machine.memory == Machine.Memory())
        #expect(machine.processAge == nil)
    }

    @Test func lists() {
        #expect(Machine.numbers(inList: "0-2,5") == [0, 1, 2, 5])
        #expect(Machine.numbers(inList: "") == [])
        #expect(Machine.numbers(inList: "7") == [7])
        #expect(Machine.numbers(inList: "3-1,x,0-99999999") == [])
    }

    @Test func thisMachine() throws {
        let age = try #require(Machine.this.processAge)
        Thread.sleep(forTimeInterval: 0.2)
        let older = try #require(Machine.this.processAge)
        #expect(older - age >= 0.18 && older - age < 5)
        #expect(age < 3600)
        #expect((256 << 10...(4 << 30)).contains(Machine.this.lastCache))
        #expect(Machine.this.processorCount == sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        #expect(Machine.this.memory.total == sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE)))
        #expect((1...Machine.this.processorCount).contains(Machine.this.processors.allowedCores))
        #expect(!Machine.this.processorName.isEmpty)
    }
}
