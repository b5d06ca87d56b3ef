import Collectives
import Kernels
import Optimization
import Recurrent

/// One rank's part in a training step: the gradient of its streams, the sum over all ranks, the update. `TrainingStep`
/// makes the decisions, which are the same on all ranks.
final class StepEngine {
    let store: ParameterStore
    let model: Network
    private let exchange: any GradientExchange
    private let team: Team
    /// The ranks of this machine where each has streams of its own.
    private let packers: Team
    private let signals: SignalSum
    private let clock: PhaseClock

    /// Collective.
    /// - Parameter streams: those of this rank, or of its team.
    /// - Throws: `KernelError`, `ShardError`, `CollectiveFailure`, transport errors.
    init(
        _ options: TrainingOptions, streams: Range<Int>, communicator: any Communicator, heartbeat: Heartbeat, clock: PhaseClock
    ) throws {
        let machines = try communicator.machineGroups()
        let teams = try TeamsHere(options.team ?? TeamPlace(alone: communicator), machines.here)
        let place = teams.place
        let team =
            place.size > 1 && machines.here.size > 1
            ? try Team(teams, of: machines.here, heartbeat: heartbeat) : Team(rank: place.rank, size: place.size)
        if let shards = options.reproducibleShards {
            exchange = try ShardExchange(options, shards: shards, teams, machines, communicator: communicator, clock: clock)
        } else {
            exchange = try OverlappedExchange(options, streams: streams, teams, machines, communicator: communicator, clock: clock)
        }
        let packs = place.size == 1 && machines.here.size > 1
        let packers = packs ? try Team(machines.here, heartbeat: heartbeat) : Team()
        (self.team, self.packers) = (team, packers)
        store = exchange.store
        let steps = options.unroll.maximumLength
        // If one machine has too little memory for its team, the ranks of the others must stop as well.
        model = try communicator.together("building the network") { [exchange, store] in
            try Network(
                options.model, parameters: store.parameters, sums: try exchange.makeSums(steps: steps), batch: streams.count,
                steps: steps, firstStream: streams.lowerBound, team: team, packers: packers, clock: clock)
        }
        signals = SignalSum(losses: options.reproducibleShards ?? 1, team: place.number, of: communicator)
        self.clock = clock
    }

    /// As `Network.inputRows`.
    var inputRows: (forward: Int, backward: Int) { model.inputRows }
    /// How often the ranks of the team have met.
    var meetings: Int { team.meetings }
    var speaksForTeam: Bool { team.rank == 0 }

    /// The loss of a batch; the gradient of its sum is kept for `reduce`.
    func lossAndGradient(_ batch: Batch, _ context: StepContext) throws -> LossSum {
        if batch.startsAfresh {
            // Until no rank of the team saves the state any more.
            try team.meet(clock)
            model.resetState()
        }
        return try run(batch, context, observer: exchange.observer)
    }

    private func run(_ batch: Batch, _ context: StepContext, observer: (any BackwardObserver)? = nil) throws -> LossSum {
        do {
            try model.forward(batch.inputs, steps: batch.steps, starts: batch.starts, context: context)
            return try model.lossAndBackward(batch.targets, observer: observer)
        } catch {
            team.leave()
            packers.leave()
            throw error
        }
    }

    /// Collective. Sums all ranks' gradients, each rank its part, and signals.
    /// - Returns: the same on every rank.
    func reduce(_ own: StepSignals, of batch: Batch) throws -> (signals: StepSignals, norm: GradientNorm) {
        clock.enter(.exchange)
        let tokens = store.parameters.layout.embedding.isFrozen ? 0 : batch.steps * model.batch
        exchange.publish(UnsafeBufferPointer(start: batch.inputs, count: tokens), model.touchedByHead)
        try exchange.finishStarted()
        // Also the place where the ranks wait for one another's gradients.
        clock.enter(.wait)
        var own = own
        // A team's loss counts once.
        if !speaksForTeam { own.loss = LossSum() }
        let total = try signals.sum(own, shardLosses: speaksForTeam ? model.shardLosses : [])
        clock.enter(.exchange)
        try exchange.run()
        clock.enter(.update)
        exchange.measure()
        clock.enter(.wait)
        let norm = try exchange.norm()
        clock.enter(.update)
        return (total, norm)
    }

    /// Collective. Updates the parameters; afterwards every rank sees all of them.
    func update(learningRate: Double, scale: Float, limit: Float?, update: Int, iterates: Int) throws {
        try store.update(
            with: exchange.sum, learningRate: learningRate, scale: scale, limit: limit, update: update, iterates: iterates)
    }

    /// Called instead of `update`: discards the gradient. The carried state keeps the effect of the batch.
    func discardGradient() { store.clearSparse(of: exchange.sum) }

    /// Called instead of `update`: the first tensor of this rank's own gradient that is not finite. The sum has replaced the
    /// gradient, so it is computed once more.
    func nonFiniteTensor(of batch: Batch, _ context: StepContext) throws -> String? {
        discardGradient()
        model.rewind()
        _ = try run(batch, context)
        return exchange.nonFiniteTensor
    }
}
