import Checkpoints
import Corpus
import Optimization
import Recurrent

/// The progress of a run, apart from its tensors: what the manifest of a checkpoint stores.
struct TrainingProgress {
    /// Number of updates.
    var step = 0
    var position = DataPosition()
    /// Tokens trained so far, over all streams and epochs.
    var tokens = 0
    var schedule: LearningRateSchedule
    /// Of `nt_asgd`; nil for other optimizers.
    var averaging: AveragingTrigger?
    var best: Manifest.Best?
    /// As `best`, among the validations that count for the schedule.
    var bestCounted: Manifest.Best?
    /// Loss since the last training record, so that a resumed run writes the records an uninterrupted one does.
    var interval = LossSum()
    var intervalSteps = 0
    var clippedSteps = 0
    /// Seconds of all sessions.
    var elapsed = 0.0

    init(schedule: LearningRateSchedule, optimizer: OptimizerRule) {
        self.schedule = schedule
        averaging = optimizer.name.averages ? AveragingTrigger(interval: optimizer.nonMonotoneInterval) : nil
    }

    /// The epoch of the last step, counted from 1.
    var epoch: Int { position.offset == 0 ? position.epoch : position.epoch + 1 }

    /// Whether the last step was the last of its epoch.
    var endsEpoch: Bool { position.offset == 0 && step > 0 }

    /// Whether no validation before that of this step's model was as good.
    var isBest: Bool { best?.step == step }

    /// The number of iterates in the model's average after `step`; 0 if the model is the weights themselves.
    func iterates(after step: Int) -> Int { averaging?.iterates(after: step) ?? 0 }

    /// Counts a step.
    /// - Parameter position: where the next one reads.
    mutating func add(_ outcome: TrainingStep.Outcome, position: DataPosition, elapsed: Double) {
        step += 1
        self.position = position
        tokens += outcome.signals.loss.tokens
        interval += outcome.signals.loss
        intervalSteps += 1
        clippedSteps += outcome.clipped ? 1 : 0
        self.elapsed = elapsed
    }

    /// Call it after a training record.
    mutating func beginInterval() {
        interval = LossSum()
        intervalSteps = 0
        clippedSteps = 0
    }

    /// The numbers without a field of their own in the manifest.
    var numbers: [String: Double] {
        [
            "plateau_scale": schedule.plateauScale,
            "validations_without_improvement": Double(schedule.validationsWithoutImprovement),
            "counted_best_loss": bestCounted?.validationLoss ?? -1, "counted_best_accuracy": bestCounted?.accuracy ?? -1,
            "interval_loss": interval.total, "interval_tokens": Double(interval.tokens),
            "interval_steps": Double(intervalSteps), "interval_clipped": Double(clippedSteps), "elapsed_seconds": elapsed,
        ]
    }

    mutating func restore(_ manifest: Manifest) {
        step = manifest.step
        position = DataPosition(epoch: manifest.epoch, offset: manifest.offset)
        tokens = manifest.tokens
        best = manifest.best
        if let averaging, let saved = manifest.averaging {
            self.averaging = AveragingTrigger(interval: averaging.interval, losses: saved.validationLosses, start: saved.start)
        }
        let numbers = manifest.schedule
        schedule.plateauScale = numbers["plateau_scale"] ?? 1
        bestCounted = manifest.best  // of a program that did not tell them apart
        if let loss = numbers["counted_best_loss"] {
            let accuracy = numbers["counted_best_accuracy"].flatMap { $0 < 0 ? nil : $0 }
            bestCounted = loss >= 0 ? Manifest.Best(validationLoss: loss, step: step, accuracy: accuracy) : nil
        }
        schedule.validationsWithoutImprovement = count(numbers["validations_without_improvement"])
        interval = LossSum(total: numbers["interval_loss"] ?? 0, tokens: count(numbers["interval_tokens"]))
        intervalSteps = count(numbers["interval_steps"])
        clippedSteps = count(numbers["interval_clipped"])
        elapsed = numbers["elapsed_seconds"] ?? 0
    }

    /// 0 if the number is not a count, or could not be incremented without overflow.
    private func count(_ number: Double?) -> Int {
        let count = Int(exactly: (number ?? 0).rounded()) ?? 0
        return 0...1 << 60 ~= count ? count : 0
    }
}
