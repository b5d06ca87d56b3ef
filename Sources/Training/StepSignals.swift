import Recurrent

/// What ranks exchange in each step in addition to the gradient.
public struct StepSignals: Sendable, Equatable {
    public var loss = LossSum()
    /// The number of ranks that were asked to stop.
    public var stop = 0
    /// Whether rank 0 found that a checkpoint is due by the clock, or was asked for one.
    public var save = 0

    public init(loss: LossSum = LossSum(), stop: Bool = false, save: Bool = false) {
        self.loss = loss
        self.stop = stop ? 1 : 0
        self.save = save ? 1 : 0
    }
}
