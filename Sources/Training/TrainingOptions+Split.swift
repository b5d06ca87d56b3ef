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
        if try sharesUnits(communicator) {
            (team, teamNote) = try TeamPlace.find(exchange.team, communicator, machine: machine)
        }
        guard let reproducibleShards else { return }
        _ = try ShardPlan(streams: streams, shards: reproducibleShards, ranks: communicator.size, teamSize: teamSize)
    }

    private func sharesUnits(_ communicator: any Communicator) throws -> Bool {
        if exchange.split == .streams { return false }
        guard let unshared = model.unshared else { return exchange.split == .units || needsUnits(communicator) }
        if exchange.split == .units { throw SplitError(setting: unshared) }
        return false
    }

    /// Ranks that compute the same streams together.
    package var teamSize: Int { team?.size ?? 1 }

    /// The rule of `auto`: units where streams are impossible.
    private func needsUnits(_ communicator: any Communicator) -> Bool {
        streams < communicator.size || reproducibleShards.map { $0 % communicator.size != 0 } ?? false
    }

    /// Collective. The streams of this rank, or of its team.
    /// - Throws: `PartitionError`, `TeamsError`.
    package func streams(of communicator: any Communicator) throws -> Range<Int> {
        let place = team ?? TeamPlace(alone: communicator)
        if place.size > 1, streams < place.count { throw TeamsError.fewerStreams(streams: streams, teams: place.count) }
        return try StreamPartition.owned(by: place.number, of: place.count, streams: streams)
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
