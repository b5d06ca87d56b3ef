/// When a log file gets its next line of progress: the first at once, the next after a twentieth of the elapsed time, but
/// after at least two seconds and at most a minute.
struct LogPace {
    private let now: () -> ContinuousClock.Instant
    private let start: ContinuousClock.Instant
    private var next: ContinuousClock.Instant

    init(now: @escaping () -> ContinuousClock.Instant) {
        self.now = now
        start = now()
        next = start
    }

    mutating func isDue() -> Bool {
        let now = now()
        guard now >= next else { return false }
        next = now + min(max((now - start) / 20, .seconds(2)), .seconds(60))
        return true
    }
}
