import Collectives
import Kernels
import Optimization
import Recurrent

/// The parameters and optimizer slots of a machine, which exist once, in memory that its ranks share, as do the gradients of
/// all its ranks; and which part of them is this rank's.
///
/// Each rank sums, measures and updates its own part. Of an untied embedding that is only the rows of the tokens read, where
/// the exchange sums it by rows.
final class ParameterStore {
    /// What one rank of a machine sums and updates. Its ranks' parts together are all parameters, each once.
    struct Part {
        /// Floats of the arena.
        let ranges: [Range<Int>]
        /// Rows of the embedding, ascending, where only touched rows are summed; nil where the embedding is in `ranges`.
        let rows: [Int32]?
    }

    let machines: MachineGroups
    let parameters: Arena
    let optimizer: Optimizer
    /// The gradients of this machine's ranks, by rank here.
    let gradients: any SharedMemory
    let part: Part
    /// Nil if the embedding is summed as a whole.
    let rows: TouchedRows?
    private let embedding: ParameterLayout.Entry
    private let clock: PhaseClock

    /// Collective. Parameters, slots and gradients are initially zero.
    /// - Parameters:
    ///   - gradients: floats of gradients that this rank needs.
    ///   - tokens: the most that this rank reads in a step.
    /// - Throws: `CollectiveFailure`, the same on all ranks, if a machine has too little memory; transport errors.
    init(
        _ model: ModelConfiguration, rule: OptimizerRule, part: Part, gradients: Int, tokens: Int, machines: MachineGroups,
        communicator: any Communicator, clock: PhaseClock
    ) throws {
        let here = machines.here
        let layout = ParameterLayout(model)
        // If one machine has too little, the ranks of the others must stop as well.
        try communicator.together("sharing memory") {
            let once = here.rank == 0 ? (1 + rule.name.slots.count) * layout.count : 0
            try here.requireSharedMemory(once + gradients + tokens + 1)
        }
        func sharedArena() throws -> Arena {
            let memory = try here.shareMemory(here.rank == 0 ? layout.count : 0)
            return Arena(layout, in: Buffer(memory.part(of: 0), of: memory))
        }
        self.machines = machines
        self.part = part
        self.clock = clock
        self.gradients = try here.shareMemory(gradients)
        parameters = try sharedArena()
        optimizer = Optimizer(rule, slots: try rule.name.slots.map { _ in try sharedArena() })
        rows = try part.rows.map {
            try TouchedRows(vocabulary: model.vocabulary, tokens: tokens, candidates: $0, machines: machines)
        }
        embedding = layout.embedding
    }

    /// Whether parameters exist more than once, and must stay the same.
    var isReplicated: Bool { machines.across.size > 1 }

    /// Whether this rank is the one to fill in parameters and slots.
    var fillsParameters: Bool { machines.here.rank == 0 }

    /// E.
    var embeddingWidth: Int { embedding.shape[1] }

    /// The floats of a row of the embedding in the arena.
    func range(ofRow row: Int32) -> Range<Int> {
        let start = embedding.offset + Int(row) * embeddingWidth
        return start..<start + embeddingWidth
    }

    /// Collective among the ranks of a machine, which afterwards all see all of its parameters.
    /// - Parameter sum: in this rank's part, the gradients summed over all ranks.
    func update(with sum: Arena, learningRate: Double, scale: Float, limit: Float?, update: Int, iterates: Int) throws {
        let step = optimizer.step(learningRate: learningRate, scale: scale, limit: limit, update: update, iterates: iterates)
        for range in part.ranges { step.apply(to: parameters, gradients: sum, range: range) }
        if let rows, optimizer.leavesUntouchedAlone {
            for row in rows.own { step.apply(to: parameters, gradients: sum, range: range(ofRow: row)) }
        } else if let all = part.rows {
            for row in all { step.apply(to: parameters, gradients: sum, range: range(ofRow: row)) }
        }
        clearEmbedding(of: sum)
        clock.enter(.wait)
        try machines.here.barrier()
        clock.enter(.update)
    }

    /// Call it when a step's gradients are no longer needed. The sum was written over this rank's own gradient, and of an untied
    /// embedding the model clears only rows that it has read itself.
    func clearEmbedding(of sum: Arena) {
        func clear(_ range: Range<Int>) { (sum.buffer.base + range.lowerBound).update(repeating: 0, count: range.count) }
        if !embedding.hasSparseRows { return }
        if let rows {
            for row in rows.own { clear(range(ofRow: row)) }
        } else {
            for range in part.ranges { clear(range.clamped(to: embedding.range)) }
        }
    }
}
