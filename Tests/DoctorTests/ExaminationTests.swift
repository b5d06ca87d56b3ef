import Testing

@testable import Doctor

/// Judgements about made-up machines.
@Suite struct ExaminationTests {
    @Test func nothingIsWrongWithAHealthyMachine() {
        let report = Examination.judge([.sound()])
        #expect(report.complaints == [])
        #expect(report.command == ["mpirun -n 16 --map-by core --bind-to core lockstep train"])
        #expect(Examination.judge(launched()).complaints == [])
        #expect(Examination.judge(launched(hosts: ["node1", "node2", "node3"])).complaints == [])
    }

    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        /// All that is found, beside what is well.
        let complaints: [String]
        /// In the remedy of the first.
        let remedy: String
        /// In the lines to type.
        var command = "mpirun -n 16"
        let change: @Sendable (inout Facts) -> Void
    }

    /// One machine before anything is started, with one thing wrong.
    @Test(arguments: [
        Case(
            testDescription: "root", complaints: ["problem: user"], remedy: "OMPI_ALLOW_RUN_AS_ROOT=1",
            command: "export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"
        ) { $0.transport.isRoot = true },
        Case(testDescription: "half of root's permission", complaints: ["problem: user"], remedy: "_CONFIRM=1") {
            $0.transport.isRoot = true
            $0.environment["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
        },
        Case(testDescription: "no environment file", complaints: ["warning: stopping"], remedy: "sigkill_timeout=5") {
            $0.transport.settings = [:]
        },
        Case(testDescription: "a processor without AVX2", complaints: ["problem: processor"], remedy: "Package.swift") {
            $0.processor.vectorBits = 128
            $0.processor.missingInstructions = "AVX2, FMA"
            $0.software.products = ""
            $0.speed = nil
        },
        Case(testDescription: "slow clock", complaints: ["warning: clock"], remedy: "cpupower") {
            $0.processor.governor = "powersave"
            $0.processor.frequencyDriver = "acpi-cpufreq"
        },
        Case(testDescription: "busy machine", complaints: ["warning: load"], remedy: "top") { $0.processor.load = 9 },
        Case(testDescription: "no vectors in products", complaints: ["problem: arithmetic"], remedy: "LOCKSTEP_VECTORS") {
            $0.speed = Facts.Speed(peak: 180e9, cachedProduct: 160e9, product: 20e9, share: 1)
        },
        Case(testDescription: "slow products", complaints: ["warning: arithmetic"], remedy: "bench") {
            $0.speed = Facts.Speed(peak: 180e9, cachedProduct: 160e9, product: 60e9, share: 1)
        },
        Case(testDescription: "core taken away", complaints: ["warning: core time"], remedy: "--exclusive") {
            $0.speed = Facts.Speed(peak: 180e9, cachedProduct: 160e9, product: 140e9, share: 0.5)
        },
        Case(testDescription: "half of AVX-512", complaints: ["warning: products"], remedy: "none is needed") {
            $0.software.products = "lockstep's kernels, AVX2"
        },
        Case(
            testDescription: "narrow vectors by request", complaints: ["warning: products"], remedy: "unset LOCKSTEP_VECTORS",
            command: "unset LOCKSTEP_VECTORS"
        ) {
            $0.environment["LOCKSTEP_VECTORS"] = "avx2"
            $0.software.products = "lockstep's kernels, AVX2"
        },
        Case(testDescription: "no memory left", complaints: ["warning: memory"], remedy: "limit") { $0.memory.available = 100 << 20 },
        Case(testDescription: "control group nearly full", complaints: ["warning: memory"], remedy: "limit") {
            $0.memory.limit = 8 << 30
            $0.memory.used = (8 << 30) - (50 << 20)
        },
        Case(testDescription: "Docker's /dev/shm", complaints: ["problem: shared memory"], remedy: "--shm-size=1g") {
            $0.memory.sharedTotal = 64 << 20
            $0.memory.sharedFree = 64 << 20
        },
        Case(testDescription: "little /dev/shm", complaints: ["warning: shared memory"], remedy: "--shm-size") {
            $0.memory.sharedFree = 600 << 20
        },
        Case(testDescription: "no /dev/shm", complaints: ["problem: shared memory"], remedy: "mount -t tmpfs") { $0.memory.sharedTotal = 0 },
        Case(testDescription: "/dev/shm of another", complaints: ["problem: shared memory"], remedy: "mount") { $0.memory.sharedIsWritable = false },
        Case(testDescription: "no mpirun", complaints: ["problem: MPI"], remedy: "module load") { $0.transport.launcher = nil },
        Case(testDescription: "another Open MPI", complaints: ["problem: MPI"], remedy: "Open MPI 4.1.4 first in PATH") {
            $0.transport.launcherVersion = "mpirun (Open MPI) 5.0.3"
        },
        Case(testDescription: "another MPI", complaints: ["problem: MPI"], remedy: "Open MPI's bin folder") {
            $0.transport.launcherVersion = "HYDRA build details: Version: 4.0.2"
        },
        Case(testDescription: "memory of others is closed", complaints: ["problem: messages"], remedy: "single_copy_mechanism=none", command: "--mca btl_vader_single_copy_mechanism none") {
            $0.transport.readsOtherMemory = false
        },
        Case(testDescription: "ptrace_scope 2", complaints: ["problem: messages"], remedy: "ptrace_scope=1") { $0.transport.ptraceScope = 2 },
        Case(
            testDescription: "more threads than cores", complaints: ["problem: threads"], remedy: "OMP_NUM_THREADS=1",
            command: "export OMP_NUM_THREADS=1"
        ) { $0.environment["OMP_NUM_THREADS"] = "64" },
        Case(testDescription: "no number of threads", complaints: ["problem: threads"], remedy: "OMP_NUM_THREADS=1") {
            $0.environment["OMP_NUM_THREADS"] = "all"
        },
        Case(
            testDescription: "a number of threads for each level", complaints: [], remedy: "",
            command: "mpirun -n 4 --map-by slot:PE=4 --bind-to core"
        ) { $0.environment["OMP_NUM_THREADS"] = "4,2" },
        Case(testDescription: "vectors that do not exist", complaints: ["problem: products"], remedy: "unset LOCKSTEP_VECTORS", command: "unset LOCKSTEP_VECTORS") {
            $0.environment["LOCKSTEP_VECTORS"] = "sse"
            $0.software.unfitVectors = "no instruction set of that name"
            $0.software.products = ""
            $0.speed = nil
        },
        Case(testDescription: "part of the processor's time", complaints: [], remedy: "", command: "mpirun -n 2 --bind-to none") {
            $0.processor.quota = 2.5
        },
        Case(testDescription: "part of the cores", complaints: [], remedy: "", command: "mpirun -n 4 --map-by core") {
            $0.processor.available = [0, 1, 2, 3]
            $0.processor.allowed = [0, 1, 2, 3]
        },
        Case(testDescription: "threads of few cores", complaints: [], remedy: "", command: "mpirun -n 2 ") {
            $0.processor.available = [0, 1, 16, 17]
            $0.processor.allowed = [0, 1, 16, 17]
        },
        Case(
            testDescription: "four threads for each rank", complaints: [], remedy: "",
            command: "mpirun -n 4 --map-by slot:PE=4 --bind-to core"
        ) { $0.environment["OMP_NUM_THREADS"] = "4" },
        Case(testDescription: "docker0", complaints: ["warning: network"], remedy: "btl_tcp_if_include 10.1.0.0/24") {
            $0.interfaces.append(Facts.Interface("docker0", "172.17.0.1", prefix: 16, kind: .bridge))
        },
        Case(testDescription: "docker0 that is down", complaints: [], remedy: "") {
            $0.interfaces.append(Facts.Interface("docker0", "172.17.0.1", prefix: 16, isUp: false, kind: .bridge))
        },
        Case(testDescription: "InfiniBand that Debian switches off", complaints: ["warning: InfiniBand"], remedy: "--mca pml ucx") {
            $0.infiniband = [Facts.InfiniBandPort(device: "mlx5_0", port: 1, isActive: true, rate: "100 Gb/sec (4X EDR)")]
            $0.transport.settings["pml"] = "^ucx"
        },
        Case(testDescription: "InfiniBand without locked memory", complaints: ["warning: locked memory"], remedy: "memlock") {
            $0.infiniband = [Facts.InfiniBandPort(device: "mlx5_0", port: 1, isActive: true, rate: "100 Gb/sec (4X EDR)")]
            $0.memory.lockable = 8 << 20
        },
        Case(testDescription: "run folder that cannot be written", complaints: ["problem: run folder"], remedy: "--run") {
            $0.storage.failure = "cannot create x: read-only file system"
        },
        Case(testDescription: "run folder in memory", complaints: ["warning: run folder"], remedy: "--run") { $0.storage.fileSystem = "tmpfs" },
        Case(testDescription: "run folder in a container", complaints: ["warning: run folder"], remedy: "docker run -v") { $0.storage.fileSystem = "overlay" },
        Case(testDescription: "full disk", complaints: ["warning: run folder"], remedy: "room") { $0.storage.free = 1 << 20 },
        Case(testDescription: "slow disk", complaints: ["warning: run folder"], remedy: "every_minutes") { $0.storage.saveSeconds = 5 },
        Case(
            testDescription: "machines played", complaints: ["warning: settings"], remedy: "unset LOCKSTEP",
            command: "unset LOCKSTEP_RANKS_PER_MACHINE"
        ) { $0.environment["LOCKSTEP_RANKS_PER_MACHINE"] = "1" },
        Case(testDescription: "preloaded", complaints: ["warning: preload"], remedy: "unset LD_PRELOAD") { $0.environment["LD_PRELOAD"] = "libx.so" },
        Case(testDescription: "threads pinned", complaints: ["warning: affinity"], remedy: "unset GOMP", command: "unset GOMP_CPU_AFFINITY") {
            $0.environment["GOMP_CPU_AFFINITY"] = "0-3"
        },
    ])
    func oneThingIsWrong(_ test: Case) {
        let report = Examination.judge([Facts.sound().with(test.change)])
        #expect(report.complaints == test.complaints)
        let finding = report.findings.first { $0.verdict != .ok }
        #expect(test.remedy.isEmpty || finding?.remedy?.contains(test.remedy) == true, "\(finding?.remedy ?? "no remedy")")
        #expect(finding.map { $0.reason?.isEmpty == false } ?? true)
        #expect(report.command.joined(separator: "\n").contains(test.command), "\(report.command)")
    }

    // MARK: Ranks of one machine

    @Test func twoRanksOnOneCore() throws {
        var ranks = launched(perHost: 4)
        ranks[2].processor.allowed = [1, 17]
        let finding = try #require(Examination.judge(ranks).finding("binding"))
        #expect(finding.verdict == .problem)
        #expect(finding.found == "ranks 1, 2 on 1 core: core 1")
        #expect(finding.remedy == "mpirun -n 16 --map-by core --bind-to core ...")
        // The two threads of one core are one core.
        ranks[2].processor.allowed = [17]
        ranks[1].processor.allowed = [1]
        #expect(Examination.judge(ranks).finding("binding")?.verdict == .problem)
    }

    @Test func ranksThatShareASocketHaveRoom() {
        // By default, Open MPI binds more than two ranks to sockets.
        let ranks = launched().map { rank in rank.with { $0.processor.allowed = rank.rank.number < 8 ? Array(0..<8) : Array(8..<16) } }
        #expect(Examination.judge(ranks).complaints == [])
        let crowded = launched().map { rank in rank.with { $0.processor.allowed = rank.rank.number < 9 ? Array(0..<8) : Array(8..<16) } }
        #expect(Examination.judge(crowded).complaints == ["problem: binding"])
    }

    @Test func ranksThatAreNotBound() {
        let ranks = launched().map { $0.with { $0.processor.allowed = Array(0..<32) } }
        #expect(Examination.judge(ranks).complaints == ["warning: binding"])
        let whole = launched(perHost: 1).map { $0.with { $0.processor.allowed = Array(0..<32); $0.environment["OMP_NUM_THREADS"] = "16" } }
        #expect(Examination.judge(whole).complaints == [])
        // Right where a control group grants time; wrong to bind there.
        let granted = { (ranks: [Facts]) in ranks.map { $0.with { $0.processor.quota = 16 } } }
        #expect(Examination.judge(granted(ranks)).complaints == [])
        #expect(Examination.judge(granted(launched())).complaints == ["warning: binding"])
    }

    @Test func moreRanksThanCores() {
        let threads = (0..<20).map { number in
            launched(perHost: 1)[0].with {
                $0.rank.number = number
                $0.processor.allowed = [number]
            }
        }
        // Ranks 0-3 and 16-19 share cores.
        #expect(Examination.judge(threads).complaints == ["warning: ranks", "problem: binding"])
        let crowd = (0..<40).map { number in
            launched(perHost: 1)[0].with {
                $0.rank.number = number
                $0.processor.allowed = Array(0..<32)
            }
        }
        #expect(Examination.judge(crowd).complaints.first == "problem: ranks")
        let poor = launched(perHost: 4).map { $0.with { $0.processor.quota = 2; $0.processor.allowed = Array(0..<32) } }
        let report = Examination.judge(poor)
        #expect(report.complaints == ["problem: ranks"])
        #expect(report.finding("ranks")?.reason?.contains("control group") == true)
        #expect(report.command == ["mpirun -n 2 --bind-to none lockstep train"])
    }

    @Test func idleCores() {
        #expect(Examination.judge(launched(perHost: 4)).complaints == ["warning: ranks"])
        // As many as the streams need.
        var intent = Intent()
        intent.streams = 4
        #expect(Examination.judge(launched(perHost: 4), intent).complaints == [])
    }

    @Test func threadsThatShareTheCoreOfTheirRank() {
        let ranks = launched(perHost: 4).map { $0.with { $0.environment["OMP_NUM_THREADS"] = "4" } }
        let report = Examination.judge(ranks)
        #expect(report.complaints == ["problem: threads"])
        #expect(report.finding("threads")?.remedy?.contains("--map-by slot:PE=4") == true)
        let bound = ranks.map { rank in rank.with { $0.processor.allowed = Array(4 * rank.rank.number..<4 * rank.rank.number + 4) } }
        #expect(Examination.judge(bound).complaints == [])
        let many = launched().map { $0.with { $0.environment["OMP_NUM_THREADS"] = "4" } }
        #expect(Examination.judge(many).finding("threads")?.found.hasPrefix("4 for each rank") == true)
        #expect(Examination.judge(many).finding("threads")?.remedy == "export OMP_NUM_THREADS=1")
    }

    /// Root's ranks run: mpirun was allowed to start them, whatever the variables say there.
    @Test func rootUnderALauncher() {
        let report = Examination.judge(launched().map { $0.with { $0.transport.isRoot = true } })
        #expect(report.complaints == [])
        #expect(report.finding("user")?.verdict == .ok)
    }

    @Test func yielding() {
        let ranks = launched().map { $0.with { $0.transport.settings["mpi_yield_when_idle"] = "1" } }
        #expect(Examination.judge(ranks).complaints == ["warning: settings"])
    }

    @Test func slurmStartsRanksItself() {
        let ranks = launched(perHost: 4).map { $0.with { $0.rank.parent = "slurmstepd"; $0.transport.settings = [:] } }
        let report = Examination.judge(ranks)
        #expect(report.complaints == ["warning: ranks"])
        #expect(report.command == ["srun --mpi=pmix -n 16 --ntasks-per-node=16 --cpus-per-task=1 --cpu-bind=cores lockstep train"])
    }

    @Test func oneSlowRank() {
        var ranks = launched()
        ranks[5].speed?.peak = 90e9
        let report = Examination.judge(ranks)
        #expect(report.complaints == ["warning: alike"])
        #expect(report.finding("alike")?.found.contains("rank 5") == true)
        ranks[5].speed = Facts.Speed(peak: 180e9, cachedProduct: 160e9, product: 140e9, share: 0.5)
        #expect(Examination.judge(ranks).finding("core time")?.found.contains("rank 5 got 50 %") == true)
    }
}
