import Files
import Kernels
import Reporting

/// The cost of this rank's steps from one training record to the next. A resumed run starts from zero: what earlier sessions
/// did after their last record is not included.
final class CostMeter {
    private let clock: PhaseClock
    private var seconds = 0.0
    private var tokens = 0
    /// The reading of the clock at the last record.
    private var nanoseconds = [UInt64](repeating: 0, count: PhaseClock.Phase.allCases.count)

    init(_ clock: PhaseClock) { self.clock = clock }

    /// - Parameter tokens: tokens of the step on all ranks.
    func add(seconds: Double, tokens: Int) {
        self.seconds += seconds
        self.tokens += tokens
    }

    /// Runs `body` without counting its phases as part of a step.
    func leaveOut(_ body: () throws -> Void) rethrows {
        clock.enter(.other)
        let before = Array(clock.nanoseconds)
        try body()
        clock.enter(.other)
        for (index, sum) in clock.nanoseconds.enumerated() { nanoseconds[index] += sum - before[index] }
    }

    /// The cost so far; counting restarts from zero.
    func take() -> (tokensPerSecond: Double, cost: StepCost) {
        let sums = Array(clock.nanoseconds)
        var phases: [String: Double] = [:]
        for phase in PhaseClock.Phase.allCases where phase != .other {
            let index = Int(phase.rawValue)
            phases["\(phase)"] = Double(sums[index] - nanoseconds[index]) * 1e-9
        }
        // The clock counts the time between steps as `other`, too.
        phases["\(PhaseClock.Phase.other)"] = max(0, seconds - phases.values.reduce(0, +))
        let apart = ["\(PhaseClock.Phase.wait)", "\(PhaseClock.Phase.exchange)"].reduce(0) { $0 + phases[$1]! }
        let memory = ProcessMemory.now
        let result = (
            tokensPerSecond: Double(tokens) / seconds,
            cost: StepCost(
                // Of a tiny model, microseconds would not add up to the steps.
                phaseSeconds: phases.mapValues { ($0 * 1e9).rounded() / 1e9 },
                exchangeShare: (apart / seconds * 1e6).rounded() / 1e6, memory: memory.resident, peakMemory: memory.peak)
        )
        nanoseconds = sums
        seconds = 0
        tokens = 0
        return result
    }
}
