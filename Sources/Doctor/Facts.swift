import Platform

/// What one rank finds out about its machine and itself. Nothing here is judged: `Examination` does that, so tests
/// can invent machines. Bytes, seconds, operations per second; nil if the machine does not say.
package struct Facts: Codable, Sendable, Equatable {
    package var host = "localhost"
    package var rank = Rank()
    package var processor = Processor()
    package var memory = Memory()
    package var speed: Speed?
    package var transport = Transport()
    package var interfaces: [Interface] = []
    package var infiniband: [InfiniBandPort] = []
    package var storage = Storage()
    package var software = Software()
    /// Environment variables that matter (`Environment.names`) and are set.
    package var environment: [String: String] = [:]

    package init() {}

    package struct Rank: Codable, Sendable, Equatable {
        package var number = 0
        package var size = 1
        /// Whether a launcher started this process. If not, the facts describe what a launcher would find.
        package var isLaunched = false
        /// The program that started this process: `mpirun`, `orted`, `slurmstepd`, a shell.
        package var parent = ""
        package init() {}
    }

    package struct Processor: Codable, Sendable, Equatable {
        package var name = ""
        /// The architecture as the kernel names it: `x86_64`, `aarch64`.
        package var architecture = ""
        /// Width in bits of the processor's widest vectors.
        package var vectorBits = 0
        /// The instructions that lockstep is compiled for and the processor lacks, as in "AVX2, FMA".
        package var missingInstructions: String?
        /// Logical processors that are online, each with its physical core.
        package var cores: [Int: String] = [:]
        /// The processors that the control group permits (a container, a batch job), and those of them that this process may run
        /// on: its binding.
        package var available: [Int] = []
        package var allowed: [Int] = []
        /// Processor time per second that the control group grants, in processors; nil for no limit.
        package var quota: Double?
        package var numaNodes = 1
        /// The clock governor of the first core (`performance`, `powersave`, ...) and its driver.
        package var governor: String?
        package var frequencyDriver: String?
        /// Number of processes ready to run, mean over the last minute.
        package var load: Double?
        package init() {}
    }

    package struct Memory: Codable, Sendable, Equatable {
        package var total = 0
        /// Bytes that could be allocated without swapping.
        package var available = 0
        /// The control group's limit, and the bytes that it already uses.
        package var limit: Int?
        package var used: Int?
        /// `always`, `madvise` or `never`.
        package var hugePages: String?
        /// Size of /dev/shm; 0 if there is none.
        package var sharedTotal = 0
        package var sharedFree = 0
        package var sharedIsWritable = false
        /// Memory that may be locked (RLIMIT_MEMLOCK); nil for no limit.
        package var lockable: Int?
        package init() {}
    }

    /// Measured on all ranks at once; see `Speedometer`.
    package struct Speed: Codable, Sendable, Equatable {
        /// Operations per second of processor time of one core: in fused multiply-adds, in a product that stays in the
        /// second-level cache, and in a matrix product of a usual size.
        package var peak = 0.0
        package var cachedProduct = 0.0
        package var product = 0.0
        /// Processor time divided by elapsed time of a thread that computes all the time: 1 if it has a core to itself.
        package var share = 1.0
        package init() {}
        package init(peak: Double, cachedProduct: Double, product: Double, share: Double) {
            self.peak = peak
            self.cachedProduct = cachedProduct
            self.product = product
            self.share = share
        }
    }

    package struct Transport: Codable, Sendable, Equatable {
        /// How the MPI library describes itself, and the file that it was loaded from.
        package var library = ""
        package var libraryFile: String?
        /// The launcher in PATH; and, only asked where no launcher is at work, what it says of itself.
        package var launcher: String?
        package var launcherVersion: String?
        package var isRoot = false
        /// Open MPI's parameters that matter, from the environment or from its files, without the prefix `OMPI_MCA_`. Empty with
        /// another MPI.
        package var settings: [String: String] = [:]
        /// Yama's limit on reading another process's memory (0 to 3); nil if the kernel has no Yama.
        package var ptraceScope: Int?
        package var hasPtraceCapability = false
        /// Whether reading a neighbour's memory (the process's own, when alone) worked.
        package var readsOtherMemory: Bool?
        package init() {}
    }

    package struct Interface: Codable, Sendable, Equatable {
        package var name: String
        /// IPv4 address and length of the network's prefix.
        package var address: String
        package var prefix: Int
        package var isUp: Bool
        package var kind: Kind
        package var megabits: Int?

        package enum Kind: String, Codable, Sendable { case loopback, device, bridge, virtual, infiniBand }

        package init(_ name: String, _ address: String, prefix: Int, isUp: Bool = true, kind: Kind, megabits: Int? = nil) {
            self.name = name
            self.address = address
            self.prefix = prefix
            self.isUp = isUp
            self.kind = kind
            self.megabits = megabits
        }
    }

    package struct InfiniBandPort: Codable, Sendable, Equatable {
        package var device: String
        package var port: Int
        package var isActive: Bool
        /// The rate as the kernel states it: `100 Gb/sec (4X EDR)`.
        package var rate: String
        package init(device: String, port: Int, isActive: Bool, rate: String) {
            self.device = device
            self.port = port
            self.isActive = isActive
            self.rate = rate
        }
    }

    /// Where the run will be written: its folder, or the nearest existing folder above it.
    package struct Storage: Codable, Sendable, Equatable {
        package var folder = "."
        package var fileSystem = ""
        package var free = 0
        /// Seconds to write a file of 1 MiB, make it durable, rename and remove it.
        package var saveSeconds: Double?
        /// Why that failed.
        package var failure: String?
        /// Whether the file system can keep a second job out of a run folder; nil where nothing was written.
        package var hasLocks: Bool?
        /// Whether this rank sees a file that rank 0 has just written there; nil on rank 0's machine.
        package var seesFirst: Bool?
        package init() {}
    }

    package struct Software: Codable, Sendable, Equatable {
        package var lockstep = ""
        /// SHA-256 of the program.
        package var program = ""
        package var kernel = ""
        package var libc = ""
        /// What computes the products: `Arithmetic.products`.
        package var products = ""
        /// Why `LOCKSTEP_VECTORS` stops every other command; nil where it does not.
        package var unfitVectors: String?
        package init() {}
    }
}

/// Parts of the environment that change what a job does.
package enum Environment {
    package static let names = [
        "OMP_NUM_THREADS", "OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "OMP_WAIT_POLICY",
        "LOCKSTEP_VECTORS", "LOCKSTEP_RANKS_PER_MACHINE", "OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM",
        "MALLOC_CHECK_", "LD_PRELOAD", "SLURM_JOB_ID", "SLURM_NTASKS", "SLURM_JOB_NUM_NODES", "SLURM_CPUS_PER_TASK",
        "SLURM_TASKS_PER_NODE", "UCX_NET_DEVICES", "UCX_TLS",
    ]
}

extension Facts {
    /// The threads that each rank of a job would like to have. It gets no more than it has cores.
    package var threads: Int { environment[ThreadCount.variable].flatMap(ThreadCount.read) ?? 1 }
}

extension Facts.Processor {
    /// The physical cores of these logical processors.
    package func physical(_ processors: [Int]) -> Set<String> { Set(processors.compactMap { cores[$0] }) }

    /// Whether the process may run on all processors of the machine or the container.
    package var isUnbound: Bool { Set(available).isSubset(of: allowed) }

    /// How many single-threaded ranks can have a core each: physical cores, but no more than the control group grants.
    package var capacity: Int {
        let cores = max(1, physical(available).count)
        return quota.map { max(1, min(cores, Int($0))) } ?? cores
    }
}
