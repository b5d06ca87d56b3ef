import Foundation

/// Starting programs as a user does, always with a deadline.
package enum Launch {
    package struct Outcome: Sendable {
        /// The exit code, or 128 + the signal that ended it, as a shell has it.
        package let status: Int32
        package let output: String
        package let errors: String
        package let timedOut: Bool
    }

    /// Runs `command`, looked up in PATH unless it contains a slash, and waits for it to end.
    ///
    /// Output goes through files, so no amount of it can block. Past the deadline the process group gets SIGTERM (on
    /// which mpirun ends its ranks) and five seconds later SIGKILL.
    /// - Parameters:
    ///   - environment: the whole environment; that of this process if nil.
    ///   - timeout: seconds.
    package static func run(
        _ command: String, _ arguments: [String], environment: [String: String]? = nil, folder: String? = nil,
        timeout: Double = 60
    ) throws -> Outcome {
        let scratch = FileManager.default.temporaryDirectory.appending(path: "lockstep-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: scratch, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: scratch) }
        let output = scratch.appending(path: "output")
        let errors = scratch.appending(path: "errors")
        for file in [output, errors] { try Data().write(to: file) }

        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [command] + arguments
        process.environment = environment
        if let folder { process.currentDirectoryURL = URL(filePath: folder) }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try FileHandle(forWritingTo: output)
        process.standardError = try FileHandle(forWritingTo: errors)
        let ended = DispatchSemaphore(value: 0)
        process.terminationHandler = { _ in ended.signal() }
        try withNoSignalBlocked { try process.run() }

        let timedOut = ended.wait(timeout: .now() + timeout) == .timedOut
        if timedOut {
            // Foundation starts each process in a group of its own.
            kill(-process.processIdentifier, SIGTERM)
            if ended.wait(timeout: .now() + 5) == .timedOut {
                kill(-process.processIdentifier, SIGKILL)
                ended.wait()
            }
        }
        return Outcome(
            status: process.terminationStatus + (process.terminationReason == .uncaughtSignal ? 128 : 0),
            output: String(decoding: try Data(contentsOf: output), as: UTF8.self),
            errors: String(decoding: try Data(contentsOf: errors), as: UTF8.self),
            timedOut: timedOut)
    }

    /// Tests run on threads that block most signals, and a child inherits that: it would be deaf to SIGTERM.
    private static func withNoSignalBlocked(_ body: () throws -> Void) rethrows {
        var none = sigset_t()
        var blocked = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &blocked)
        defer { pthread_sigmask(SIG_SETMASK, &blocked, nil) }
        try body()
    }

    /// Whether the programs are built for MPICH, as `launch/test --mpi mpich` says, and not for Open MPI.
    package static let isMPICH = !["", "openmpi"].contains(ProcessInfo.processInfo.environment["LOCKSTEP_BUILD_MPI"] ?? "")

    /// The environment variable in which a rank finds its number.
    package static let rankVariable = isMPICH ? "PMI_RANK" : "OMPI_COMM_WORLD_RANK"

    /// The words that start `ranks` ranks on this machine, more than it has cores if need be.
    package static func launcher(_ ranks: Int) -> [String] {
        isMPICH ? ["mpiexec.hydra", "-n", "\(ranks)"] : ["mpirun", "-n", "\(ranks)", "--oversubscribe"]
    }

    /// Runs a program on `ranks` ranks of this machine.
    /// - Parameters:
    ///   - options: the launcher's own.
    ///   - environment: added to, or put in place of, what such a run needs.
    package static func mpirun(
        ranks: Int, _ command: String, _ arguments: [String], options: [String] = [],
        environment: [String: String] = [:], folder: String? = nil, timeout: Double = 60
    ) throws -> Outcome {
        try run(
            launcher(ranks)[0], launcher(ranks).dropFirst() + options + [command] + arguments,
            environment: mpiEnvironment.merging(environment) { $1 }, folder: folder, timeout: timeout)
    }

    /// This process's environment, without the traces of an MPI job it may itself be part of, and with what root and
    /// crowded cores need.
    package static var mpiEnvironment: [String: String] {
        var environment = ProcessInfo.processInfo.environment
        if environment["OMPI_COMM_WORLD_SIZE"] != nil || environment["PMI_SIZE"] != nil {
            let traces = ["OMPI_", "PMIX_", "PMI_", "MPI_LOCAL", "HYDI_"]
            environment = environment.filter { variable in !traces.contains { variable.key.hasPrefix($0) } }
        }
        environment["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
        environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
        environment["OMP_NUM_THREADS"] = "1"
        environment["OMPI_MCA_mpi_yield_when_idle"] = "1"
        // As in launch/mpich.env: else SIGHUP is never ignored.
        environment["UCX_DEBUG_SIGNO"] = "0"
        // Containers rarely permit one process to read another's memory.
        environment["OMPI_MCA_btl_vader_single_copy_mechanism"] = "none"
        // mpirun's patience with the other ranks after one has failed, in seconds.
        environment["OMPI_MCA_odls_base_sigkill_timeout"] = "1"
        return environment
    }

    /// The path of a program of this package, as built along with the running tests.
    package static func product(_ name: String) throws -> String {
        // The test bundle is itself a program, beside those of the package.
        let bundle = URL(filePath: try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
        let path = bundle.deletingLastPathComponent().appending(path: name).path
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw CocoaError(.fileNoSuchFile, userInfo: [NSFilePathErrorKey: path])
        }
        return path
    }
}
