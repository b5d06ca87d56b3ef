/// When a run records, compares the ranks' parameters, validates and saves. Decided alike on all ranks: by the step, which
/// is the same everywhere, and by what travels with the signals.
struct Cadence {
    private let options: TrainingOptions
    /// Only rank 0 reads the clock, or ranks would disagree on the time.
    private let readsClock: Bool
    private var lastSave = ContinuousClock.now

    init(_ options: TrainingOptions, readsClock: Bool) {
        self.options = options
        self.readsClock = readsClock
    }

    func records(after step: Int) -> Bool { step % options.metricsEverySteps == 0 || step == options.totalSteps }

    /// Before the first step and after the last one too.
    func measuresGradientFlow(after step: Int) -> Bool {
        options.gradientFlowEverySteps > 0 && (isDue(every: options.gradientFlowEverySteps, step) || step == options.totalSteps)
    }

    func comparesReplicas(after step: Int) -> Bool { isDue(every: options.verifyEverySteps, step) }

    /// The validation after the last step.
    func validates(after progress: TrainingProgress) -> Bool {
        let plan = options.validation
        return plan.everyEpoch && progress.endsEpoch || isDue(every: plan.everySteps, progress.step)
    }

    /// Whether a checkpoint is due by the clock, for the signals.
    var isTimeToSave: Bool {
        let minutes = options.checkpoints.everyMinutes
        return readsClock && minutes > 0 && lastSave.duration(to: .now).seconds > minutes * 60
    }

    /// - Parameter signals: of the last step, from all ranks.
    func saves(after progress: TrainingProgress, _ signals: StepSignals) -> Bool {
        progress.isBest || signals.save > 0 || isDue(every: options.checkpoints.everySteps, progress.step)
    }

    mutating func saved() { lastSave = .now }

    private func isDue(every interval: Int, _ step: Int) -> Bool { interval > 0 && step % interval == 0 }
}
