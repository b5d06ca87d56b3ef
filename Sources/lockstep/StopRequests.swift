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
        provideStack()
        for number in [SIGTERM, SIGINT] {
            handle(number) { number in
                if StopRequests.stop.exchange(true, ordering: .relaxed) {
                    signal(number, SIG_DFL)
                    raise(number)
                }
            }
        }
        handle(SIGUSR1) { _ in StopRequests.save.store(true, ordering: .relaxed) }
    }

    /// What was asked for since the last call; a stop stays asked for.
    static func take() -> (stop: Bool, save: Bool) {
        (stop.load(ordering: .relaxed), save.exchange(false, ordering: .relaxed))
    }

    /// Handlers must not run on the stack pointer they find: inside a matrix product it can be anywhere, and the frame
    /// that the kernel writes there destroys the heap.
    private static func provideStack() {
        let size = 1 << 16
        var stack = stack_t(
            ss_sp: .allocate(byteCount: size, alignment: 16), ss_flags: 0, ss_size: size)
        sigaltstack(&stack, nil)
    }

    private static func handle(_ number: Int32, _ handler: @escaping @convention(c) (Int32) -> Void) {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = handler
        action.sa_flags = SA_ONSTACK | SA_RESTART
        sigaction(number, &action, nil)
    }
}
