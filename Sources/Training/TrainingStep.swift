import Collectives
import Corpus
import Inference
import Kernels
import Optimization
import Recurrent

/// One synchronous step of data-parallel truncated back-propagation, the same on every rank:
/// batch, forward, backward, exchange, finite check, clip, update.
package final class TrainingStep {
    package struct Outcome: Sendable {
        /// The loss over all ranks.
        package let signals: StepSignals
        /// The norm of the reduced, scaled gradient, before clipping.
        package let gradientNorm: Double
        package let clipped: Bool
        package let learningRate: Double
    }

    /// The clock of this rank: `run` enters the phases, and any thread may ask for the current one.
    package let clock = PhaseClock()

    private let options: TrainingOptions
    private let communicator: any Communicator
    private let heartbeat: Heartbeat
    private let engine: StepEngine

    /// Collective. Parameters and slots are initially zero.
    /// - Parameter streams: the streams of this rank, or of its team (`TrainingOptions.streams`).
    /// - Throws: `KernelError`, `ShardError`, transport errors.
    package init(
        _ options: TrainingOptions, communicator: any Communicator, streams: Range<Int>, heartbeat: Heartbeat = Heartbeat()
    ) throws {
        self.options = options
        self.heartbeat = heartbeat
        self.communicator = communicator
        engine = try StepEngine(options, streams: streams, communicator: communicator, heartbeat: heartbeat, clock: clock)
    }

    /// The carried state of this rank's streams, as `Network.state`.
    package var carriedState: [Buffer] { engine.model.state }

    /// As `Network.inputRows`, in the last step.
    package var inputRows: (forward: Int, backward: Int) { engine.inputRows }
    /// How often the ranks of the team have met.
    package var meetings: Int { engine.meetings }
    /// False where another rank of the team has the same state.
    var speaksForTeam: Bool { engine.speaksForTeam }

    package var parameters: Arena { engine.store.parameters }
    package var optimizer: Optimizer { engine.store.optimizer }
    /// What is validated, sampled from and saved as the model: the parameters, or their average once it has begun.
    package var result: Arena { optimizer.average ?? parameters }
    /// Whether this rank must fill in parameters and slots; the others share them.
    package var fillsParameters: Bool { engine.store.fillsParameters }

    /// Collective. Compares the ranks' parameters if each has its own.
    /// - Throws: `TrainingError.replicasDiffer`, the same on all ranks; transport errors.
    package func verifyReplicas(step: Int) throws {
        guard engine.store.isReplicated else { return }
        try ReplicaCheck.run(parameters, step: step, communicator)
        if let average = optimizer.average { try ReplicaCheck.run(average, named: "optimizer.ax.", step: step, communicator) }
    }

    /// As `Network.take`.
    func take(_ sequences: SequenceStore) { engine.model.take(sequences) }

    /// Collective. Call it after the parameters have been filled in.
    package func begin() throws {
        try communicator.barrier()
        try engine.model.packWeights()
    }

    /// - Parameters:
    ///   - step: from 1; decides dropout masks, random unroll length, learning rate.
    ///   - source: gives this rank its batch.
    ///   - iterates: the number in the average of `nt_asgd` after this step; 0: none yet.
    ///   - signals: what this rank reports in addition to its loss.
    /// - Throws: `TrainingError`, the same on all ranks, with the parameters unchanged; `KernelError`; transport errors.
    package func run(
        _ step: Int, from source: any BatchSource, schedule: LearningRateSchedule, iterates: Int = 0, signals: StepSignals
    ) throws -> Outcome {
        clock.enter(.other)
        let epoch = source.position.epoch + 1
        heartbeat.enter(.compute)
        let batch = source.next(step)

        var local = signals
        local.loss = try engine.lossAndGradient(batch, context(step))
        heartbeat.enter(.exchange)
        let (global, norm) = try engine.reduce(local, of: batch)
        if !global.loss.total.isFinite || norm.nonFinite != nil {
            try fail(step, batch, loss: local.loss, tensor: norm.nonFinite)
        }
        // A batch of sequences need not have a target.
        let divisor = options.loss == .perToken ? Double(max(1, global.loss.tokens)) : Double(batch.sequences ?? options.streams)
        let scaledNorm = norm.value / divisor
        var scale = 1 / divisor
        var limit: Float?
        var clipped = false
        switch options.clip {
        case .none: break
        case .norm(let largest):
            clipped = scaledNorm > largest
            if clipped { scale *= largest / scaledNorm }
        case .value(let largest): limit = Float(largest)
        }
        let learningRate = schedule.rate(step: step, epoch: epoch) * batch.learningRateScale
        try engine.update(learningRate: learningRate, scale: Float(scale), limit: limit, update: step, iterates: iterates)
        heartbeat.enter(.compute)
        clock.enter(.packing)
        try engine.model.packWeights()
        clock.enter(.other)
        return Outcome(signals: global, gradientNorm: scaledNorm, clipped: clipped, learningRate: learningRate)
    }

    /// Collective. Shows that a run can resume from the present state: parameters, optimizer slots and carried state are
    /// finite, and so are loss and gradient of the next step. Changes none of them.
    /// - Parameters:
    ///   - step: the last one done.
    ///   - source: gives the next step its batch, and afterwards once more.
    /// - Throws: `TrainingError.stateNotFinite`, `.nextStepNotFinite`, the same on all ranks; `KernelError`; transport errors.
    package func verifyUsable(after step: Int, source: any BatchSource) throws {
        heartbeat.enter(.exchange)
        try requireFiniteState(after: step)
        let state = engine.model.state.map { Array($0.elements) }
        defer { for (buffer, values) in zip(engine.model.state, state) { buffer.elements.update(from: values) } }
        heartbeat.enter(.compute)
        let position = source.position
        let batch = source.next(step + 1)
        try source.seek(position)
        let loss = try engine.lossAndGradient(batch, context(step + 1))
        heartbeat.enter(.exchange)
        let (global, norm) = try engine.reduce(StepSignals(loss: loss), of: batch)
        engine.discardGradient()
        if !global.loss.total.isFinite || norm.nonFinite != nil {
            throw TrainingError.nextStepNotFinite(
                step: step, found: global.loss.total.isFinite ? "a gradient that is not finite, in \(norm.nonFinite ?? "")" : "a loss that is not finite")
        }
    }

    /// The first tensor of a checkpoint, of those that this rank knows, that holds a NaN or an infinity.
    private var tensorNotFinite: String? {
        if fillsParameters {
            for entry in parameters.layout.entries where !parameters.values(entry).areFinite { return entry.name }
            if let name = optimizer.nonFiniteTensor { return name }
        }
        for (buffer, name) in zip(carriedState, CarriedState.names(options.model)) where !buffer.elements.areFinite { return name }
        return nil
    }

    private func context(_ step: Int) -> StepContext { StepContext(seed: options.seed, step: step) }

    /// All ranks reach this together, since the values that they check are the same on all.
    private func fail(_ step: Int, _ batch: Batch, loss: LossSum, tensor: String?) throws -> Never {
        // The step before may have done it: then the weights are to blame, and not this step's numbers.
        try requireFiniteState(after: step - 1)
        let losses = try communicator.allGather(loss.total.isFinite ? [] : [1])
        let bad = losses.indices.filter { !losses[$0].isEmpty }
        guard bad.isEmpty, let tensor else { throw TrainingError.lossNotFinite(step: step, ranks: bad) }
        let own = try engine.nonFiniteTensor(of: batch, context(step)) ?? ""
        let culprits = try communicator.allGather(text: own).enumerated()
            .filter { !$0.element.isEmpty }
            .map { "\($0.element) of rank \($0.offset)" }
        throw TrainingError.gradientNotFinite(step: step, tensor: tensor, culprits: culprits)
    }

    /// Collective.
    private func requireFiniteState(after step: Int) throws {
        if let tensor = try communicator.allGather(text: tensorNotFinite ?? "").first(where: { !$0.isEmpty }) {
            throw TrainingError.stateNotFinite(step: step, tensor: tensor)
        }
    }
}
