import Collectives
import Kernels
import Optimization
import Recurrent

/// The parameters and optimizer slots of a machine, which exist once, in memory that its ranks share, as do the gradients of
/// all its ranks; and which part of them is this rank's.
///
/// Each rank sums, measures and updates its own part. Of sparse parameters (`SparseRows`) that is only the blocks that the step has
/// touched, where the exchange sums them by blocks: the rows of the tokens read, the tails of an adaptive softmax that targets lie in.
final class ParameterStore {
    /// What one rank of a machine sums and updates. Its ranks' parts together are all parameters, each once.
    struct Part {
        /// Floats of the arena.
        let ranges: [Range<Int>]
        /// Blocks of sparse parameters, ascending, where only touched ones are summed; nil where those parameters are in `ranges`.
        let blocks: [Int32]?
    }

    let machines: MachineGroups
    let parameters: Arena
    let optimizer: Optimizer
    /// The gradients of this machine's ranks, by rank here.
    let gradients: any SharedMemory
    let part: Part
    /// Nil if sparse parameters are summed as a whole.
    let touched: TouchedRows?
    private let sparse: SparseRows
    private let clock: PhaseClock

    /// Collective. Parameters, slots and gradients are initially zero.
    /// - Parameters:
    ///   - gradients: floats of gradients that this rank needs.
    ///   - listed: the most blocks that this rank touches in a step.
    ///   - buffers: floats of shared memory that this rank will ask for beside all that.
    /// - Throws: `CollectiveFailure`, the same on all ranks, if a machine has too little memory; transport errors.
    init(
        _ model: ModelConfiguration, rule: OptimizerRule, part: Part, gradients: Int, listed: Int, buffers: Int, machines: MachineGroups,
        communicator: any Communicator, clock: PhaseClock
    ) throws {
        let here = machines.here
        let layout = ParameterLayout(model)
        // If one machine has too little, the ranks of the others must stop as well.
        try communicator.together("sharing memory") {
            let once = here.rank == 0 ? (1 + rule.name.slots.count) * layout.count : 0
            try here.requireSharedMemory(once + gradients + buffers + listed + 1)
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
        sparse = layout.sparseRows
        touched = try part.blocks.map { [sparse] in
            try TouchedRows(count: sparse.count, listed: listed, candidates: $0, machines: machines)
        }
    }

    /// Whether parameters exist more than once, and must stay the same.
    var isReplicated: Bool { machines.across.size > 1 }

    /// Whether this rank is the one to fill in parameters and slots.
    var fillsParameters: Bool { machines.here.rank == 0 }

    /// The floats of a block of sparse parameters in the arena.
    func range(of block: Int32) -> Range<Int> { sparse.range(of: Int(block)) }

    /// Collective among the ranks of a machine, which afterwards all see all of its parameters.
    /// - Parameter sum: in this rank's part, the gradients summed over all ranks.
    func update(with sum: Arena, learningRate: Double, scale: Float, limit: Float?, update: Int, iterates: Int) throws {
        let step = optimizer.step(learningRate: learningRate, scale: scale, limit: limit, update: update, iterates: iterates)
        for range in part.ranges { step.apply(to: parameters, gradients: sum, range: range) }
        if let touched, optimizer.leavesUntouchedAlone {
            for block in touched.own { step.apply(to: parameters, gradients: sum, range: range(of: block)) }
        } else if let all = part.blocks {
            for block in all { step.apply(to: parameters, gradients: sum, range: range(of: block)) }
        }
        keepFrozen(iterates)
        clearSparse(of: sum)
        clock.enter(.wait)
        try machines.here.barrier()
        clock.enter(.update)
    }

    /// The average of what never changes is what it is, from the first iterate on.
    private func keepFrozen(_ iterates: Int) {
        let embedding = parameters.layout.embedding
        guard iterates == 1, embedding.isFrozen, fillsParameters, let average = optimizer.average else { return }
        copy(parameters.buffer.base + embedding.offset, to: average.buffer.base + embedding.offset, count: embedding.count)
    }

    /// Call it when a step's gradients are no longer needed. The sum was written over this rank's own gradient, and of sparse
    /// parameters the model clears only what it has touched itself.
    func clearSparse(of sum: Arena) {
        func clear(_ range: Range<Int>) { (sum.buffer.base + range.lowerBound).update(repeating: 0, count: range.count) }
        if let touched {
            for block in touched.own { clear(range(of: block)) }
        }
        // Those that are summed as a whole.
        for range in part.ranges {
            for sparse in sparse.ranges where sparse.overlaps(range) { clear(range.clamped(to: sparse)) }
        }
    }
}
