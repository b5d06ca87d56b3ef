import Collectives
import Foundation
import Kernels
import Recurrent
import Testing
import TestSupport
import Training

/// Ranks of a machine that have streams of their own pack their weights together: one copy, of which each packs a part.
@Suite struct PackingTests {
    private static func model(drop: Float) -> ModelConfiguration {
        var model = ModelConfiguration(cell: .lstm, vocabulary: 70, embedding: 33, hidden: 80, layers: 2)
        model.dropout.weights = drop
        return model
    }

    /// Gradients of two steps, between which the weights change; this rank is late each time that it packs.
    private static func gradients(_ model: ModelConfiguration, _ here: any Communicator) throws -> [Float] {
        let (layout, batch, steps) = (ParameterLayout(model), 2, 3)
        let memory = try here.shareMemory(here.rank == 0 ? layout.count : 0)
        let parameters = Arena(layout, in: Buffer(memory.part(of: 0), of: memory))
        if here.rank == 0 { parameters.initialise(seed: 3) }
        try here.barrier()
        let packers = here.size == 1 ? Team() : try Team(here, heartbeat: Heartbeat())
        let gradients = Arena(layout)
        let network = try Network(
            model, parameters: parameters, sums: GradientSums(gradients, batch: batch), batch: batch, steps: steps, firstStream: 0,
            packers: packers, clock: PhaseClock())
        let tokens = (0..<Int32(batch * steps)).map { $0 % 5 }
        var results: [Float] = []
        for step in 1...2 {
            if step == 2 {
                // As a step does: nobody changes weights that others still use, and all see the new ones.
                try here.barrier()
                if here.rank == 0 { for i in 0..<layout.count { parameters.buffer.base[i] *= -0.5 } }
                try here.barrier()
                usleep(UInt32(here.rank) * 20_000)
                try network.packWeights()
            }
            try network.forward(tokens, steps: steps, context: StepContext(seed: 1, step: step))
            _ = try network.lossAndBackward(tokens)
            results += gradients.buffer.elements
        }
        return results
    }

    /// However late a rank packs its part, the others wait for it. Dropped weights are packed in each step.
    @Test(arguments: [0, Float(0.5)]) func everyRankComputesWithTheWeightsOfAll(drop: Float) throws {
        let model = Self.model(drop: drop)
        let alone = try Self.gradients(model, SingleRank())
        #expect(alone.contains { $0 != 0 } && alone.allSatisfy(\.isFinite))
        // Not the gradients themselves: the difference of so long arrays would take hours to print.
        #expect(try withThreadRanks(3) { try Self.gradients(model, $0) == alone } == [true, true, true])
    }

    /// A rank that fails before the weights are complete does not keep the others.
    @Test func whoFailsIsNotWaitedFor() throws {
        let model = Self.model(drop: 0)
        let results = try withThreadRanks(2) { here in
            let packers = try Team(here, heartbeat: Heartbeat())
            let network = try Network(
                model, parameters: Arena(ParameterLayout(model)), sums: nil, batch: 1, steps: 1, firstStream: 0, packers: packers,
                clock: PhaseClock())
            if here.rank == 1 {
                packers.leave()
                return true
            }
            do { try network.forward([0], steps: 1) } catch is TeamError { return true }
            return false
        }
        #expect(results == [true, true])
    }

    /// The memory that a run reports is that of both: a rank's own, and once for all of a machine.
    @Test func theRanksOfAMachineHaveOneCopy() throws {
        var options = SmallRun(tokens: source.sample(200, seed: 1), folder: "").options
        let layout = ParameterLayout(options.model)
        let packed = try #require(ModelMemory(options.model, batch: 4, steps: 5, training: true, optimizerSlots: 0)).packed
        #expect(options.sharedMemory(ranks: 3) == packed && packed > 4 * layout.parameters)
        #expect(options.sharedMemory(ranks: 1) == 0)
        options.reproducibleShards = 3
        #expect(options.sharedMemory(ranks: 3) == packed)
        options.team = TeamPlace(withoutOthersOf: 3)
        options.reproducibleShards = nil
        #expect(options.sharedMemory(ranks: 3) > 4 * layout.count)
    }
}
