import Checkpoints
import Inference

/// How a run ended.
package struct TrainingResult: Sendable {
    package var step: Int
    /// False if it stopped on request.
    package var finished: Bool
    package var best: Manifest.Best?
    /// The number of steps whose weights the model is the average of; 0 if it is no average.
    package var averagedSteps = 0
    package var lastValidation: Evaluation?
    /// The run folder.
    package var folder: String
    /// Steps trained in this session.
    package var steps: Int
    /// As above.
    package var tokens: Int
    /// Seconds of this session, validation and checkpoints included.
    package var seconds: Double
    /// Seconds of this session spent in steps.
    package var stepSeconds: Double
}

/// The time and work of one session: what lies between the start of the program, or a resumption, and its end.
struct TrainingSession {
    private let start = ContinuousClock.now
    private let earlier: TrainingProgress
    private var stepSeconds = 0.0

    /// - Parameter progress: that of earlier sessions.
    init(after progress: TrainingProgress) { earlier = progress }

    mutating func addStep(seconds: Double) { stepSeconds += seconds }

    private var seconds: Double { start.duration(to: .now).seconds }

    /// Seconds of all sessions.
    var elapsed: Double { earlier.elapsed + seconds }

    func result(_ progress: TrainingProgress, finished: Bool, lastValidation: Evaluation?, folder: String) -> TrainingResult {
        TrainingResult(
            step: progress.step, finished: finished, best: progress.best,
            averagedSteps: progress.iterates(after: progress.step), lastValidation: lastValidation, folder: folder,
            steps: progress.step - earlier.step, tokens: progress.tokens - earlier.tokens, seconds: seconds,
            stepSeconds: stepSeconds)
    }
}

extension Duration {
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
