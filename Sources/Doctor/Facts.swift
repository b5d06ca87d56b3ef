/// What one rank finds out about its machine and itself. Nothing here is judged: `Examination` does that, so that tests
/// can make up machines. Bytes, seconds, operations a second; nil where the machine does not say.
public struct Facts: Codable, Sendable, Equatable {
    public var host = "localhost"
    public var rank = Rank()
    public var processor = Processor()
    public var memory = Memory()
    public var speed: Speed?
    public var transport = Transport()
    public var interfaces: [Interface] = []
    public var infiniband: [InfiniBandPort] = []
    public var storage = Storage()
    public var software = Software()
    /// Environment variables that matter (`Environment.names`), as far as they are set.
    public var environment: [String: String] = [:]

    public init() {}

    public struct Rank: Codable, Sendable, Equatable {
        public var number = 0
        public var size = 1
        /// Whether a launcher started this process: alone, the facts are about what a launcher would find.
        public var isLaunched = false
        /// The program that started this process: `mpirun`, `orted`, `slurmstepd`, a shell.
        public var parent = ""
        public init() {}
    }

    public struct Processor: Codable, Sendable, Equatable {
        public var name = ""
        /// As the kernel calls it: `x86_64`, `aarch64`.
        public var architecture = ""
        /// Bits of the widest vectors that the processor has.
        public var vectorBits = 0
        /// The instructions that lockstep is compiled for and the processor lacks, as in "AVX2, FMA".
        public var missingInstructions: String?
        /// Logical processors that are switched on, with the physical core each belongs to.
        public var cores: [Int: String] = [:]
        /// Those that the control group leaves (a container, a batch job); and of them those that this process may run
        /// on: its binding.
        public var available: [Int] = []
        public var allowed: [Int] = []
        /// Processor time a second that the control group grants, in processors; nil for no limit.
        public var quota: Double?
        public var numaNodes = 1
        /// Of the first core: `performance`, `powersave`, ...; and the driver that it steers.
        public var governor: String?
        public var frequencyDriver: String?
        /// Processes ready to run, mean over the last minute.
        public var load: Double?
        public init() {}
    }

    public struct Memory: Codable, Sendable, Equatable {
        public var total = 0
        /// What could be allocated without swapping.
        public var available = 0
        /// The control group's limit, and what it holds already.
        public var limit: Int?
        public var used: Int?
        /// `always`, `madvise` or `never`.
        public var hugePages: String?
        /// Of /dev/shm; 0 where there is none.
        public var sharedTotal = 0
        public var sharedFree = 0
        public var sharedIsWritable = false
        /// Memory that may be locked (RLIMIT_MEMLOCK); nil for no limit.
        public var lockable: Int?
        public init() {}
    }

    /// Measured on all ranks at once, see `Speedometer`.
    public struct Speed: Codable, Sendable, Equatable {
        /// Of one core, in operations a second of processor time: in fused multiply-adds, in a product that stays in the
        /// second-level cache, and in a matrix product of a usual size.
        public var peak = 0.0
        public var cachedProduct = 0.0
        public var product = 0.0
        /// Processor time by time, of one thread that computes all the time: 1 for a core to itself.
        public var share = 1.0
        public init() {}
        public init(peak: Double, cachedProduct: Double, product: Double, share: Double) {
            self.peak = peak
            self.cachedProduct = cachedProduct
            self.product = product
            self.share = share
        }
    }

    public struct Transport: Codable, Sendable, Equatable {
        /// What the MPI library says of itself, and the file that it was loaded from.
        public var library = ""
        public var libraryFile: String?
        /// The launcher in PATH; and, only asked where no launcher is at work, what it says of itself.
        public var launcher: String?
        public var launcherVersion: String?
        public var isRoot = false
        /// Open MPI's parameters that matter, whether from the environment or from its files: without `OMPI_MCA_`. Empty with
        /// another MPI.
        public var settings: [String: String] = [:]
        /// Yama's limit on reading another process's memory (0 to 3); nil where the kernel has none.
        public var ptraceScope: Int?
        public var hasPtraceCapability = false
        /// Whether reading a neighbour's memory (the process's own, when alone) worked.
        public var readsOtherMemory: Bool?
        public init() {}
    }

    public struct Interface: Codable, Sendable, Equatable {
        public var name: String
        /// IPv4 address and length of the network's prefix.
        public var address: String
        public var prefix: Int
        public var isUp: Bool
        public var kind: Kind
        public var megabits: Int?

        public enum Kind: String, Codable, Sendable { case loopback, device, bridge, virtual, infiniBand }

        public init(_ name: String, _ address: String, prefix: Int, isUp: Bool = true, kind: Kind, megabits: Int? = nil) {
            self.name = name
            self.address = address
            self.prefix = prefix
            self.isUp = isUp
            self.kind = kind
            self.megabits = megabits
        }
    }

    public struct InfiniBandPort: Codable, Sendable, Equatable {
        public var device: String
        public var port: Int
        public var isActive: Bool
        /// As the kernel puts it: `100 Gb/sec (4X EDR)`.
        public var rate: String
        public init(device: String, port: Int, isActive: Bool, rate: String) {
            self.device = device
            self.port = port
            self.isActive = isActive
            self.rate = rate
        }
    }

    /// Where the run will be written: its folder, or the nearest folder above that exists.
    public struct Storage: Codable, Sendable, Equatable {
        public var folder = "."
        public var fileSystem = ""
        public var free = 0
        /// Seconds for a file of 1 MiB to be written, made durable, renamed and removed.
        public var saveSeconds: Double?
        /// Why that did not work.
        public var failure: String?
        /// Whether the file system can keep a second job out of a run folder; nil where nothing was written.
        public var hasLocks: Bool?
        /// Whether this rank sees a file that rank 0 has just written there; nil on rank 0's own machine.
        public var seesFirst: Bool?
        public init() {}
    }

    public struct Software: Codable, Sendable, Equatable {
        public var lockstep = ""
        /// SHA-256 of the program.
        public var program = ""
        public var kernel = ""
        public var libc = ""
        /// What computes the products: `Arithmetic.products`.
        public var products = ""
        public init() {}
    }
}

/// Parts of the environment that change what a job does.
public enum Environment {
    public static let names = [
        "OMP_NUM_THREADS", "OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "OMP_WAIT_POLICY",
        "LOCKSTEP_VECTORS", "LOCKSTEP_RANKS_PER_MACHINE", "OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM",
        "MALLOC_CHECK_", "LD_PRELOAD", "SLURM_JOB_ID", "SLURM_NTASKS", "SLURM_JOB_NUM_NODES", "SLURM_CPUS_PER_TASK",
        "SLURM_TASKS_PER_NODE", "UCX_NET_DEVICES", "UCX_TLS",
    ]
}

extension Facts {
    /// Threads that one product may use, as `lockstep` reads it.
    public var threads: Int { max(1, environment["OMP_NUM_THREADS"].flatMap { Int($0) } ?? 1) }
}

extension Facts.Processor {
    /// Physical cores behind these logical processors, by their names.
    public func physical(_ processors: [Int]) -> Set<String> { Set(processors.compactMap { cores[$0] }) }

    /// Whether the process may run on all that the machine, or the container, has.
    public var isUnbound: Bool { Set(available).isSubset(of: allowed) }

    /// How many ranks of one thread have a core each: physical cores, but no more than the control group pays for.
    public var capacity: Int {
        let cores = max(1, physical(available).count)
        return quota.map { max(1, min(cores, Int($0))) } ?? cores
    }
}
