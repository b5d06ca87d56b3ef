import Glibc
import Synchronization

/// Signals, remembered until the step ends: SIGTERM and SIGINT stop the run with a checkpoint, SIGUSR1 saves and goes
/// on. A second SIGINT or SIGTERM ends the process as if there were no handler.
enum StopRequests {
    private static let stop = Atomic<Bool>(false)
    private static let save = Atomic<Bool>(false)

    static func install() {
        // A first access inside a handler would run a lazy initialiser there.
        stop.store(false, ordering: .relaxed)
        save.store(false, ordering: .relaxed)
        for number in [SIGTERM, SIGINT] {
            signal(number) { number in
                if StopRequests.stop.exchange(true, ordering: .relaxed) {
                    signal(number, SIG_DFL)
                    raise(number)
                }
            }
        }
        signal(SIGUSR1) { _ in StopRequests.save.store(true, ordering: .relaxed) }
    }

    /// What was asked for since the last call; a stop stays asked for.
    static func take() -> (stop: Bool, save: Bool) {
        (stop.load(ordering: .relaxed), save.exchange(false, ordering: .relaxed))
    }
}
