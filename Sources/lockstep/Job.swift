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
    /// - Returns: what `body` returned, after MPI is finalized.
    ///
    /// Errors that all ranks throw end every rank with the same code. An error on one rank alone, which the others
    /// cannot know about, ends the whole job at once, because they would wait forever.
    /// - Parameter examines: for `doctor`, which reports what would stop another job.
    static func run<Result>(examines: Bool = false, _ body: (any Communicator) throws -> Result) throws -> Result {
        if !examines { try prepare() }
        guard MPISession.isLaunched else { return try body(SingleRank()) }
        Launcher.shareFate()
        DeadJobs.tidy()
        let session = try MPISession()
        // After MPI's own handlers.
        MappedRegions.nameFaults(speaker: "lockstep: rank \(session.communicator.rank), host \(Host.name)")
        let result: Result
        do {
            result = try body(session.communicator)
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
        return result
    }

    private static func isShared(_ error: any DiagnosedError) -> Bool {
        error is CollectiveFailure || error is TrainingError || error is TrainingFailure || error is UsageError
            || error is UnfitMachine
    }

    /// Sets up the arithmetic of this process. Says on rank 0 if the user's number of threads is none.
    /// - Throws: `VectorsError`.
    static func prepare() throws {
        try Arithmetic.prepare(threads: threads(wantedThreads, cores: Machine.this.processors.usableCores, isLaunched: MPISession.isLaunched))
        if let text = wantedThreads, ThreadCount.read(text) == nil, Failure.launchedRank == 0 {
            Failure.say("warning: \(ThreadCount.variable)=\(text) is not a number of threads; using 1 thread", colour: .yellow)
        }
    }

    private static var wantedThreads: String? {
        getenv(ThreadCount.variable).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Threads that share a product: those that the user wants, 1 if that is not a number, and never more than cores. If the user
    /// says nothing, one under a launcher, where each core has a rank of its own, and all cores of a process without one.
    static func threads(_ wanted: String?, cores: Int, isLaunched: Bool) -> Int {
        guard let wanted else { return isLaunched ? 1 : cores }
        return min(ThreadCount.read(wanted) ?? 1, max(1, cores))
    }
}

extension Communicator {
    /// Collective. - Throws: `CollectiveFailure` when ranks run different programs.
    func agreeOnProgram() throws {
        try agree(on: programVersion, named: "the version of lockstep")
        let program = try together("reading the program") { try Digest.sha256(ofFile: "/proc/self/exe") }
        try agree(on: program, named: "the program's SHA-256")
    }

    /// The text of rank 0, on every rank.
    func broadcast(_ text: String) throws -> String {
        try allGather(text: rank == 0 ? text : "")[0]
    }
}
