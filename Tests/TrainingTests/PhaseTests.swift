import Collectives
import Corpus
import Foundation
import Kernels
import Recurrent
import TestSupport
import Testing
import Training

/// The phases that a step reports.
@Suite struct PhaseTests {
    /// Runs three steps, of which the measured last one comes `late` seconds after the other ranks' on the last rank.
    /// - Returns: nanoseconds of the last step by phase, and of the whole step by another clock.
    private static func measure(
        _ cell: Cell, on communicator: any Communicator, late: Double = 0
    ) throws -> (phases: [UInt64], whole: Double) {
        let run = SmallRun(cell: cell, tokens: source.sample(12 * 83, seed: 1), folder: "", dropout: 0.3)
        let streams = try StreamPartition.owned(
            by: communicator.rank, of: communicator.size, streams: run.options.streams)
        let step = try TrainingStep(run.options, communicator: communicator, streams: streams)
        if step.fillsParameters { step.parameters.initialise(seed: 1) }
        let tokens = TokenStore(run.tokens)
        let partition = try StreamPartition(
            tokens: tokens.count, streams: run.options.streams, remainder: .dropped, name: "tokens")
        let batches = try StreamBatches(tokens, partition: partition, streams: streams, unroll: run.options.unroll)
        try step.begin()
        func take(_ number: Int) throws {
            _ = try step.run(number, from: batches, schedule: run.options.schedule, signals: StepSignals())
        }
        for number in 1...2 { try take(number) }
        if communicator.rank == communicator.size - 1 { Thread.sleep(forTimeInterval: late) }
        step.clock.enter(.other)
        let before = Array(step.clock.nanoseconds)
        let start = ContinuousClock.now
        try take(3)
        let whole = (ContinuousClock.now - start) / .nanoseconds(1)
        return (zip(step.clock.nanoseconds, before).map { $0 - $1 }, whole)
    }

    @Test(arguments: Cell.allCases) func everyPhaseIsSeenAndTheySumToTheStep(cell: Cell) throws {
        for ranks in 1...2 {
            let results =
                ranks == 1
                ? [try Self.measure(cell, on: SingleRank())] : try withThreadRanks(ranks) { try Self.measure(cell, on: $0) }
            for (phases, whole) in results {
                for phase in PhaseClock.Phase.allCases {
                    #expect(phases[Int(phase.rawValue)] > 0, "\(phase) on \(ranks) ranks")
                }
                // The other clock is read a moment before and after.
                #expect(abs(Double(phases.reduce(0, +)) - whole) < 0.01 * whole + 1e5)
            }
        }
    }

    /// Waiting for a late rank is not taken for the exchange.
    @Test func waitIsDistinguishedFromExchange() throws {
        let results = try withThreadRanks(2) { try Self.measure(.lstm, on: $0, late: 0.3).phases.map { Double($0) / 1e9 } }
        let (wait, exchange) = (Int(PhaseClock.Phase.wait.rawValue), Int(PhaseClock.Phase.exchange.rawValue))
        #expect(results[0][wait] > 0.25)
        #expect(results[1][wait] < 0.2)
        for result in results { #expect(result[exchange] < 0.2) }
    }
}
