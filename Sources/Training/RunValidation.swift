import Checkpoints
import Collectives
import Corpus
import Elementary
import Inference
import Reporting

/// The validations of a run, which decide which checkpoint is the best, and its samples.
final class RunValidation {
    private let options: TrainingOptions
    private let step: TrainingStep
    private let predictor: RecurrentPredictor
    /// Nil if the dataset has no validation part.
    private let evaluator: (any ValidationText)?
    /// Where gradient flow is measured.
    private let text: TokenStore
    private let heartbeat: Heartbeat
    private let reporter: (any TrainingReporter)?
    /// The last one of this session.
    private(set) var last: Evaluation?
    private var lastStep: Int?

    /// - Parameters:
    ///   - tokens: nil if the dataset has no validation part.
    ///   - training: takes its place where the gradient flow is measured.
    ///   - sequences: nil to read `tokens` in streams.
    /// - Throws: `PartitionError`, `KernelError`.
    init(
        _ options: TrainingOptions, tokens: TokenStore?, training: TokenStore, sequences: SequenceStore?, step: TrainingStep,
        communicator: any Communicator,
        heartbeat: Heartbeat, reporter: (any TrainingReporter)?
    ) throws {
        self.options = options
        self.step = step
        text = tokens ?? training
        self.heartbeat = heartbeat
        self.reporter = reporter
        let predictor = RecurrentPredictor(options.model, parameters: step.result)
        self.predictor = predictor
        if let sequences {
            evaluator = try SequenceEvaluator(predictor, sequences: sequences, communicator: communicator)
        } else {
            evaluator = try tokens.map {
                try Evaluator(predictor, tokens: $0, streams: options.validation.streams, communicator: communicator)
            }
        }
    }

    var isPossible: Bool { evaluator != nil }

    /// The loss of a guess among all tokens, nats; infinite where no tokens are predicted.
    private var chance: Double { options.model.output == .next ? Elementary.logarithm(Double(options.model.vocabulary)) : .infinity }

    /// Whether the model of this step has been validated, or there is nothing to validate with.
    func isDone(after step: Int) -> Bool { evaluator == nil || lastStep == step }

    /// The loss of this step's model, nats per token, if it was validated in this session.
    func loss(after step: Int) -> Double? { lastStep == step ? last?.nats : nil }

    func restore(_ manifest: Manifest) { if manifest.validationLoss != nil { lastStep = manifest.step } }

    /// Collective.
    /// - Parameters:
    ///   - progress: learns whether this is the best so far.
    ///   - final: the extra validation at the end of the run, which schedule and averaging must not see, or a run made longer later
    ///     would differ from one that was that long from the start.
    /// - Returns: whether it is complete; false if a rank is to stop.
    /// - Throws: `TrainingError.validationNotFinite`, `KernelError`, transport errors.
    func run(_ progress: inout TrainingProgress, final: Bool = false, unless requests: any RunRequests) throws -> Bool {
        guard let evaluator else { return true }
        heartbeat.enter(.validation)
        let progressed = { [reporter, heartbeat] (share: Double) in
            if share < 1 { heartbeat.beat() } else { heartbeat.enter(.exchange) }
            reporter?.validating(share: share)
        }
        try predictor.change(to: step.result)
        guard let evaluation = try evaluator.evaluate(progress: progressed, unless: { requests.isStopping }) else { return false }
        guard evaluation.total.isFinite else { throw TrainingError.validationNotFinite(step: progress.step) }
        last = evaluation
        lastStep = progress.step
        let result = Manifest.Best(validationLoss: evaluation.nats, step: progress.step, accuracy: evaluation.accuracy)
        if isBetter(result, than: progress.best) { progress.best = result }
        let improved = !final && isBetter(result, than: progress.bestCounted)
        if improved { progress.bestCounted = result }
        let reduces = !final && progress.schedule.validated(improved: improved)
        let averages = !final && progress.averaging?.validated(loss: evaluation.nats, step: progress.step) == true
        reporter?.validated(
            ValidationRecord(
                step: progress.step, epoch: progress.epoch, tokens: evaluation.tokens, loss: evaluation.nats,
                measure: options.model.output.measure, accuracy: evaluation.accuracy, averagedSteps: progress.averaging?.start.map { progress.step - $0 }))
        if evaluation.nats > chance {
            reporter?.warning(
                "step \(progress.step): on the validation part the model is worse than a guess among all \(options.model.vocabulary) tokens; if that lasts, lower training.optimizer.learning_rate or training.clip")
        }
        sample(progress)
        if reduces {
            reporter?.note("validation did not improve: the learning rate is now \(progress.schedule.rate(step: progress.step + 1, epoch: progress.epoch))")
        }
        if averages, let interval = progress.averaging?.interval {
            let best = interval == 0 ? "the best so far" : "the best of those more than \(interval) validation\(interval == 1 ? "" : "s") ago"
            reporter?.note("validation is worse than \(best): averaging of the weights begins with step \(progress.step + 1)")
        }
        return true
    }

    private func isBetter(_ result: Manifest.Best, than best: Manifest.Best?) -> Bool {
        options.picksByAccuracy
            ? result.accuracy ?? 0 > best?.accuracy ?? -1 : result.validationLoss < best?.validationLoss ?? .infinity
    }

    /// As `sample`, on rank 0 alone: how far back the gradient reaches. Nothing that training uses is touched.
    func measureGradientFlow(_ progress: TrainingProgress) {
        guard let reporter else { return }
        heartbeat.enter(.validation)
        do {
            let probe = try GradientFlowProbe(options.model, parameters: step.result, text: text, lags: options.unroll.base)
            let flow = try probe.measure { _ in heartbeat.beat() }
            reporter.measured(GradientFlowRecord(step: progress.step, epoch: progress.epoch, flow: flow))
        } catch {
            reporter.warning("step \(progress.step): gradient flow not measured: \(error)")
        }
    }

    /// On rank 0 alone, while the others wait with their next step: until rank 0 joins them, the parameters do not change.
    func sample(_ progress: TrainingProgress) {
        guard let reporter, let plan = options.samples, options.model.output == .next else { return }
        heartbeat.enter(.validation)
        do {
            let predictor = RecurrentPredictor(options.model, parameters: step.result)
            let text = try plan.write(predictor, seed: options.seed) { heartbeat.beat() }
            reporter.sampled(SampleRecord(step: progress.step, epoch: progress.epoch, text: text))
        } catch {
            reporter.warning("step \(progress.step): no sample: \(error)")
        }
    }
}
