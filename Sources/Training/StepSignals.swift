import Recurrent

/// What ranks exchange in each step in addition to the gradient.
package struct StepSignals: Sendable, Equatable {
    package var loss = LossSum()
    /// The number of ranks that were asked to stop.
    package var stop = 0
    /// Whether rank 0 found that a checkpoint is due by the clock, or was asked for one.
    package var save = 0

    package init(loss: LossSum = LossSum(), stop: Bool = false, save: Bool = false) {
        self.loss = loss
        self.stop = stop ? 1 : 0
        self.save = save ? 1 : 0
    }
}
