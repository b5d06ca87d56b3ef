import Collectives
import Kernels
import Optimization
import Recurrent

/// Parameters, gradients and optimizer slots of one rank, and how the ranks make one step of them.
///
/// Where all ranks are on one machine, parameters and slots exist once, in shared memory, and each rank sums, measures
/// and updates its own part of them, reading the others' gradients in place. Nothing is copied, and the sum is always
/// made in rank order. Across machines each rank holds everything and the gradient is all-reduced.
final class Replica {
    let parameters: Arena
    /// This rank's own gradient; after `reduce`, in `part`, the sum over ranks.
    let gradients: Arena
    let optimizer: Optimizer
    /// What this rank sums and updates.
    let part: Range<Int>

    private let communicator: any Communicator
    /// Everyone's gradients, by rank; nil when memory is not shared.
    private let shared: (any SharedMemory)?
    private let signals: UnsafeMutableBufferPointer<Double>
    private let squares: UnsafeMutableBufferPointer<Double>

    /// Collective. - Throws: transport errors.
    init(_ layout: ParameterLayout, rule: OptimizerRule, communicator: any Communicator) throws {
        self.communicator = communicator
        let isFirst = communicator.rank == 0
        shared = try communicator.shareMemory(layout.count)
        if let shared {
            func once() throws -> Arena {
                guard let memory = try communicator.shareMemory(isFirst ? layout.count : 0) else {
                    preconditionFailure("memory can be shared for the gradients, but not for the parameters")
                }
                return Arena(layout, in: Buffer(memory.part(of: 0), of: memory))
            }
            gradients = Arena(layout, in: Buffer(shared.part(of: communicator.rank), of: shared))
            parameters = try once()
            optimizer = Optimizer(rule, slots: try rule.name.slots.map { _ in try once() })
            // Whole cache lines, so that no two ranks write to one.
            let lines = layout.count / 16
            let cut = { rank in 16 * (lines * rank / communicator.size) }
            part = cut(communicator.rank)..<cut(communicator.rank + 1)
        } else {
            gradients = Arena(layout)
            parameters = Arena(layout)
            optimizer = Optimizer(rule, layout: layout)
            part = 0..<layout.count
        }
        signals = .allocate(capacity: 4)
        signals.initialize(repeating: 0)
        squares = .allocate(capacity: layout.entries.count)
        squares.initialize(repeating: 0)
    }

    deinit {
        signals.deallocate()
        squares.deallocate()
    }

    /// Whether each rank has parameters of its own, which must stay the same.
    var isPrivate: Bool { shared == nil && communicator.size > 1 }

    /// Whether this rank is the one to fill in parameters and slots: every rank, unless they are shared.
    var fillsParameters: Bool { shared == nil || communicator.rank == 0 }

    /// Collective. Call when every rank's gradient is complete: sums it, in `part`, and the signals.
    /// - Returns: the same on every rank.
    func reduce(_ own: StepSignals) throws -> (StepSignals, GradientNorm) {
        guard communicator.size > 1 else { return (own, GradientNorm(gradients)) }
        signals[0] = own.loss.total
        signals[1] = Double(own.loss.tokens)  // exact up to 2^53
        signals[2] = Double(own.stop)
        signals[3] = Double(own.save)
        // With shared memory this is also where the ranks wait for one another's gradients.
        try communicator.sum(signals)
        var total = StepSignals(loss: LossSum(total: signals[0], tokens: Int(signals[1])))
        total.stop = Int(signals[2])
        total.save = Int(signals[3])
        guard let shared else {
            try communicator.sum(gradients.buffer.elements)
            return (total, GradientNorm(gradients))
        }
        sumPart(shared)
        for (index, square) in GradientNorm.squares(gradients, range: part).enumerated() { squares[index] = square }
        try communicator.sum(squares)
        return (total, GradientNorm(squares: Array(squares), layout: gradients.layout))
    }

    /// `gradients[part] = sum over ranks, in rank order`.
    private func sumPart(_ shared: any SharedMemory) {
        let others = (0..<communicator.size).map { UnsafePointer(shared.part(of: $0).baseAddress!) }
        let sums = gradients.buffer.base
        // Blocks of 16 KiB stay in the first cache while all ranks' gradients are added.
        for start in stride(from: part.lowerBound, to: part.upperBound, by: 4096) {
            let count = min(4096, part.upperBound - start)
            addBlock(others, from: start, count: count, into: sums)
        }
    }

    private func addBlock(
        _ sources: [UnsafePointer<Float>], from start: Int, count: Int, into sums: UnsafeMutablePointer<Float>
    ) {
        vectorised(count) { j, n in
            var sum = sources[0].load(start + j, n)
            for source in sources.dropFirst() { sum += source.load(start + j, n) }
            sums.store(sum, start + j, n)
        }
    }

    /// Collective. Updates the parameters; afterwards every rank sees all of them.
    func update(learningRate: Double, scale: Float, limit: Float?, update: Int) throws {
        optimizer.step(
            parameters, gradients: gradients, range: part, learningRate: learningRate, scale: scale, limit: limit,
            update: update)
        if shared != nil { try communicator.barrier() }
    }
}
