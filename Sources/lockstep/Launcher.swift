import Diagnostics
import Doctor
import Glibc
import MPITransport

/// This process's parent: mpirun, or the daemon that mpirun has on another machine, and Hydra on every machine.
enum Launcher {
    /// The MPI that this program is linked with.
    static let family = LaunchFamily(library: MPILibrary.name)
    /// What to type: `mpiexec` alone may be that of the other family.
    static var name: String { family.launchers[0] }

    /// A rank whose mpirun was killed must not survive, not even if it is stopped itself. Launchers other than Open MPI's and
    /// Hydra may start ranks from a thread that ends early, which this signal would take for the launcher's end.
    static func shareFate() {
        guard LaunchEnvironment.isChildOfLauncher else { return }
        // Glibc declares it with "...", which Swift cannot call.
        typealias Control = @convention(c) (CInt, CUnsignedLong, CUnsignedLong, CUnsignedLong, CUnsignedLong) -> CInt
        guard let symbol = dlsym(nil, "prctl") else { return }
        _ = unsafeBitCast(symbol, to: Control.self)(1, CUnsignedLong(SIGKILL), 0, 0, 0)  // PR_SET_PDEATHSIG
    }

    /// Kills the launcher if it does not end in time. After a rank has died, mpirun waits for the daemons on other machines,
    /// and if these are unreachable it waits for a quarter of an hour (TCP's retransmissions).
    /// - Parameter note: written to the file `path` before the kill, because the exit code of a killed mpirun says nothing.
    static func endIfItStays(noting note: String, in path: String) {
        guard LaunchEnvironment.isChildOfLauncher else { return }
        let patience = getenv("OMPI_MCA_odls_base_sigkill_timeout").flatMap { Int(String(cString: $0)) } ?? 1
        // In a separate process, since this one is about to end; without the standard streams, for whose end mpirun waits.
        let script = """
            exec < /dev/null > /dev/null 2>&1; sleep \(2 * patience + 5)
            case $(cat /proc/\(getppid())/comm) in mpirun | mpiexec | orterun | orted | prterun | prted | hydra_pmi_proxy)
                # In the background: the run folder may be what does not respond.
                echo "$1" > "$2" & sleep 1
                kill -KILL \(getppid()) ;;
            esac
            """
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        posix_spawnattr_setflags(&attributes, 0x80 | Int16(POSIX_SPAWN_SETSIGMASK))  // POSIX_SPAWN_SETSID
        var process = pid_t()
        // The watchdog's thread blocks all signals; this process must not.
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        let words: [String] = ["sh", "-c", script, "sh", note, path]
        let arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        _ = posix_spawn(&process, "/bin/sh", nil, &attributes, arguments, environ)
    }
}
