import Collectives
import Testing

@testable import Doctor

/// Several hosts, and runs that are planned.
@Suite struct HostsAndRunTests {
    private let hosts = ["node1", "node2"]

    private func judge(_ intent: Intent = Intent(), _ change: (inout Facts) -> Void) -> Report {
        Examination.judge(launched(hosts: hosts).map { $0.with(change) }, intent)
    }

    @Test func commandForSeveralHosts() {
        let report = judge { _ in }
        #expect(report.command == [
            "mpirun -n 32 --host node1:16,node2:16 --map-by ppr:16:node --bind-to core -x OMP_NUM_THREADS -x PATH lockstep train"
        ])
        // In a batch job mpirun knows the hosts.
        #expect(judge { $0.environment["SLURM_JOB_ID"] = "7" }.command[0].hasPrefix("mpirun -n 32 --map-by ppr:16:node"))
    }

    @Test func findingsNameTheirHosts() throws {
        let report = judge { if $0.host == "node2" { $0.memory.sharedFree = 1 << 20 } }
        let finding = try #require(report.finding("shared memory"))
        #expect(report.complaints == ["problem: shared memory"])
        #expect(finding.hosts == ["node2"])
        let both = judge { $0.memory.sharedFree = 1 << 20 }
        #expect(both.finding("shared memory")?.hosts == hosts)
        #expect(both.findings.count { $0.check == "shared memory" } == 1)
    }

    @Test func whatHostsMustHaveAlike() {
        let changes: [(inout Facts) -> Void] = [
            { $0.software.lockstep = "0.2.0" }, { $0.software.program = "other" }, { $0.transport.library = "Open MPI v4.1.6" },
            { $0.environment["LOCKSTEP_RANKS_PER_MACHINE"] = "1" }, { $0.transport.settings["pml"] = "ucx" },
        ]
        for change in changes {
            let report = judge { if $0.host == "node2" { change(&$0) } }
            #expect(report.complaints == ["problem: agreement"])
            #expect(report.finding("agreement")?.found.contains("rank 16 (node2)") == true)
        }
        let other = judge { if $0.host == "node2" { $0.software.products = "lockstep's kernels, AVX2"; $0.processor.vectorBits = 256 } }
        #expect(other.complaints == ["warning: alike"])
    }

    @Test func unequalHosts() {
        let ranks = Array(launched(hosts: hosts).dropLast())
        let report = Examination.judge(ranks)
        #expect(report.complaints.contains("warning: hosts"))
        #expect(report.finding("hosts")?.remedy == "mpirun -n 30 --map-by ppr:15:node ...")
    }

    @Test func runFolderThatOthersDoNotSee() {
        let report = judge { if $0.host == "node2" { $0.storage.seesFirst = false } }
        #expect(report.complaints == ["problem: run folder"])
    }

    // MARK: Networks

    /// docker0 has the same address on every host and leads nowhere.
    @Test func aNetworkOfEachHostsOwn() {
        let docker = Facts.Interface("docker0", "172.17.0.1", prefix: 16, kind: .bridge)
        let report = judge { $0.interfaces.append(docker) }
        #expect(report.complaints == ["warning: network"])
        #expect(report.command[0].contains("--mca btl_tcp_if_include 10.1.0.0/24 --mca oob_tcp_if_include 10.1.0.0/24 lockstep"))
        // Whatever it looks like.
        let same = judge { $0.interfaces.append(Facts.Interface("eth1", "192.168.0.1", prefix: 16, kind: .device, megabits: 40_000)) }
        #expect(same.complaints == ["warning: network"])
        #expect(same.command[0].contains("btl_tcp_if_include 10.1.0.0/24"))
        #expect(judge { $0.interfaces.append(docker); $0.transport.settings["btl_tcp_if_include"] = "eth0" }.complaints == [])
    }

    @Test func noCommonNetwork() {
        let report = judge { if $0.host == "node2" { $0.interfaces[1].address = "10.2.0.2" } }
        #expect(report.complaints == ["problem: network"])
    }

    @Test func slowNetwork() {
        #expect(judge { $0.interfaces[1].megabits = 100 }.complaints == ["warning: network"])
    }

    @Test func theFasterOfTwoNetworks() {
        let report = judge {
            $0.interfaces.append(Facts.Interface("ib0", "10.9.0.\($0.host.last!)", prefix: 24, kind: .infiniBand, megabits: 100_000))
            $0.interfaces.append(Facts.Interface("docker0", "172.17.0.1", prefix: 16, kind: .bridge))
        }
        #expect(report.command[0].contains("btl_tcp_if_include 10.9.0.0/24"))
    }

    @Test func infiniBand() {
        let port = Facts.InfiniBandPort(device: "mlx5_0", port: 1, isActive: true, rate: "100 Gb/sec (4X EDR)")
        let report = judge { $0.infiniband = [port]; $0.transport.settings["pml"] = "^ucx" }
        #expect(report.complaints == ["warning: InfiniBand"])
        #expect(report.command[0].contains("--mca pml ucx"))
        #expect(judge { $0.infiniband = [port] }.complaints == [])
        // Not on all hosts: not to be used.
        let half = judge { if $0.host == "node1" { $0.infiniband = [port] }; $0.transport.settings["pml"] = "^ucx" }
        #expect(!half.command[0].contains("ucx"))
    }

    // MARK: Streams, memory, hostfile

    @Test func missingDataAreNamed() {
        let report = Examination.judge([.sound()], intent { $0.missingData = "data/ptb" })
        let finding = report.findings.first { $0.check == "data" }
        #expect(finding?.verdict == .problem && finding?.remedy?.contains("--output data/ptb") == true)
        #expect(!Examination.judge([.sound()], Intent()).findings.contains { $0.check == "data" })
    }

    private func intent(_ change: (inout Intent) -> Void) -> Intent {
        var intent = Intent()
        change(&intent)
        return intent
    }

    @Test(arguments: [
        // Streams, ranks that are as fast as 16 cores allow.
        (64, 16), (32, 16), (20, 10), (17, 9), (16, 16), (12, 12), (1, 1),
    ])
    func asManyRanksAsStreamsNeed(streams: Int, ranks: Int) {
        let report = Examination.judge([.sound()], intent { $0.streams = streams })
        #expect(report.command[0].hasPrefix("mpirun -n \(ranks) "))
        // ceil(S/p) is the time of a step.
        #expect((streams + ranks - 1) / ranks == (streams + min(16, streams) - 1) / min(16, streams))
    }

    @Test func streamsThatDoNotFitTheRanks() {
        let few = Examination.judge(launched(), intent { $0.streams = 12 })
        #expect(few.complaints == ["problem: streams"])
        #expect(few.finding("streams")?.remedy?.hasPrefix("mpirun -n 12") == true)
        let uneven = Examination.judge(launched(), intent { $0.streams = 20 })
        #expect(uneven.complaints == ["warning: streams"])
        #expect(uneven.finding("streams")?.reason?.contains("38 %") == true)
        #expect(Examination.judge(launched(), intent { $0.streams = 64 }).complaints == [])
    }

    /// Every rank has as many shards as the others; where they can share units, every machine.
    @Test func shardsThatDoNotFitTheRanks() {
        let planned = Examination.judge([.sound()], intent { ($0.streams, $0.shards) = (48, 12) })
        #expect(planned.command[0].hasPrefix("mpirun -n 12 ") && planned.complaints == [])
        let uneven = Examination.judge(launched(), intent { ($0.streams, $0.shards) = (48, 12) })
        #expect(uneven.complaints == ["problem: shards"])
        #expect(uneven.finding("shards")?.remedy?.hasPrefix("mpirun -n 12") == true)
        #expect(Examination.judge(launched(), intent { ($0.streams, $0.shards) = (48, 16) }).complaints == [])
        #expect(Examination.judge(launched(), intent { ($0.streams, $0.shards, $0.split) = (48, 12, .auto) }).complaints == [])
    }

    @Test func ranksThatShareUnitsNeedNoStreamsOfTheirOwn() {
        let command = Examination.judge([.sound()], intent { ($0.streams, $0.split) = (4, .units) }).command[0]
        #expect(command.hasPrefix("mpirun -n 16 "))
        for split in [RankSplit.units, .auto] {
            let report = Examination.judge(launched(), intent { ($0.streams, $0.split) = (12, split) })
            #expect(report.complaints == [] && report.finding("streams")?.found == "12, whose hidden units 16 ranks share")
        }
        // As many streams as ranks, and more.
        #expect(Examination.judge(launched(), intent { ($0.streams, $0.split) = (20, .auto) }).complaints == ["warning: streams"])
    }

    @Test func memoryThatTheRunNeeds() {
        // 1 GiB of parameters, one slot, 0.5 GiB of activations a stream.
        let large = intent {
            $0.streams = 16
            $0.need = Intent.Need(parameters: 1 << 30, slots: 1 << 30, packed: 0, activations: 1 << 29)
        }
        #expect(Examination.judge([.sound()], large).complaints == [])
        // 16 gradients, parameters and slots do not fit beside 8 GiB of activations: fewer ranks.
        let tight = Facts.sound().with { $0.memory.available = 15 << 30 }
        #expect(Examination.judge([tight], large).command[0].hasPrefix("mpirun -n 5 "))
        let ranks = launched().map { $0.with { $0.memory.available = 15 << 30 } }
        #expect(Examination.judge(ranks, large).complaints.contains("problem: memory"))
        let packed = intent {
            $0.streams = 16
            $0.need = Intent.Need(parameters: 1 << 30, slots: 1 << 30, packed: 1 << 30, activations: 1 << 29)
        }
        #expect(Examination.judge(launched(), packed).finding("shared memory")?.found.contains("the run needs 19.0 GiB") == true)
        let shared = launched().map { $0.with { $0.memory.sharedFree = 10 << 30 } }
        let finding = Examination.judge(shared, large).finding("shared memory")
        #expect(finding?.verdict == .problem)
        #expect(finding?.found.contains("the run needs 18.0 GiB") == true)
        #expect(finding?.remedy?.contains("--shm-size=23g") == true)
        #expect(Examination.judge([Facts.sound().with { $0.storage.free = 3 << 30 }], large).complaints == ["problem: run folder"])
        #expect(Examination.judge([Facts.sound().with { $0.storage.free = 5 << 30 }], large).complaints == ["warning: run folder"])
    }

    @Test func hostfile() {
        let file = Hostfile(
            path: "my hosts", text: "# cluster\nnode1 slots=16 max_slots=20\nnode2.example.org slots = 8  # half\n\nnode3\n")
        #expect(file.hosts.map(\.name) == ["node1", "node2.example.org", "node3"])
        #expect(file.hosts.map(\.slots) == [16, 8, nil])
        let report = Examination.judge([.sound()], intent { $0.hostfile = file })
        #expect(report.complaints == [])
        #expect(report.command == [
            "mpirun -n 24 --hostfile 'my hosts' --map-by ppr:8:node --bind-to core -x OMP_NUM_THREADS -x PATH lockstep train"
        ])
        let greedy = Hostfile(path: "hosts", text: "node1 slots=32\n")
        let refused = Examination.judge([.sound(host: "node1.example.org").with { $0.interfaces = [] }], intent { $0.hostfile = greedy })
        #expect(refused.complaints == ["problem: ranks"])
        #expect(refused.finding("ranks")?.remedy == "in hosts: node1.example.org slots=16")
    }

    @Test func argumentsAreQuoted() {
        let report = Examination.judge([.sound()], intent { $0.arguments = ["--run", "it's here", "--set", "a.b={c: 1}"] })
        #expect(report.command[0].hasSuffix(#"lockstep train --run 'it'\''s here' --set 'a.b={c: 1}'"#))
    }

    @Test func environmentFileComesFirst() {
        let bare = Facts.sound().with { $0.transport.isRoot = true; $0.transport.settings = [:]; $0.environment = [:] }
        let report = Examination.judge([bare], intent { $0.environmentFile = "launch/openmpi.env" })
        #expect(report.command == [". launch/openmpi.env", "mpirun -n 16 --map-by core --bind-to core lockstep train"])
    }
}
