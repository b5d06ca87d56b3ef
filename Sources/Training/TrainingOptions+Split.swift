import Collectives
import Corpus
import Diagnostics
import Platform
import Recurrent

extension TrainingOptions {
    /// Collective. Decides from `exchange.split` and `exchange.team` who computes what: sets `team` and `teamNote`.
    /// - Throws: `SplitError` where units cannot be shared out; `TeamsError`, `ShardError`, transport errors.
    package mutating func decideSplit(_ communicator: any Communicator, machine: Machine = .this) throws {
        (team, teamNote) = (nil, nil)
        if try sharesUnits(communicator, machine) {
            (team, teamNote) = try TeamPlace.find(exchange.team, communicator, machine: machine)
        }
        guard let reproducibleShards else { return }
        _ = try ShardPlan(streams: streams, shards: reproducibleShards, ranks: communicator.size, teamSize: teamSize)
    }

    /// Collective.
    private func sharesUnits(_ communicator: any Communicator, _ machine: Machine) throws -> Bool {
        if exchange.split == .streams { return false }
        guard let unshared = model.unshared else { return try exchange.split == .units || prefersUnits(communicator, machine) }
        if exchange.split == .units { throw SplitError(setting: unshared) }
        return false
    }

    /// Ranks that compute the same streams together.
    package var teamSize: Int { team?.size ?? 1 }

    /// The most streams per rank with which units pay, and the fewest recurrent weights of the largest layer, as measured on two cores
    /// (docs/scaling.md). With more rows a product is not limited by reading weights; fewer weights (2 MiB) stay in a core's second cache.
    private static let fewStreams = 16
    private static let manyWeights = 1 << 19

    /// Collective. The rule of `auto`: units where streams are impossible, and where few rows meet large weights on cores of their own.
    private func prefersUnits(_ communicator: any Communicator, _ machine: Machine) throws -> Bool {
        if streams < communicator.size { return true }
        if let shards = reproducibleShards, shards % communicator.size != 0 { return true }
        guard streams <= Self.fewStreams * communicator.size, model.recurrentWeights >= Self.manyWeights else { return false }
        return try machine.hasCoreForEachRank(communicator)
    }

    /// The most ranks of a machine, one for each of its cores at most, that can train.
    package func usefulRanks(of cores: Int) -> Int {
        if exchange.split != .streams, model.unshared == nil { return exchange.split == .units ? cores : min(cores, streams) }
        let most = max(1, min(cores, streams))
        guard let shards = reproducibleShards else { return most }
        return largestDivisor(of: shards, upTo: most)
    }

    /// Collective. The streams of this rank, or of its team.
    /// - Throws: `PartitionError`, `TeamsError`.
    package func streams(of communicator: any Communicator) throws -> Range<Int> {
        let place = team ?? TeamPlace(alone: communicator)
        if place.size > 1, streams < place.count { throw TeamsError.fewerStreams(streams: streams, teams: place.count) }
        return try StreamPartition.owned(by: place.number, of: place.count, streams: streams)
    }
}

extension ModelConfiguration {
    /// Of the layer that has most: the weights that a time step multiplies.
    fileprivate var recurrentWeights: Int {
        layerPlans(.token).map { plan in
            plan.products.filter { $0.phase == .recurrence }.reduce(0) { $0 + $1.columns * $1.inner }
        }.max() ?? 0
    }
}

extension Machine {
    /// Collective. Whether every machine has a physical core for each of its ranks, and the right to use it all the time.
    fileprivate func hasCoreForEachRank(_ communicator: any Communicator) throws -> Bool {
        let here = try communicator.machineGroups().here
        let own = processors
        let cores = try here.allGather(numbers: own.allowed.compactMap { own.cores[$0].flatMap { Int($0) } })
        let isEnough = Set(cores.joined()).count >= here.size && own.quota ?? .infinity >= Double(here.size)
        return try communicator.allGather(numbers: [isEnough ? 1 : 0]).allSatisfy { $0 == [1] }
    }
}

/// The ranks of a machine cannot share the units of this run.
package struct SplitError: DiagnosedError, Equatable {
    /// The setting with which they cannot.
    let setting: String

    package var kind: FailureKind { .usage }
    package var diagnosis: Diagnosis {
        Diagnosis(
            "ranks cannot share hidden units with this \(setting)", location: "exchange.split", expected: "streams or auto",
            found: "units", remedy: "set exchange.split to streams")
    }
}

/// Ranks that cannot form the teams that were asked for.
package enum TeamsError: DiagnosedError, Equatable {
    /// - ranks: of each machine; 1 if machines have different numbers.
    case unequal(size: Int, ranks: Int)
    case fewerStreams(streams: Int, teams: Int)

    package var kind: FailureKind { .usage }
    package var diagnosis: Diagnosis {
        switch self {
        case .unequal(let size, let ranks):
            Diagnosis(
                "the ranks of a machine cannot form equal teams", location: "exchange.team",
                expected: "a divisor of the \(ranks) rank\(ranks == 1 ? "" : "s") per machine: \(divisors(of: ranks))", found: "\(size)",
                remedy: "choose one of these, or start equal numbers of ranks, multiples of \(size), on all machines")
        case .fewerStreams(let streams, let teams):
            Diagnosis(
                "fewer streams than teams of ranks", location: "training.streams", expected: "at least \(teams)", found: "\(streams)",
                remedy: "raise training.streams, or choose larger teams (exchange.team) or fewer machines")
        }
    }
}
