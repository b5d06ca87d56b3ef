import CMPIShim
import Diagnostics

/// This process's membership of an MPI job, from `MPI_Init_thread` to `MPI_Finalize`: once per process.
///
/// A process started without a launcher never creates one, so it depends on no MPI daemon, port or shared memory.
package final class MPISession {
    package let communicator: MPICommunicator

    /// The default for the largest number of bytes that one MPI call moves for one rank.
    package static let largestMessage = 8 << 20

    /// Whether mpirun, srun or another launcher started this process as one rank of a job.
    package static var isLaunched: Bool { LaunchEnvironment.isLaunched }

    /// Joins the job. Collective. Call it from the main thread, which makes all later calls (MPI_THREAD_FUNNELED, which
    /// Open MPI and MPICH always provide).
    /// - Parameter largestMessage: the largest number of bytes that one MPI call moves for one rank; see `MPICommunicator`.
    /// - Throws: `MPIError`.
    package init(largestMessage: Int = MPISession.largestMessage) throws {
        var provided: CInt = 0
        try check(MPI_Init_thread(nil, nil, CInt(MPI_THREAD_FUNNELED), &provided), "MPI_Init_thread")
        lockstep_refuse_early_success(FailureKind.internal.rawValue)
        let world = lockstep_MPI_COMM_WORLD()
        try check(MPI_Comm_set_errhandler(world, lockstep_MPI_ERRORS_RETURN()), "MPI_Comm_set_errhandler")
        communicator = try MPICommunicator(duplicating: world, largestMessage: largestMessage)
        if let launched = LaunchEnvironment.size, launched != communicator.size {
            throw MPIError.foreignLauncher(launched: launched, joined: communicator.size)
        }
    }

    /// Leaves the job. Collective; nothing may be sent afterwards. A rank that exits without it fails the whole job.
    /// - Throws: `MPIError`.
    package func finalize() throws {
        try communicator.free()
        try check(MPI_Finalize(), "MPI_Finalize")
    }
}
