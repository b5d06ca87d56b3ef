import Glibc

/// Ends the process, with a line that names the input, when a parser traps, hangs or takes too much memory.
enum Guard {
    /// Processor seconds for one input.
    static let seconds = 2
    /// Bytes of address space for one input, above what the process had before.
    static let bytes = 64 << 20

    /// The number of the input being read, for the signal handler.
    nonisolated(unsafe) static var current = 0
    /// `... input `, as C text that is never freed.
    nonisolated(unsafe) private static var prefix: UnsafeMutablePointer<CChar> = strdup("")

    static func watch(_ description: String) {
        prefix = strdup("\(description), input ")
        // A stack that has overflowed cannot run the handler.
        var stack = stack_t()
        stack.ss_size = 1 << 16
        stack.ss_sp = UnsafeMutableRawPointer.allocate(byteCount: stack.ss_size, alignment: 16)
        sigaltstack(&stack, nil)
        var action = sigaction()
        action.sa_flags = Int32(SA_ONSTACK)
        action.__sigaction_handler.sa_handler = { signal in
            let cause =
                switch signal {
                case SIGPROF: StaticString(": FAULT: takes too long\n")
                case SIGSEGV, SIGBUS: StaticString(": FAULT: touches memory that is not there\n")
                default: StaticString(": FAULT: traps, perhaps for want of memory\n")
                }
            Guard.say(Guard.prefix, strlen(Guard.prefix))
            Guard.say(number: Guard.current)
            Guard.say(cause.utf8Start, cause.utf8CodeUnitCount)
            _exit(1)
        }
        for signal in [SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGPROF] { sigaction(signal, &action, nil) }
    }

    /// From now on.
    static func limitMemory() {
        var pages = 0
        if let file = fopen("/proc/self/statm", "r") {
            _ = withUnsafeMutablePointer(to: &pages) { pages in withVaList([pages]) { vfscanf(file, "%ld", $0) } }
            fclose(file)
        }
        precondition(pages > 0)
        let size = rlim_t(pages * 4096 + bytes)
        var limit = rlimit(rlim_cur: size, rlim_max: size)
        setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
    }

    static func begin(_ number: Int) {
        current = number
        var timer = itimerval()
        timer.it_value.tv_sec = seconds
        setitimer(__itimer_which_t(ITIMER_PROF.rawValue), &timer, nil)
    }

    private static func say(_ text: UnsafePointer<some Any>, _ count: Int) { _ = write(2, text, count) }

    private static func say(number: Int) {
        if number >= 10 { say(number: number / 10) }
        var digit = UInt8(ascii: "0") + UInt8(number % 10)
        _ = write(2, &digit, 1)
    }
}
