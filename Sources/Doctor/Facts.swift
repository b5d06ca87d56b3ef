/// What one rank finds out about its machine and itself. Nothing here is judged: `Examination` does that, so tests
/// can invent machines. Bytes, seconds, operations per second; nil if the machine does not say.
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
    /// Environment variables that matter (`Environment.names`) and are set.
    public var environment: [String: String] = [:]

    public init() {}

    public struct Rank: Codable, Sendable, Equatable {
        public var number = 0
        public var size = 1
        /// Whether a launcher started this process. If not, the facts describe what a launcher would find.
        public var isLaunched = false
        /// The program that started this process: `mpirun`, `orted`, `slurmstepd`, a shell.
        public var parent = ""
        public init() {}
    }

    public struct Processor: Codable, Sendable, Equatable {
        public var name = ""
        /// The architecture as the kernel names it: `x86_64`, `aarch64`.
        public var architecture = ""
        /// Width in bits of the processor's widest vectors.
        public var vectorBits = 0
        /// The instructions that lockstep is compiled for and the processor lacks, as in "AVX2, FMA".
        public var missingInstructions: String?
        /// Logical processors that are online, each with its physical core.
        public var cores: [Int: String] = [:]
        /// The processors that the control group permits (a container, a batch job), and those of them that this process may run
        /// on: its binding.
        public var available: [Int] = []
        public var allowed: [Int] = []
        /// Processor time per second that the control group grants, in processors; nil for no limit.
        public var quota: Double?
        public var numaNodes = 1
        /// The clock governor of the first core (`performance`, `powersave`, ...) and its driver.
        public var governor: String?
        public var frequencyDriver: String?
        /// Number of processes ready to run, mean over the last minute.
        public var load: Double?
        public init() {}
    }

    public struct Memory: Codable, Sendable, Equatable {
        public var total = 0
        /// Bytes that could be allocated without swapping.
        public var available = 0
        /// The control group's limit, and the bytes that it already uses.
        public var limit: Int?
        public var used: Int?
        /// `always`, `madvise` or `never`.
        public var hugePages: String?
        /// Size of /dev/shm; 0 if there is none.
        public var sharedTotal = 0
        public var sharedFree = 0
        public var sharedIsWritable = false
        /// Memory that may be locked (RLIMIT_MEMLOCK); nil for no limit.
        public var lockable: Int?
        public init() {}
    }

    /// Measured on all ranks at once; see `Speedometer`.
    public struct Speed: Codable, Sendable, Equatable {
        /// Operations per second of processor time of one core: in fused multiply-adds, in a product that stays in the
        /// second-level cache, and in a matrix product of a usual size.
        public var peak = 0.0
        public var cachedProduct = 0.0
        public var product = 0.0
        /// Processor time divided by elapsed time of a thread that computes all the time: 1 if it has a core to itself.
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
        /// How the MPI library describes itself, and the file that it was loaded from.
        public var library = ""
        public var libraryFile: String?
        /// The launcher in PATH; and, only asked where no launcher is at work, what it says of itself.
        public var launcher: String?
        public var launcherVersion: String?
        public var isRoot = false
        /// Open MPI's parameters that matter, from the environment or from its files, without the prefix `OMPI_MCA_`. Empty with
        /// another MPI.
        public var settings: [String: String] = [:]
        /// Yama's limit on reading another process's memory (0 to 3); nil if the kernel has no Yama.
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
        /// The rate as the kernel states it: `100 Gb/sec (4X EDR)`.
        public var rate: String
        public init(device: String, port: Int, isActive: Bool, rate: String) {
            self.device = device
            self.port = port
            self.isActive = isActive
            self.rate = rate
        }
    }

    /// Where the run will be written: its folder, or the nearest existing folder above it.
    public struct Storage: Codable, Sendable, Equatable {
        public var folder = "."
        public var fileSystem = ""
        public var free = 0
        /// Seconds to write a file of 1 MiB, make it durable, rename and remove it.
        public var saveSeconds: Double?
        /// Why that failed.
        public var failure: String?
        /// Whether the file system can keep a second job out of a run folder; nil where nothing was written.
        public var hasLocks: Bool?
        /// Whether this rank sees a file that rank 0 has just written there; nil on rank 0's machine.
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
    /// The number of threads that one product may use, as `lockstep` reads it.
    public var threads: Int { max(1, environment["OMP_NUM_THREADS"].flatMap { Int($0) } ?? 1) }
}

extension Facts.Processor {
    /// The physical cores of these logical processors.
    public func physical(_ processors: [Int]) -> Set<String> { Set(processors.compactMap { cores[$0] }) }

    /// Whether the process may run on all processors of the machine or the container.
    public var isUnbound: Bool { Set(available).isSubset(of: allowed) }

    /// How many single-threaded ranks can have a core each: physical cores, but no more than the control group grants.
    public var capacity: Int {
        let cores = max(1, physical(available).count)
        return quota.map { max(1, min(cores, Int($0))) } ?? cores
    }
}
