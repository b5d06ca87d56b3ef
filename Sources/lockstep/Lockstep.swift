import ArgumentParser
import CProcessor
import Diagnostics
import Files
import Glibc
import Kernels

@main
struct Lockstep: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lockstep",
        abstract: "Train recurrent language models on CPUs, on one machine or a cluster, exactly and fast.",
        discussion: """
            Two commands for a first model:
              lockstep prepare --sample kinematics --output data/kinematics
              mpirun -n 2 lockstep train --config configs/quickstart.yaml

            Exit codes: 0 done; 64 usage or configuration; 65 bad data or checkpoint; 69 doctor found a problem; 70 \
            internal or numeric failure; \
            74 input/output; 75 stopped on request, checkpoint saved: run it again with --resume auto.
            """,
        version: programVersion,
        subcommands: [
            PrepareCommand.self, TrainCommand.self, EvaluateCommand.self, GenerateCommand.self, CompleteCommand.self,
            ScoreCommand.self, InspectCommand.self, ExportCommand.self, ReportCommand.self, BenchCommand.self, VerifyCommand.self,
            DoctorCommand.self, ConfigurationPageCommand.self,
        ])

    static func main() {
        lockstep_require_processor(CommandLine.argc, CommandLine.unsafeArgv)
        // A reader that exits early (`lockstep ... | head`) causes a failed write, not a killed process.
        signal(SIGPIPE, SIG_IGN)
        // So does a file that grows beyond the limit of `ulimit -f`.
        signal(SIGXFSZ, SIG_IGN)
        // If a standard stream is closed at the start, the next file opened would take its place and receive its messages.
        while true {
            let descriptor = open("/dev/null", O_RDWR)
            guard (0...2).contains(descriptor) else {
                close(descriptor)
                break
            }
        }
        requireStack()
        SignalHandler.provideStack()
        MappedRegions.nameFaults(speaker: "lockstep")
        MissingOperation.onFirst { Failure.say("warning: \($0.description)") }
        StopRequests.nameTimeLimit()
        do {
            let name = Arguments.given.first { $0 != "help" }
            Failure.isShared = isShared(name)
            try checkSubcommand(name)
            var command = try parseAsRoot(Arguments.given)
            if Failure.launchedSize > 1, Failure.launchedRank == 0, command is any TaskCommand {
                Failure.say("note: each of the \(Failure.launchedSize) processes carries out the whole command line by itself")
            }
            try command.run()
            // A training run has its results in the run folder.
            if (command as? TrainCommand)?.trains != true { try StandardStream.finishOutput() }
        } catch {
            Failure.exit(error)
        }
    }
}

extension Lockstep {
    /// Raises the soft limit on the stack, up to which the main thread's stack grows, as far as the hard limit allows.
    private static func requireStack() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_STACK.rawValue), &limit) == 0, limit.rlim_cur < 8 << 20 else { return }
        limit.rlim_cur = min(limit.rlim_max, 8 << 20)
        setrlimit(__rlimit_resource_t(RLIMIT_STACK.rawValue), &limit)
        guard limit.rlim_cur >= 128 << 10 else {
            // An ordinary message would need more stack than that.
            let words: StaticString = "lockstep: too little stack; raise the limit to 128 KiB at least (ulimit -s)\n"
            _ = write(STDERR_FILENO, words.utf8Start, words.utf8CodeUnitCount)
            _exit(FailureKind.inputOutput.rawValue)
        }
    }

    /// Whether all processes that mpirun starts with this subcommand, or by mistake without one, find the same.
    private static func isShared(_ name: String?) -> Bool {
        !configuration.subcommands.contains { $0.configuration.commandName == name && $0 is any TaskCommand.Type }
    }

    /// The parser reports a mistyped subcommand as an unexpected argument, and `help` shows the wrong page for it.
    private static func checkSubcommand(_ name: String?) throws {
        let names = configuration.subcommands.filter { $0.configuration.shouldDisplay }.compactMap { $0.configuration.commandName }
        guard let name, !name.hasPrefix("-"), !name.isEmpty,
            !configuration.subcommands.contains(where: { $0.configuration.commandName == name })
        else { return }
        throw UsageError(
            "no such subcommand", location: name,
            remedy: nearestName(to: name, among: names).map { "did you mean '\($0)'?" } ?? "lockstep --help lists them")
    }
}

/// A subcommand that runs on all ranks of mpirun together.
protocol JobCommand: ParsableCommand {}

/// A subcommand that each process of mpirun or srun carries out alone, perhaps with its own input and output.
protocol TaskCommand: ParsableCommand {}

let programVersion = "0.1.0"
