import Synchronization

/// What a rank is doing, in broad terms; `PhaseClock.Phase` are the finer parts of a step.
package enum Activity: Int, Sendable, CaseIterable {
    /// Before the first step: MPI is initialised, files are opened, the model is built.
    case start
    /// Batch, forward, backward; packing the weights.
    case compute
    /// Waiting for the other ranks: any collective call.
    case exchange
    case metrics, validation, save, ending
}

/// The current state of this rank, written by the training thread and read by the watchdog's.
package final class Heartbeat: Sendable {
    package struct Reading: Sendable, Equatable {
        package var step: Int
        package var activity: Activity
        /// Increases with every sign of progress.
        package var beats: Int

        /// "phase exchange of step 12"
        var place: String { activity == .start ? "phase start" : "phase \(activity) of step \(step)" }
    }

    private let step = Atomic<Int>(0)
    private let activity = Atomic<Int>(Activity.start.rawValue)
    private let beats = Atomic<Int>(0)
    private let entered = Atomic<Int>(Heartbeat.nanoseconds)
    private let computing = Atomic<Int>(0)

    package init() {}

    /// May be read from any thread.
    package var reading: Reading {
        Reading(
            step: step.load(ordering: .relaxed), activity: Activity(rawValue: activity.load(ordering: .relaxed)) ?? .start,
            beats: beats.load(ordering: .relaxed))
    }

    package func begin(step number: Int) { step.store(number, ordering: .relaxed) }

    package func enter(_ next: Activity) {
        let now = Self.nanoseconds
        if activity.load(ordering: .relaxed) == Activity.compute.rawValue {
            computing.add(now - entered.load(ordering: .relaxed), ordering: .relaxed)
        }
        entered.store(now, ordering: .relaxed)
        activity.store(next.rawValue, ordering: .relaxed)
        beat()
    }

    /// Progress within an activity.
    package func beat() { beats.add(1, ordering: .relaxed) }

    /// The time spent in `compute` since the last call.
    func takeComputeSeconds() -> Double { Double(computing.exchange(0, ordering: .relaxed)) * 1e-9 }

    private static let start = ContinuousClock.now
    private static var nanoseconds: Int { Int(start.duration(to: .now).seconds * 1e9) }
}
