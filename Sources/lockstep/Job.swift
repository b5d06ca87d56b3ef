import Collectives
import Diagnostics
import Files
import Glibc
import Kernels
import MPITransport
import Platform
import Training

/// The ranks of this job: one process without a launcher (which never uses MPI), or an MPI job.
enum Job {
    /// Runs `body` on every rank and ends the job properly, however `body` ends.
    ///
    /// Errors that all ranks throw end every rank with the same code. An error on one rank alone, which the others
    /// cannot know about, ends the whole job at once, because they would wait forever.
    static func run(_ body: (any Communicator) throws -> Void) throws {
        // Without the instructions this is `doctor`, which reports that and computes nothing.
        if Machine.missingInstructions == nil { try Arithmetic.prepare(threads: threads) }
        guard MPISession.isLaunched else { return try body(SingleRank()) }
        Launcher.shareFate()
        DeadJobs.tidy()
        let session = try MPISession()
        // After MPI's own handlers.
        MappedRegions.nameFaults(speaker: "lockstep: rank \(session.communicator.rank), host \(Host.name)")
        do {
            try body(session.communicator)
        } catch let error as any DiagnosedError where isShared(error) || session.communicator.size == 1 {
            // Reported before the ranks separate: the first to exit makes mpirun end the others, perhaps including rank 0.
            if session.communicator.rank == 0 { Failure.say("lockstep: \(error)", colour: Failure.colour(of: error)) }
            try session.finalize()
            exit(error.kind.rawValue)
        } catch {
            let kind = (error as? any DiagnosedError)?.kind ?? .internal
            Failure.say("lockstep: rank \(session.communicator.rank), host \(Host.name): \(error)", colour: .red)
            session.communicator.abort(kind.rawValue)
        }
        try session.finalize()
    }

    private static func isShared(_ error: any DiagnosedError) -> Bool {
        error is CollectiveFailure || error is TrainingError || error is StoppedOnRequest || error is UsageError
            || error is UnfitMachine
    }

    /// Threads that share a product: OMP_NUM_THREADS if it is set; else one under a launcher, where each core has a rank of
    /// its own, and all cores of a process without one.
    static var threads: Int {
        getenv("OMP_NUM_THREADS").flatMap { Int(String(cString: $0)) }
            ?? (MPISession.isLaunched ? 1 : Machine.this.processors.usableCores)
    }
}

extension Communicator {
    /// The text of rank 0, on every rank.
    func broadcast(_ text: String) throws -> String {
        let texts = try allGather(rank == 0 ? Array(text.utf8) : [])
        return String(decoding: texts[0], as: UTF8.self)
    }
}
