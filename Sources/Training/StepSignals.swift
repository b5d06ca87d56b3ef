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
