import ArgumentParser
import Diagnostics
import Files
import Glibc
import Reporting

/// Turns any error into one line on stderr and the documented exit code.
enum Failure {
    /// The rank of this process before MPI is initialised, from the launcher's environment.
    static var launchedRank: Int { LaunchEnvironment.rank ?? 0 }

    /// How many processes the launcher started; 1 without one.
    static var launchedSize: Int { LaunchEnvironment.size ?? 1 }

    /// Whether the processes of the launcher find mistakes alike, as ranks of one job do. Set once, at the start.
    nonisolated(unsafe) static var isShared = true

    /// Ends the process. What every rank of a job finds alike, before MPI is up, is said by rank 0 alone; processes that
    /// each do a task of their own each speak for themselves.
    static func exit(_ error: any Error) -> Never {
        // The first rank to exit makes mpirun end the others: rank 0 must have reported by then.
        let speaks = launchedRank == 0 || !isShared
        if !speaks { sleep(2) }
        guard let diagnosed = error as? any DiagnosedError else {
            let code = Lockstep.exitCode(for: error)
            if speaks {
                // Help and version, which the parser treats as errors too.
                if code == .success { print(RequestedText.completed(Lockstep.fullMessage(for: error))) } else { explain(error) }
            }
            Glibc.exit(code.rawValue)
        }
        if speaks { say("\(speaker): \(diagnosed)", colour: colour(of: diagnosed)) }
        Glibc.exit(diagnosed.kind.rawValue)
    }

    /// What begins the line of an error.
    private static var speaker: String { isShared || launchedSize == 1 ? "lockstep" : "lockstep: task \(launchedRank)" }

    /// The parser's own errors: the first line starts like all others, and the usage follows.
    private static func explain(_ error: any Error) {
        let lines = Lockstep.fullMessage(for: error).split(separator: "\n", omittingEmptySubsequences: false)
        say("\(speaker): \((lines.first ?? "").replacing("Error: ", with: "", maxReplacements: 1))", colour: .red)
        for line in lines.dropFirst() { say(String(line)) }
    }

    /// Red, except for what is not an error.
    static func colour(of error: any DiagnosedError) -> Console.Colour? { error.kind == .stopped ? nil : .red }

    /// Prints a line on stderr, above the line of progress; a closed stderr is not a reason to fail.
    static func say(_ line: String, colour: Console.Colour? = nil) {
        Console.standardError.print(line, colour: colour)
    }
}

/// A usage error that the option parser cannot detect.
struct UsageError: DiagnosedError {
    let diagnosis: Diagnosis
    var kind: FailureKind { .usage }

    init(_ what: String, location: String? = nil, expected: String? = nil, found: String? = nil, remedy: String? = nil) {
        diagnosis = Diagnosis(what, location: location, expected: expected, found: found, remedy: remedy)
    }
}
