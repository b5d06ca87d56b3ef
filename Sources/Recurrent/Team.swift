import Diagnostics
import Kernels

/// Ranks of a machine that share work, in memory that all of them see: those that compute the same streams, each a range of the
/// hidden units of every layer and of the vocabulary; or those that pack the same weights, each some panels.
///
/// What a rank needs of the others' parts is complete once all have met. With one rank the part is everything, and meeting nothing.
/// Since an element of a product depends neither on the others nor on who computes it, the number of ranks changes no byte.
package final class Team {
    package let rank: Int
    package let size: Int
    private let barrier: Barrier?
    private let share: (Int) throws -> Buffer
    /// How often the ranks have met.
    package private(set) var meetings = 0

    /// A rank by itself.
    package convenience init() { self.init(rank: 0, size: 1) }

    /// A rank of a team without the others, whom it never meets: what it needs, and how long it takes. Its numbers mean nothing.
    package init(rank: Int, size: Int) {
        (self.rank, self.size) = (rank, size)
        barrier = nil
        share = { Buffer(count: $0) }
    }

    /// - Parameters:
    ///   - barrier: of these ranks.
    ///   - share: collective; gives all of them the same memory, zero at first.
    package init(rank: Int, size: Int, barrier: Barrier, share: @escaping (_ count: Int) throws -> Buffer) {
        (self.rank, self.size) = (rank, size)
        self.barrier = size > 1 ? barrier : nil
        self.share = size > 1 ? share : { Buffer(count: $0) }
    }

    package var isAlone: Bool { size == 1 }

    /// Collective. Floats that all ranks of the team see, zero at first.
    /// - Throws: transport errors, the same on all ranks.
    package func buffer(count: Int) throws -> Buffer { count == 0 ? Buffer(count: 0) : try share(count) }

    /// This rank's share of `count` units, columns or rows: whole cache lines where there are many, none where there are few.
    package func range(of count: Int) -> Range<Int> {
        let unit = count >= 64 * size ? 16 : 1
        let units = (count + unit - 1) / unit
        let cut = { rank in min(count, unit * (units * rank / self.size)) }
        return cut(rank)..<cut(rank + 1)
    }

    /// This rank's share of the columns of `blocks` blocks of `width` units each.
    func slices(ofBlocks blocks: Int, width: Int) -> Slices { Slices(range(of: width), ofBlocks: blocks, width: width) }

    /// The packing of weights that all ranks of the team need.
    var packing: Packing { Packing(part: rank, of: size) { try self.buffer(count: $0) } }

    /// Returns once every rank of the team has called it; then all see what each has written.
    /// - Throws: `TeamError`.
    package func meet(_ clock: PhaseClock) throws {
        meetings += 1
        guard let barrier else { return }
        let phase = clock.phase
        clock.enter(.wait)
        guard barrier.meet() else { throw TeamError() }
        clock.enter(phase)
    }

    /// Lets no rank of the team wait for this one any more, which has failed.
    package func leave() { barrier?.leave() }
}

/// A rank of the team failed in the middle of a step, and reports why.
package struct TeamError: DiagnosedError {
    package var kind: FailureKind { .internal }
    package var diagnosis: Diagnosis {
        Diagnosis(
            "another rank of this machine failed in the middle of a step", remedy: "see that rank's message")
    }
}
