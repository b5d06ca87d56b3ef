import Collectives
import Kernels

/// The blocks of sparse parameters (`SparseRows`) that have a gradient in a step on any rank: the embedding's rows of the tokens that it
/// read, for example. They are few compared with the vocabulary, so summing, measuring and updating only these is a fraction of the work.
final class TouchedRows {
    /// The touched blocks that this rank sums and updates, ascending.
    private(set) var own: UnsafeMutableBufferPointer<Int32>

    private let machines: MachineGroups
    /// Those that it would sum and update if they were touched.
    private let candidates: [Int32]
    private let lists: any SharedMemory
    private let room: UnsafeMutableBufferPointer<Int32>
    private let marks: UnsafeMutableBufferPointer<Bool>  // by block
    /// The number of blocks that the rank with this number has found on each machine, and these blocks.
    private var counts: [Int]
    private let ones: [Int]
    private var gathered: [Int32] = []

    /// Collective.
    /// - Parameters:
    ///   - count: blocks of all parameters.
    ///   - listed: the most that this rank touches in a step, repetitions included.
    ///   - candidates: the blocks that are this rank's among its machine's ranks, ascending.
    init(count: Int, listed: Int, candidates: [Int32], machines: MachineGroups) throws {
        self.machines = machines
        self.candidates = candidates
        counts = Array(repeating: 0, count: machines.across.size)
        ones = Array(repeating: 1, count: machines.across.size)
        lists = try machines.here.shareMemory(listed + 1)
        marks = .allocate(capacity: count)
        marks.initialize(repeating: false)
        room = .allocate(capacity: count)
        own = UnsafeMutableBufferPointer(rebasing: room[..<0])
    }

    deinit {
        marks.deallocate()
        room.deallocate()
    }

    /// Calls `body` with each block that any rank of this machine has touched, ascending, after `collect`.
    func forEach(_ body: (_ block: Int) -> Void) {
        for block in marks.indices where marks[block] { body(block) }
    }

    /// Publishes to the ranks of this machine what this rank has touched; they see it after the next collective call.
    /// - Parameters:
    ///   - tokens: those that it has read, whose rows of the embedding are the first blocks.
    ///   - others: further blocks.
    func publish(_ tokens: UnsafeBufferPointer<Int32>, _ others: UnsafeBufferPointer<Int32>) {
        let list = list(of: machines.here.rank)
        list[0] = Int32(tokens.count + others.count)
        if let base = tokens.baseAddress { (list + 1).update(from: base, count: tokens.count) }
        if let base = others.baseAddress { (list + 1 + tokens.count).update(from: base, count: others.count) }
    }

    /// Collective among the machines. Finds `own` from what all ranks have published.
    func collect() throws {
        marks.update(repeating: false)
        for rank in 0..<machines.here.size {
            let list = list(of: rank)
            for i in 1..<1 + Int(list[0]) { marks[Int(list[i])] = true }
        }
        own = markedOwn()
        guard machines.across.size > 1 else { return }
        try gather()
        own = markedOwn()
    }

    /// Marks the blocks that the ranks of this number have found on the other machines.
    private func gather() throws {
        let across = machines.across
        counts[across.rank] = own.count
        try counts.withUnsafeMutableBytes { try across.allGather(in: $0, counts: ones, stride: MemoryLayout<Int>.stride) }
        let start = counts[..<across.rank].reduce(0, +)
        let total = counts.reduce(0, +)
        if gathered.count < total { gathered = Array(repeating: 0, count: total + total / 4) }
        for place in own.indices { gathered[start + place] = own[place] }
        try gathered.withUnsafeMutableBytes {
            try across.allGather(in: UnsafeMutableRawBufferPointer(rebasing: $0[..<(4 * total)]), counts: counts, stride: 4)
        }
        for place in 0..<total { marks[Int(gathered[place])] = true }
    }

    private func markedOwn() -> UnsafeMutableBufferPointer<Int32> {
        var count = 0
        for block in candidates where marks[Int(block)] {
            room[count] = block
            count += 1
        }
        return UnsafeMutableBufferPointer(rebasing: room[..<count])
    }

    private func list(of rank: Int) -> UnsafeMutablePointer<Int32> {
        UnsafeMutableRawPointer(lists.part(of: rank).baseAddress!).assumingMemoryBound(to: Int32.self)
    }
}
