import Collectives
import Diagnostics

/// Finds the rank for which all others wait. It delays the result but does not change it.
struct StragglerWatch {
    /// Steps between comparisons.
    static let interval = 50
    /// A rank is slow if it computes this many times as long as the median rank ...
    static let factor = 3.0
    /// ... and this many seconds longer, twice in a row, to exclude chance.
    static let leastSeconds = 1.0

    private var suspects: Set<Int> = []
    private var reported: Set<Int> = []

    /// Collective at every `interval`-th step.
    /// - Parameter heartbeat: says how long this rank has computed.
    /// - Returns: a warning for each rank found slow for the first time, the same on all ranks.
    mutating func check(step: Int, _ heartbeat: Heartbeat, _ communicator: any Communicator) throws -> [String] {
        guard communicator.size > 1, step % Self.interval == 0 else { return [] }
        let own = heartbeat.takeComputeSeconds()
        let seconds = try communicator.allGather(withUnsafeBytes(of: own, Array.init)).map {
            $0.withUnsafeBytes { $0.loadUnaligned(as: Double.self) }
        }
        let slowNow = Self.slow(seconds)
        let slow = slowNow.filter { suspects.contains($0) && !reported.contains($0) }
        suspects = Set(slowNow)
        guard !slow.isEmpty else { return [] }
        reported.formUnion(slow)
        let hosts = try communicator.allGather(text: Host.name)
        let median = Self.median(seconds)
        return slow.map {
            """
            rank \($0), host \(hosts[$0]), computes \((seconds[$0] / median * 10).rounded() / 10) times as long as the \
            median rank, and all wait for it: look for other work on its cores, a wrong binding or a slower processor
            """
        }
    }

    /// The lower of the two middle values; with two ranks, that of the faster one.
    static func median(_ seconds: [Double]) -> Double { seconds.sorted()[(seconds.count - 1) / 2] }

    static func slow(_ seconds: [Double]) -> [Int] {
        let median = median(seconds)
        return seconds.indices.filter { seconds[$0] > factor * median && seconds[$0] - median > leastSeconds }
    }
}
