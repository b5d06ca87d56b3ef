import Glibc
import Synchronization

/// Measures where the time of a training step goes: the code marks the start of each phase, and the clock sums up how long each
/// lasted. Allocates nothing after `init`; `enter` costs one reading of the monotonic clock.
///
/// One thread enters phases and reads the sums. Any thread may ask for the current `phase`: `Sendable` rests on that,
/// not on the compiler.
package final class PhaseClock: @unchecked Sendable {
    /// The parts of a step. Raw values index `nanoseconds`.
    package enum Phase: UInt8, Sendable, CaseIterable {
        /// Between steps, and everything outside the other phases.
        case other
        /// Copies rows of the embedding to the first layer's input.
        case embedding
        /// W x of a layer, all time steps at once.
        case projection
        /// U h, gates and states of a layer, step by step.
        case recurrence
        case dropout
        /// The logits' product.
        case output
        /// Bias, softmax, cross-entropy and its gradient.
        case softmax
        /// Gradients of the output layer's input, weights and bias.
        case outputBackward
        /// The gates' gradients and U's product with them, step by step.
        case recurrenceBackward
        /// Gradients of a layer's input weights, recurrent weights and biases.
        case weightGradients
        /// Gradient of a layer's input.
        case projectionBackward
        case embeddingBackward
        /// Waiting for the other ranks.
        case wait
        /// Exchanging gradients, once all ranks have theirs.
        case exchange
        /// Norm, clip, optimizer.
        case update
        /// Packing the new weights into the layout that the products need.
        case packing
    }

    /// One for each phase.
    private let sums: UnsafeMutablePointer<UInt64>
    /// The phase that started at `since`; `visible` is the same for other threads.
    private var current = Phase.other
    private var since: UInt64
    private let visible = Atomic<UInt8>(Phase.other.rawValue)

    package init() {
        sums = .allocate(capacity: Phase.allCases.count)
        sums.initialize(repeating: 0, count: Phase.allCases.count)
        since = PhaseClock.now
    }

    deinit { sums.deallocate() }

    /// Ends the current phase and starts `phase`, which may be the same.
    package func enter(_ phase: Phase) {
        let now = PhaseClock.now
        sums[Int(current.rawValue)] &+= now &- since
        since = now
        current = phase
        visible.store(phase.rawValue, ordering: .relaxed)
    }

    /// The current phase of this clock's thread; may be read from any thread.
    package var phase: Phase { Phase(rawValue: visible.load(ordering: .relaxed))! }

    /// Time spent in each phase so far, by raw value, up to the last `enter`; valid as long as the clock.
    package var nanoseconds: UnsafeBufferPointer<UInt64> {
        UnsafeBufferPointer(start: sums, count: Phase.allCases.count)
    }

    private static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }
}
