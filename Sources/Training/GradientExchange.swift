import Collectives
import Kernels
import Recurrent

/// What ranks tell each other with each step beside the gradient.
public struct StepSignals: Sendable, Equatable {
    public var loss = LossSum()
    /// Ranks that were asked to stop.
    public var stop = 0
    /// Rank 0 found that a checkpoint is due by the clock, or was asked for one.
    public var save = 0

    public init(loss: LossSum = LossSum(), stop: Bool = false, save: Bool = false) {
        self.loss = loss
        self.stop = stop ? 1 : 0
        self.save = save ? 1 : 0
    }
}

/// Makes every rank's gradient the sum over ranks.
final class GradientExchange {
    private let communicator: any Communicator
    private let numbers: UnsafeMutableBufferPointer<Double>

    init(_ communicator: any Communicator) {
        self.communicator = communicator
        numbers = .allocate(capacity: 4)
        numbers.initialize(repeating: 0)
    }

    deinit { numbers.deallocate() }

    /// Token counts are exact: a Double holds integers up to 2^53.
    func sum(_ gradients: Arena, _ signals: StepSignals) throws -> StepSignals {
        if communicator.size == 1 { return signals }
        numbers[0] = signals.loss.total
        numbers[1] = Double(signals.loss.tokens)
        numbers[2] = Double(signals.stop)
        numbers[3] = Double(signals.save)
        try communicator.sum(numbers)
        try communicator.sum(gradients.buffer.elements)
        var total = StepSignals(loss: LossSum(total: numbers[0], tokens: Int(numbers[1])))
        total.stop = Int(numbers[2])
        total.save = Int(numbers[3])
        return total
    }
}
