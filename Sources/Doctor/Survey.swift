import Benchmark
import Collectives
import Diagnostics
import Files
import FoundationEssentials
import Glibc
import Kernels
import Platform

/// Gathers the facts: each rank its own, together on rank 0.
package struct Survey {
    /// Where the run will be written.
    package var runFolder: String
    package var lockstep: String
    /// What the MPI library says of itself.
    package var library: String
    package var isLaunched: Bool

    package init(runFolder: String, lockstep: String, library: String, isLaunched: Bool) {
        self.runFolder = runFolder
        self.lockstep = lockstep
        self.library = library
        self.isLaunched = isLaunched
    }

    /// Collective. Takes about a second.
    /// - Returns: every rank's facts by rank, on rank 0; nil elsewhere.
    /// - Throws: the transport's errors.
    package func run(_ communicator: any Communicator) throws -> [Facts]? {
        let machine = Machine.this
        var facts = Facts()
        facts.host = Host.name
        facts.rank.number = communicator.rank
        facts.rank.size = communicator.size
        facts.rank.isLaunched = isLaunched
        facts.rank.parent = machine.text("/proc/\(getppid())/comm") ?? ""
        // Before anything computes: the load is then that of others.
        facts.processor = machine.processorFacts()
        facts.processor.vectorBits = Speedometer.vectorBits
        facts.processor.missingInstructions = Machine.missingInstructions
        facts.memory = memory(machine)
        facts.interfaces = interfaces(machine)
        facts.infiniband = machine.infiniband()
        facts.software = software(machine)
        for name in Environment.names { facts.environment[name] = variable(name) }
        facts.transport = transport(machine)
        facts.transport.readsOtherMemory = try readsNeighbour(communicator)
        facts.storage = Storage.probe(runFolder, machine, saving: communicator.rank == 0)
        facts.storage.seesFirst = try seesFirst(communicator, folder: facts.storage.folder)
        try communicator.barrier()
        let speed = try communicator.together("measuring a product") { facts.software.products.isEmpty ? nil : try Speedometer.measure() }
        facts.speed = speed.map {
            Facts.Speed(peak: $0.peak, cachedProduct: $0.cachedProduct, product: $0.product, share: $0.share)
        }
        return try communicator.gather([UInt8](JSONEncoder().encode(facts)), at: 0)?.map {
            try JSONDecoder().decode(Facts.self, from: Data($0))
        }
    }

    private func memory(_ machine: Machine) -> Facts.Memory {
        var memory = machine.memoryFacts()
        var space = statvfs()
        if statvfs("/dev/shm", &space) == 0 {
            memory.sharedTotal = Int(space.f_blocks) * Int(space.f_frsize)
            memory.sharedFree = Int(space.f_bavail) * Int(space.f_frsize)
            memory.sharedIsWritable = access("/dev/shm", W_OK | X_OK) == 0
        }
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(8), &limit) == 0, limit.rlim_cur <= Int.max {  // RLIMIT_MEMLOCK
            memory.lockable = Int(limit.rlim_cur)
        }
        return memory
    }

    private func software(_ machine: Machine) -> Facts.Software {
        var software = Facts.Software()
        software.lockstep = lockstep
        software.program = (try? Digest.sha256(ofFile: "/proc/self/exe")) ?? ""
        var names = utsname()
        uname(&names)
        software.kernel = Self.string(names.release)
        // Not in Swift's module of glibc.
        typealias Version = @convention(c) () -> UnsafePointer<CChar>
        if let symbol = dlsym(nil, "gnu_get_libc_version") {
            software.libc = String(cString: unsafeBitCast(symbol, to: Version.self)())
        }
        guard Machine.missingInstructions == nil else { return software }
        do throws(VectorsError) {
            _ = try Vectors.chosen
            software.products = Arithmetic.products
        } catch {
            software.unfitVectors = error.diagnosis.what
        }
        return software
    }

    /// A field of `utsname`: a tuple of characters that ends with 0.
    private static func string<Field>(_ field: Field) -> String {
        withUnsafeBytes(of: field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    // MARK: MPI

    private func transport(_ machine: Machine) -> Facts.Transport {
        var transport = Facts.Transport()
        transport.library = library
        transport.libraryFile = ["libmpi.so", "libmpich.so", "libmpi_"].lazy.compactMap(machine.libraryFile).first
        transport.isRoot = geteuid() == 0
        transport.ptraceScope = machine.ptraceScope()
        transport.hasPtraceCapability = machine.hasPtraceCapability()
        let launcher = transport.family.launchers.lazy.compactMap(Self.inPath).first
        transport.launcher = launcher
        if !isLaunched { transport.launcherVersion = launcher.flatMap { Self.firstLines(of: $0, "--version") } }
        if transport.family == .openMPI {
            transport.settings = ParameterFiles.settings(machine, launcher: launcher) { variable($0) }
        }
        return transport
    }

    private static func inPath(_ program: String) -> String? {
        (variable("PATH") ?? "").split(separator: ":").map { "\($0)/\(program)" }
            .first { access($0, X_OK) == 0 && Folder.isFile($0) }
    }

    /// Two lines, as one: Hydra's first says only "HYDRA build details:".
    private static func firstLines(of program: String, _ argument: String) -> String? {
        guard let pipe = popen("\(program.singleQuoted) \(argument) 2> /dev/null < /dev/null".cBytes, "r") else { return nil }
        defer { pclose(pipe) }
        var lines: [String] = []
        var line = [CChar](repeating: 0, count: 256)
        while lines.count < 2, fgets(&line, CInt(line.count), pipe) != nil {
            lines.append(String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).trimmed)
        }
        return lines.isEmpty ? nil : lines.joined(separator: " ")
    }

    /// Reads memory of the next rank on this machine, as Open MPI does for long messages; of the process itself when
    /// there is no other. Collective.
    private func readsNeighbour(_ communicator: any Communicator) throws -> Bool? {
        let secret = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
        defer { secret.deallocate() }
        secret.pointee = UInt64(getpid()) << 32 | 0x10c5_7e9
        let here = try communicator.machineGroups().here
        let mine = [UInt64(getpid()), UInt64(UInt(bitPattern: secret)), secret.pointee]
        let all = try here.allGather(mine.withUnsafeBytes { Array($0) }).map { bytes in
            bytes.withUnsafeBytes { raw in (0..<3).map { raw.loadUnaligned(fromByteOffset: 8 * $0, as: UInt64.self) } }
        }
        let other = all[(here.rank + 1) % here.size]
        let result = Self.read(address: other[1], of: pid_t(other[0]))
        try here.barrier()
        return result.map { $0 == other[2] }
    }

    /// - Returns: nil where the system has no such call, 0 where it refuses.
    private static func read(address: UInt64, of process: pid_t) -> UInt64? {
        // Glibc declares it only to programs that define _GNU_SOURCE, which Swift's module does not.
        typealias Read = @convention(c) (
            pid_t, UnsafePointer<iovec>, CUnsignedLong, UnsafePointer<iovec>, CUnsignedLong, CUnsignedLong
        ) -> Int
        guard let symbol = dlsym(nil, "process_vm_readv") else { return nil }
        var value: UInt64 = 0
        return withUnsafeMutablePointer(to: &value) { pointer in
            var here = iovec(iov_base: pointer, iov_len: 8)
            var there = iovec(iov_base: UnsafeMutableRawPointer(bitPattern: UInt(address)), iov_len: 8)
            let count = unsafeBitCast(symbol, to: Read.self)(process, &here, 1, &there, 1, 0)
            return count == 8 ? pointer.pointee : 0
        }
    }

    // MARK: Network

    private func interfaces(_ machine: Machine) -> [Facts.Interface] {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { return [] }
        defer { freeifaddrs(first) }
        guard let first else { return [] }
        return sequence(first: first, next: \.pointee.ifa_next).compactMap { entry -> Facts.Interface? in
            guard let address = entry.pointee.ifa_addr, CInt(address.pointee.sa_family) == AF_INET else {
                return nil
            }
            let name = String(cString: entry.pointee.ifa_name)
            return Facts.Interface(
                name, Self.text(address), prefix: (entry.pointee.ifa_netmask as UnsafeMutablePointer<sockaddr>?).map { Self.prefix($0) } ?? 32,
                isUp: entry.pointee.ifa_flags & UInt32(IFF_UP) != 0 && entry.pointee.ifa_flags & UInt32(IFF_RUNNING) != 0,
                kind: machine.kind(ofInterface: name), megabits: machine.megabits(ofInterface: name))
        }
    }

    private static func number(_ address: UnsafePointer<sockaddr>) -> UInt32 {
        address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { UInt32(bigEndian: $0.pointee.sin_addr.s_addr) }
    }

    private static func text(_ address: UnsafePointer<sockaddr>) -> String {
        let value = number(address)
        return [24, 16, 8, 0].map { "\(value >> $0 & 255)" }.joined(separator: ".")
    }

    private static func prefix(_ mask: UnsafePointer<sockaddr>) -> Int { number(mask).nonzeroBitCount }

    // MARK: Storage

    /// Whether this rank finds a file that rank 0 makes now; nil on rank 0's machine. Collective.
    private func seesFirst(_ communicator: any Communicator, folder: String) throws -> Bool? {
        let isFirst = communicator.rank == 0
        let name = "\(folder)/.lockstep-doctor-\(getpid())"
        if isFirst { try? File.publish(name, at: name) }
        let parts = try communicator.allGather(text: "\(Host.name)\n\(name)")[0].split(separator: "\n", maxSplits: 1)
        // A folder of this rank's own of that name is not enough: the content is asked for.
        let found = (try? File.contents(of: String(parts[1]), limit: 4096)).map { $0 == Array(parts[1].utf8) } ?? false
        try communicator.barrier()
        if isFirst { unlink(name) }
        return parts[0] == Host.name ? nil : found
    }
}

private func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
