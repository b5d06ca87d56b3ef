import Collectives
import Corpus
import Diagnostics
import Recurrent

extension TrainingOptions {
    /// Collective. Decides from `exchange.split` who computes what: sets `teamSize`.
    /// - Throws: `SplitError` where units cannot be shared out; transport errors.
    package mutating func decideSplit(_ communicator: any Communicator) throws {
        teamSize = 1
        if exchange.split == .streams { return }
        if let unshared {
            if exchange.split == .auto { return }
            throw SplitError(setting: unshared)
        }
        // The rule of `auto`: where there are too few streams.
        if exchange.split == .units || streams < communicator.size { teamSize = try communicator.machineGroups().here.size }
    }

    /// The setting because of which units cannot be shared out; nil if they can.
    package var unshared: String? { reproducibleShards == nil ? model.unshared : "training.reproducible_shards" }

    /// Collective. The streams of this rank, or of its team.
    /// - Throws: `PartitionError`, transport errors.
    package func streams(of communicator: any Communicator) throws -> Range<Int> {
        if teamSize == 1 || communicator.size == 1 { return try StreamPartition.owned(by: communicator.rank, of: communicator.size, streams: streams) }
        let machines = try communicator.machineGroups().across
        return try StreamPartition.owned(by: machines.rank, of: machines.size, streams: streams)
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
