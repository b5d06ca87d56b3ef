import Diagnostics
import Glibc
import Synchronization
import Training

/// Signals, remembered until the step ends. SIGTERM, SIGUSR2, SIGINT and SIGXCPU (the limit on processor time) stop the run
/// with a checkpoint. SIGUSR1 and SIGHUP (the terminal has closed) save a checkpoint, and training continues.
///
/// SIGUSR2 is for launchers: mpirun and srun forward it and do nothing else, while on SIGTERM they end the job in their own
/// ways, soon and with their own exit codes.
///
/// Another SIGTERM changes nothing: batch systems send it to mpirun and to the ranks, mpirun forwards it again, and
/// an impatient system sends SIGKILL. A second SIGINT comes from a person: it ends the process as if there were no handler.
enum StopRequests {
    private static let stop = Atomic<Bool>(false)
    private static let interrupted = Atomic<Bool>(false)
    private static let save = Atomic<Bool>(false)

    /// Call it before MPI is initialised, which takes a while.
    static func install() {
        // A first access inside a handler would run a lazy initialiser there.
        stop.store(false, ordering: .relaxed)
        interrupted.store(false, ordering: .relaxed)
        save.store(false, ordering: .relaxed)
        for number in [SIGTERM, SIGUSR2, SIGXCPU] {
            SignalHandler.install(number) { _ in StopRequests.stop.store(true, ordering: .relaxed) }
        }
        SignalHandler.install(SIGINT) { number in
            StopRequests.stop.store(true, ordering: .relaxed)
            if StopRequests.interrupted.exchange(true, ordering: .relaxed) {
                signal(number, SIG_DFL)
                raise(number)
            }
        }
        for number in [SIGUSR1, SIGHUP] where !SignalHandler.isIgnored(number) {  // nohup ignores SIGHUP
            SignalHandler.install(number) { _ in StopRequests.save.store(true, ordering: .relaxed) }
        }
    }

    /// The kernel sends SIGXCPU at the soft limit on processor time and every second after it, and SIGKILL at the hard limit.
    /// A command other than `train` says so and ends.
    static func nameTimeLimit() {
        SignalHandler.install(SIGXCPU) { _ in
            let words: StaticString = "lockstep: the limit on processor time is reached; raise it (ulimit -t, or the batch system's)\n"
            _ = write(STDERR_FILENO, words.utf8Start, words.utf8CodeUnitCount)
            _exit(FailureKind.inputOutput.rawValue)
        }
    }

    /// Stays true.
    static var isStopping: Bool { stop.load(ordering: .relaxed) }

    /// Whether a save was requested since the last call.
    static func takeSave() -> Bool { save.exchange(false, ordering: .relaxed) }
}

/// A training run's requests are this process's signals.
final class SignalledRequests: RunRequests {
    private let onStop: () -> Void
    private var isTold = false

    /// - Parameter onStop: called once, when the run learns that it is to stop.
    init(onStop: @escaping () -> Void) { self.onStop = onStop }

    var isStopping: Bool {
        if StopRequests.isStopping, !isTold {
            isTold = true
            onStop()
        }
        return StopRequests.isStopping
    }

    func takeSave() -> Bool { StopRequests.takeSave() }
}

/// Handlers that may interrupt a matrix product.
enum SignalHandler {
    /// Handlers must not use the current stack pointer: inside a matrix product it can point anywhere, and the frame
    /// that the kernel writes there would destroy the heap. Applies to the calling thread.
    static func provideStack() {
        let size = 1 << 16
        var stack = stack_t(ss_sp: .allocate(byteCount: size, alignment: 16), ss_flags: 0, ss_size: size)
        sigaltstack(&stack, nil)
    }

    static func install(_ number: Int32, _ handler: @escaping @convention(c) (Int32) -> Void) {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = handler
        action.sa_flags = SA_ONSTACK | SA_RESTART
        sigaction(number, &action, nil)
    }

    static func isIgnored(_ number: Int32) -> Bool {
        var action = sigaction()
        guard sigaction(number, nil, &action) == 0 else { return false }
        return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1  // SIG_IGN
    }
}
