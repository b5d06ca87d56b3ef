import Collectives
import Corpus
import Kernels
import Optimization
import Recurrent

/// One synchronous step of data-parallel truncated back-propagation, the same on every rank:
/// chunk, forward, backward, exchange, finite check, clip, update.
public final class TrainingStep {
    public struct Outcome: Sendable {
        /// Over all ranks.
        public let signals: StepSignals
        /// Of the reduced, scaled gradient, before clipping.
        public let gradientNorm: Double
        public let clipped: Bool
        public let learningRate: Double
        public let endsEpoch: Bool
    }

    /// Of this rank; `run` enters the phases, any thread may ask for the current one.
    public let clock = PhaseClock()

    private let options: TrainingOptions
    private let communicator: any Communicator
    private let heartbeat: Heartbeat
    private let replica: Replica
    private let model: LanguageModel
    private let inputs: UnsafeMutableBufferPointer<Int32>  // [T, B]
    private let targets: UnsafeMutableBufferPointer<Int32>  // [T, B]

    /// Collective. Parameters and slots are zero at first.
    /// - Parameter streams: this rank's.
    /// - Throws: `KernelError`, transport errors.
    public init(
        _ options: TrainingOptions, communicator: any Communicator, streams: Range<Int>, heartbeat: Heartbeat = Heartbeat()
    ) throws {
        self.options = options
        self.heartbeat = heartbeat
        self.communicator = communicator
        replica = try Replica(
            options.model, rule: options.optimizer, tokens: options.unroll.maximumLength * streams.count,
            exchange: options.exchange, communicator: communicator, clock: clock)
        model = try LanguageModel(
            options.model, parameters: replica.parameters, gradients: replica.gradients, batch: streams.count,
            steps: options.unroll.maximumLength, firstStream: streams.lowerBound, clock: clock)
        inputs = .allocate(capacity: options.unroll.maximumLength * streams.count)
        targets = .allocate(capacity: options.unroll.maximumLength * streams.count)
        inputs.initialize(repeating: 0)
        targets.initialize(repeating: 0)
    }

    deinit {
        inputs.deallocate()
        targets.deallocate()
    }

    /// The carried state of this rank's streams, as `LanguageModel.state`.
    public var carriedState: [Buffer] { model.state }

    public var parameters: Arena { replica.parameters }
    public var optimizer: Optimizer { replica.optimizer }
    /// Whether this rank has to fill in parameters and slots; the others share its.
    public var fillsParameters: Bool { replica.fillsParameters }

    /// Collective. Compares the ranks' parameters, where each has its own.
    /// - Throws: `TrainingError.replicasDiffer` on all ranks alike; transport errors.
    public func verifyReplicas(step: Int) throws {
        if replica.isReplicated { try ReplicaCheck.run(parameters, step: step, communicator) }
    }

    /// Collective. Takes the parameters as every rank has filled them in.
    public func begin() throws {
        try communicator.barrier()
        try model.packWeights()
    }

    /// - Parameters:
    ///   - step: from 1; decides dropout masks, random unroll length, learning rate.
    ///   - signals: what this rank has to say beside its loss.
    /// - Throws: `TrainingError` on all ranks alike, with the parameters unchanged; `KernelError`; transport errors.
    public func run(
        _ step: Int, chunks: inout ChunkIterator, schedule: LearningRateSchedule, signals: StepSignals
    ) throws -> Outcome {
        clock.enter(.other)
        let epoch = chunks.position.epoch + 1
        heartbeat.enter(.compute)
        let chunk = chunks.next(length: options.unroll.length(atStep: step), inputs: inputs, targets: targets)
        if chunk.startsEpoch { model.resetState() }
        let dropout = Dropout(rate: options.model.dropout, seed: options.seed, step: step)

        try model.forward(inputs.baseAddress!, steps: chunk.steps, dropout: dropout)
        var local = signals
        local.loss = try model.lossAndBackward(targets.baseAddress!, observer: replica.observer)
        heartbeat.enter(.exchange)
        let (global, norm) = try replica.reduce(local, inputs: inputs.baseAddress!, count: chunk.steps * model.batch)
        if !global.loss.total.isFinite || norm.nonFinite != nil {
            try fail(step, chunk: chunk, dropout: dropout, loss: local.loss, tensor: norm.nonFinite)
        }
        let divisor = options.loss == .perToken ? Double(global.loss.tokens) : Double(options.streams)
        let scaledNorm = norm.value / divisor
        var scale = 1 / divisor
        var limit: Float?
        switch options.clip {
        case .none: break
        case .norm(let largest): if scaledNorm > largest { scale *= largest / scaledNorm }
        case .value(let largest): limit = Float(largest)
        }
        let learningRate =
            schedule.rate(step: step, epoch: epoch) * options.unroll.learningRateScale(steps: chunk.steps)
        try replica.update(learningRate: learningRate, scale: Float(scale), limit: limit, update: step)
        heartbeat.enter(.compute)
        clock.enter(.packing)
        try model.packWeights()
        clock.enter(.other)
        return Outcome(
            signals: global, gradientNorm: scaledNorm, clipped: scale * divisor < 1, learningRate: learningRate,
            endsEpoch: chunk.endsEpoch)
    }

    /// All ranks get here together, for what they look at is the same on all. The sum has replaced the local gradients,
    /// so each rank computes its own once more to find whose it was.
    private func fail(_ step: Int, chunk: Chunk, dropout: Dropout, loss: LossSum, tensor: String?) throws -> Never {
        let losses = try communicator.allGather(loss.total.isFinite ? [] : [1])
        let bad = losses.indices.filter { !losses[$0].isEmpty }
        guard bad.isEmpty, let tensor else { throw TrainingError.lossNotFinite(step: step, ranks: bad) }
        replica.clearTouchedRows()
        model.rewind()
        try model.forward(inputs.baseAddress!, steps: chunk.steps, dropout: dropout)
        _ = try model.lossAndBackward(targets.baseAddress!)
        let own = GradientNorm(replica.gradients).nonFinite ?? ""
        let culprits = try communicator.allGather(Array(own.utf8)).enumerated()
            .filter { !$0.element.isEmpty }
            .map { "\(String(decoding: $0.element, as: UTF8.self)) of rank \($0.offset)" }
        throw TrainingError.gradientNotFinite(step: step, tensor: tensor, culprits: culprits)
    }
}
