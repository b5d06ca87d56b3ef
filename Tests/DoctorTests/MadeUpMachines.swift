@testable import Doctor

extension Facts {
    /// A machine that is as it should be: 16 cores of two threads, 64 GiB, one network card, Open MPI's settings sourced.
    static func sound(host: String = "node1") -> Facts {
        var facts = Facts()
        facts.host = host
        facts.processor.name = "Made Up 9000"
        facts.processor.architecture = "x86_64"
        facts.processor.vectorBits = 512
        for thread in 0..<32 { facts.processor.cores[thread] = "\(thread % 16)" }
        facts.processor.available = Array(0..<32)
        facts.processor.allowed = Array(0..<32)
        facts.processor.load = 0.1
        facts.memory.total = 64 << 30
        facts.memory.available = 60 << 30
        facts.memory.sharedTotal = 32 << 30
        facts.memory.sharedFree = 32 << 30
        facts.memory.sharedIsWritable = true
        facts.speed = Speed(peak: 180e9, cachedProduct: 160e9, product: 140e9, share: 0.99)
        facts.transport.library = "Open MPI v4.1.4, package: Debian"
        facts.transport.launcher = "/usr/bin/mpirun"
        facts.transport.launcherVersion = "mpirun (Open MPI) 4.1.4"
        facts.transport.settings = ["odls_base_sigkill_timeout": "5"]
        facts.transport.readsOtherMemory = true
        facts.interfaces = [
            Interface("lo", "127.0.0.1", prefix: 8, kind: .loopback),
            Interface("eth0", "10.1.0.\(host.last!.wholeNumberValue ?? 9)", prefix: 24, kind: .device, megabits: 10_000),
        ]
        facts.storage.fileSystem = "nfs4"
        facts.storage.free = 500 << 30
        facts.storage.saveSeconds = 0.02
        facts.software = Software()
        facts.software.products = "lockstep's kernels, AVX-512"
        facts.software.lockstep = "0.1.0"
        facts.environment["OMP_NUM_THREADS"] = "1"
        return facts
    }

    func with(_ change: (inout Facts) -> Void) -> Facts {
        var facts = self
        change(&facts)
        return facts
    }
}

/// Ranks under mpirun, `perHost` on each host, each bound to a core of its own.
func launched(hosts: [String] = ["node1"], perHost: Int = 16) -> [Facts] {
    hosts.enumerated().flatMap { place, host in
        (0..<perHost).map { local in
            Facts.sound(host: host).with {
                $0.rank.number = place * perHost + local
                $0.rank.size = hosts.count * perHost
                $0.rank.isLaunched = true
                $0.rank.parent = place == 0 ? "mpirun" : "orted"
                $0.processor.allowed = [local, local + 16]
                $0.storage.seesFirst = place == 0 ? nil : true
            }
        }
    }
}

extension Report {
    /// The complaints, such as "problem: binding".
    var complaints: [String] { findings.filter { $0.verdict != .ok }.map { "\($0.verdict): \($0.check)" } }

    func finding(_ check: String) -> Finding? { findings.first { $0.check == check } }
}
