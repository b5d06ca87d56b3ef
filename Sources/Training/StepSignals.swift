import Collectives
import Recurrent

/// What ranks exchange in each step in addition to the gradient.
package struct StepSignals: Sendable, Equatable {
    package var loss = LossSum()
    /// The number of ranks that were asked to stop.
    package var stop = 0
    /// Whether rank 0 found that a checkpoint is due by the clock, or was asked for one.
    package var save = 0

    package init(loss: LossSum = LossSum(), stop: Bool = false, save: Bool = false) {
        self.loss = loss
        self.stop = stop ? 1 : 0
        self.save = save ? 1 : 0
    }
}

/// Sums the signals of all ranks as numbers in double precision: the losses, then tokens, stop and save.
///
/// With shards there is a place for the loss of each: every number comes from one rank, the sum over ranks of it and zeros is
/// exact, and the losses are added up in one order, whatever the number of ranks.
final class SignalSum {
    private let communicator: any Communicator
    private let losses: Int
    private let team: Int
    private let numbers: UnsafeMutableBufferPointer<Double>

    /// - Parameters:
    ///   - losses: the shards of all teams; 1 without shards.
    ///   - team: the number of this rank's team.
    init(losses: Int, team: Int, of communicator: any Communicator) {
        self.communicator = communicator
        self.losses = losses
        self.team = team
        numbers = .allocate(capacity: losses + 3)
        numbers.initialize(repeating: 0)
    }

    deinit { numbers.deallocate() }

    /// Collective.
    /// - Parameter shardLosses: the loss of each of this team's shards; empty without shards, and of all ranks but one of a team.
    /// - Returns: the same on every rank.
    func sum(_ own: StepSignals, shardLosses: [Double]) throws -> StepSignals {
        numbers.update(repeating: 0)
        if shardLosses.isEmpty { numbers[0] = own.loss.total }
        let first = team * shardLosses.count
        for (place, loss) in shardLosses.enumerated() { numbers[first + place] = loss }
        numbers[losses] = Double(own.loss.tokens)  // exact up to 2^53
        numbers[losses + 1] = Double(own.stop)
        numbers[losses + 2] = Double(own.save)
        try communicator.sum(numbers)
        var total = StepSignals(loss: LossSum(total: numbers[..<losses].reduce(0, +), tokens: Int(numbers[losses])))
        total.stop = Int(numbers[losses + 1])
        total.save = Int(numbers[losses + 2])
        return total
    }
}
