import Glibc
import Kernels
import Testing

@Suite struct PhaseClockTests {
    /// Waits `milliseconds` at least, awake.
    private func spend(_ milliseconds: Double) {
        let start = ContinuousClock.now
        while ContinuousClock.now - start < .seconds(milliseconds / 1e3) {}
    }

    @Test func timeGoesToThePhaseItWasSpentIn() {
        let clock = PhaseClock()
        clock.enter(.recurrence)
        spend(4)
        clock.enter(.softmax)
        spend(2)
        clock.enter(.recurrence)
        spend(3)
        clock.enter(.other)
        let times = clock.nanoseconds
        #expect(times[Int(PhaseClock.Phase.recurrence.rawValue)] >= 7_000_000)
        #expect(times[Int(PhaseClock.Phase.softmax.rawValue)] >= 2_000_000)
        for phase in PhaseClock.Phase.allCases where ![.other, .recurrence, .softmax].contains(phase) {
            #expect(times[Int(phase.rawValue)] == 0, "\(phase)")
        }
    }

    /// No time is lost or counted twice.
    @Test func phasesSumToTheWhole() {
        let clock = PhaseClock()
        let start = ContinuousClock.now
        clock.enter(.other)
        let before = clock.nanoseconds.reduce(0, +)
        for round in 0..<200 {
            clock.enter(PhaseClock.Phase.allCases[round % PhaseClock.Phase.allCases.count])
            spend(0.05)
        }
        clock.enter(.other)
        let whole = ContinuousClock.now - start
        let sum = Duration.nanoseconds(Int64(clock.nanoseconds.reduce(0, +) - before))
        #expect(sum >= .milliseconds(10))
        #expect(sum <= whole)
    }

    @Test func anotherThreadSeesThePhase() async {
        let clock = PhaseClock()
        #expect(clock.phase == .other)
        for phase in PhaseClock.Phase.allCases {
            clock.enter(phase)
            #expect(await Task.detached { clock.phase }.value == phase)
        }
    }
}
