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
    static func run<Result>(_ body: (any Communicator) throws -> Result) throws -> Result {
        // Without the instructions this is `doctor`, which reports that and computes nothing.
        if Machine.missingInstructions == nil { try Arithmetic.prepare(threads: threads) }
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

    /// Threads that share a product: OMP_NUM_THREADS if it is set; else one under a launcher, where each core has a rank of
    /// its own, and all cores of a process without one.
    static var threads: Int {
        let cores = Machine.this.processors.usableCores
        guard let value = getenv("OMP_NUM_THREADS") else { return MPISession.isLaunched ? 1 : cores }
        return threads(String(cString: value), cores: cores)
    }

    /// OpenMP allows a list with a number for each level of nesting (OpenMP 5.0, section 6.2); the first one counts. There are
    /// never more threads than cores, and one if the value is not a number.
    static func threads(_ value: String, cores: Int) -> Int {
        let first = value.prefix { $0 != "," }.filter { !$0.isWhitespace }
        return min(max(1, Int(first) ?? 1), max(1, cores))
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
