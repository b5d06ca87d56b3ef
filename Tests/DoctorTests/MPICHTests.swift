import Testing

@testable import Doctor

/// Machines whose lockstep is built for MPICH, and their launcher's own options.
@Suite struct MPICHTests {
    private func machine(_ host: String = "node1") -> Facts {
        .sound(host: host).with {
            $0.transport.library = "MPICH Version: 4.0.2"
            $0.transport.launcher = "/usr/bin/mpiexec.hydra"
            $0.transport.launcherVersion = "HYDRA build details: Version: 4.0.2"
            $0.transport.settings = [:]
        }
    }

    /// Hydra minds neither root nor memory that other processes may not read.
    @Test func nothingIsWrongWithAHealthyMachine() {
        let report = Examination.judge([machine().with { $0.transport.isRoot = true; $0.transport.readsOtherMemory = false }])
        #expect(report.complaints == [])
        #expect(report.command == ["mpiexec.hydra -n 16 -bind-to core -map-by core lockstep train"])
        let threads = Examination.judge([machine().with { $0.environment["OMP_NUM_THREADS"] = "4" }])
        #expect(threads.command == ["mpiexec.hydra -n 4 -bind-to core:4 -map-by core:4 lockstep train"])
        let shared = Examination.judge([machine().with { $0.processor.quota = 2.5 }])
        #expect(shared.command == ["mpiexec.hydra -n 2 -bind-to none lockstep train"])
    }

    @Test func severalHosts() {
        let ranks = launched(hosts: ["node1", "node2"]).map { rank in
            rank.with {
                $0.transport = machine().transport
                $0.transport.launcherVersion = nil
                $0.rank.parent = "hydra_pmi_proxy"
            }
        }
        let report = Examination.judge(ranks)
        #expect(report.complaints == [])
        #expect(report.command == ["mpiexec.hydra -n 32 -hosts node1,node2 -ppn 16 -bind-to core -map-by core lockstep train"])
        let slurm = Examination.judge(ranks.map { rank in rank.with { $0.rank.parent = "slurmstepd" } })
        #expect(slurm.command.first?.hasPrefix("srun --mpi=pmi2 -n 32 ") == true)
    }

    @Test func hostfile() {
        var intent = Intent()
        intent.hostfile = Hostfile(path: "hosts", text: "node1:16\nnode2:8 # half\nnode3\n")
        #expect(intent.hostfile?.hosts.map(\.name) == ["node1", "node2", "node3"])
        #expect(intent.hostfile?.hosts.map(\.slots) == [16, 8, nil])
        #expect(
            Examination.judge([machine()], intent).command
                == ["mpiexec.hydra -n 24 -f hosts -ppn 8 -bind-to core -map-by core lockstep train"])
    }

    @Test func launcherOfTheOtherFamily() {
        let report = Examination.judge([
            machine().with {
                $0.transport.launcher = "/usr/bin/mpiexec"
                $0.transport.launcherVersion = "mpiexec (OpenRTE) 4.1.4"
            }
        ])
        #expect(report.complaints == ["problem: MPI"])
        #expect(report.finding("MPI")?.remedy?.contains("launch/setup --mpi openmpi") == true)
        let none = Examination.judge([machine().with { $0.transport.launcher = nil }])
        #expect(none.finding("MPI")?.remedy?.contains("apt-get install mpich") == true)
    }

    @Test func theNetworkIsNamedInItsWords() {
        let docker = Facts.Interface("docker0", "172.17.0.1", prefix: 16, kind: .bridge)
        let report = Examination.judge([machine().with { $0.interfaces.append(docker) }])
        #expect(report.complaints == ["warning: network"])
        #expect(report.finding("network")?.remedy?.contains("UCX_NET_DEVICES=eth0") == true)
    }
}
