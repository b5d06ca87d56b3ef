import Collectives
import Corpus
import Inference
import Optimization
import Recurrent

/// Everything that determines a training run, in the terms of this module; the command line translates its configuration.
package struct TrainingOptions: Sendable {
    package var model: ModelConfiguration
    /// S, the global batch.
    package var streams: Int
    package var unroll: UnrollPlan
    /// The run ends at this step.
    package var totalSteps: Int
    package var loss: LossConvention
    package var clip: GradientClip
    package var optimizer: OptimizerRule
    package var schedule: LearningRateSchedule
    package var seed: UInt64
    package var checkpoints: CheckpointPlan
    package var validation: ValidationPlan
    /// Steps between training records.
    package var metricsEverySteps: Int
    /// Steps between measurements of how far back the gradient reaches; 0 for none.
    package var gradientFlowEverySteps = 0
    /// Nil for no samples.
    package var samples: SamplePlan?
    /// Steps between comparisons of the ranks' copies of the parameters, in addition to those before each save; 0 for none.
    package var verifyEverySteps = 0
    /// K: the same bytes for every number of ranks that divides K; nil for the fastest way. See `ShardExchange`.
    package var reproducibleShards: Int?

    /// Whether validation decides by accuracy, and not by loss, which model is the best; for models that predict labels.
    package var picksByAccuracy = false
    /// Of a run on whole sequences: steps of the longest that validation reads; nil for streams.
    package var validationSteps: Int?

    package var exchange = ExchangePlan()
    /// This rank's place among the ranks that compute the same streams together; nil: each has streams of its own. See `decideSplit`.
    package var team: TeamPlace?
    /// Why the teams are others than `exchange.team` says; nil if they are not.
    package var teamNote: String?

    /// When to save; 0 means not by steps or not by time. The end of the run is always saved.
    package struct CheckpointPlan: Sendable {
        package var everySteps: Int
        package var everyMinutes: Double
        package var keep: Int

        package init(everySteps: Int, everyMinutes: Double, keep: Int) {
            self.everySteps = everySteps
            self.everyMinutes = everyMinutes
            self.keep = keep
        }
    }

    /// When to validate, and over how many streams.
    package struct ValidationPlan: Sendable {
        package var everySteps: Int
        package var everyEpoch: Bool
        package var streams: Int

        package init(everySteps: Int, everyEpoch: Bool, streams: Int) {
            self.everySteps = everySteps
            self.everyEpoch = everyEpoch
            self.streams = streams
        }
    }

    package init(
        model: ModelConfiguration, streams: Int, unroll: UnrollPlan, totalSteps: Int, loss: LossConvention,
        clip: GradientClip, optimizer: OptimizerRule, schedule: LearningRateSchedule, seed: UInt64,
        checkpoints: CheckpointPlan, validation: ValidationPlan, metricsEverySteps: Int
    ) {
        self.model = model
        self.streams = streams
        self.unroll = unroll
        self.totalSteps = totalSteps
        self.loss = loss
        self.clip = clip
        self.optimizer = optimizer
        self.schedule = schedule
        self.seed = seed
        self.checkpoints = checkpoints
        self.validation = validation
        self.metricsEverySteps = metricsEverySteps
    }
}

extension TrainingOptions {
    /// Bytes that one rank allocates, validation included; nil if that overflows or the ranks do not fit.
    package func memory(ranks: Int) -> Int? { memories(ranks: ranks)?.all }

    /// Of these, what exists once for the ranks of a team, or of a machine, beside parameters and slots; see `ModelMemory.shared`.
    package func sharedMemory(ranks: Int) -> Int { memories(ranks: ranks)?.training.shared ?? 0 }

    /// Of these, what exists once for the ranks of a machine: parameters and optimizer slots.
    private var machineMemory: Int { (1 + optimizer.name.slots.count) * 4 * ParameterLayout(model).count }

    /// Bytes that exist once for some ranks of a machine, or once for each of their teams.
    /// - Parameter ranks: of the whole job.
    package func sharedMemory(ofRanks count: Int, ranks: Int) -> Int {
        machineMemory + (teamSize > 1 ? max(1, count / teamSize) : 1) * sharedMemory(ranks: ranks)
    }

    /// Bytes of some ranks of a machine together; nil if that overflows.
    /// - Parameters:
    ///   - each: bytes of one rank, `memory` included.
    ///   - ranks: of the whole job.
    package func memory(ofRanks count: Int, each: Int, ranks: Int) -> Int? {
        let own = each - machineMemory - sharedMemory(ranks: ranks)
        return Int(exactly: (Double(own) * Double(count) + Double(sharedMemory(ofRanks: count, ranks: ranks))).rounded())
    }

    /// Floats of shared buffers, beside gradients, that this rank asks for: of a team its first, of ranks that pack together the first
    /// of a machine.
    func sharedBuffers(of teams: TeamsHere, here: any Communicator, ranks: Int) -> Int {
        guard let training = memories(ranks: ranks)?.training, teamSize > 1 ? teams.isSpeaker : here.rank == 0 else { return 0 }
        return (training.shared - (teamSize > 1 ? training.gradients : 0)) / MemoryLayout<Float>.stride
    }

    private func memories(ranks: Int) -> (all: Int, training: ModelMemory)? {
        let shards = reproducibleShards.flatMap { try? ShardPlan(streams: streams, shards: $0, ranks: ranks, teamSize: teamSize) }
        guard reproducibleShards == nil || shards != nil,
            let training = ModelMemory(
                model, batch: (streams * teamSize + ranks - 1) / ranks, steps: unroll.maximumLength, training: true,
                optimizerSlots: optimizer.name.slots.count, nodes: shards?.mostNodes ?? [],
                team: Team(rank: teamSize - 1, size: teamSize),
                packers: teamSize == 1 ? Team(rank: 0, size: ranks) : Team()),
            let evaluation = RecurrentPredictor.memory(
                model, streams: validationSteps.map { SequenceEvaluator.width(steps: $0) } ?? Evaluator.width(streams: validation.streams, ranks: ranks),
                steps: validationSteps ?? Evaluator.chunkLength),
            let flow = gradientFlowEverySteps == 0 ? 0 : GradientFlowProbe.memory(model, lags: unroll.base),
            let sample = samples == nil ? 0 : RecurrentPredictor.memory(model, streams: 1, steps: 1)
        else { return nil }
        return Int(exactly: (Double(training.total) + Double(evaluation) + Double(sample) + Double(flow)).rounded()).map { ($0, training) }
    }
}

extension UnrollPlan {
    /// Steps of a whole run. Exact even with random lengths, because these depend only on the seed.
    /// - Parameter length: predictions per stream and epoch.
    package func totalSteps(length: Int, epochs: Int) -> Int {
        if base == maximumLength { return epochs * ((length + base - 1) / base) }
        var step = 0
        for _ in 0..<epochs {
            var offset = 0
            while offset < length {
                step += 1
                offset += self.length(atStep: step)
            }
        }
        return step
    }
}
