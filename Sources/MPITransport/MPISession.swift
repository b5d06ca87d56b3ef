import CMPIShim
import Glibc

/// This process's membership of an MPI job, from `MPI_Init_thread` to `MPI_Finalize`: once per process.
///
/// A process started without a launcher never makes one, so that it depends on no MPI daemon, port or shared memory.
public final class MPISession {
    public let communicator: MPICommunicator

    /// Bytes that one MPI call moves for one rank at most, unless told otherwise.
    public static let largestMessage = 8 << 20

    /// Whether mpirun, srun or another launcher started this process as one rank of a job.
    public static var isLaunched: Bool {
        getenv("PMIX_RANK") != nil || getenv("PMI_RANK") != nil || launchedSize ?? 1 > 1
    }

    /// How many processes the launcher says it started; nil when it says nothing. The innermost launcher comes first:
    /// mpirun inside a Slurm job leaves Slurm's variables, about its own daemons, in place.
    public static var launchedSize: Int? {
        for name in ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"] {
            if let value = getenv(name) { return Int(String(cString: value)) }
        }
        return nil
    }

    /// Joins the job. Collective; call it from the main thread, which makes all later calls (MPI_THREAD_FUNNELED, which
    /// Open MPI always provides).
    /// - Parameter largestMessage: bytes that one MPI call moves for one rank at most, see `MPICommunicator`.
    /// - Throws: `MPIError`.
    public init(largestMessage: Int = MPISession.largestMessage) throws {
        var provided: CInt = 0
        try check(MPI_Init_thread(nil, nil, CInt(MPI_THREAD_FUNNELED), &provided), "MPI_Init_thread")
        let world = lockstep_MPI_COMM_WORLD()
        try check(MPI_Comm_set_errhandler(world, lockstep_MPI_ERRORS_RETURN()), "MPI_Comm_set_errhandler")
        communicator = try MPICommunicator(duplicating: world, largestMessage: largestMessage)
        if let launched = Self.launchedSize, launched != communicator.size {
            throw MPIError.foreignLauncher(launched: launched, joined: communicator.size)
        }
    }

    /// Leaves the job. Collective; nothing may be sent afterwards. A rank that exits without it fails the whole job.
    /// - Throws: `MPIError`.
    public func finalize() throws {
        try communicator.free()
        try check(MPI_Finalize(), "MPI_Finalize")
    }
}
