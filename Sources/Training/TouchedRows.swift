import Collectives
import Kernels

/// The rows of the embedding that have a gradient in a step: those of the tokens that any rank read. They are few compared with
/// the vocabulary, so summing, measuring and updating only these rows is a fraction of the work.
final class TouchedRows {
    /// The touched rows that this rank sums and updates, ascending.
    private(set) var own: UnsafeMutableBufferPointer<Int32>

    private let machines: MachineGroups
    /// Those that it would sum and update if they were touched.
    private let candidates: [Int32]
    private let lists: any SharedMemory
    private let room: UnsafeMutableBufferPointer<Int32>
    private let marks: UnsafeMutableBufferPointer<Bool>  // [V]
    /// The number of rows that the rank with this number has found on each machine, and these rows.
    private var counts: [Int]
    private let ones: [Int]
    private var gathered: [Int32] = []

    /// Collective.
    /// - Parameters:
    ///   - tokens: the most that this rank reads in a step.
    ///   - candidates: the rows that are this rank's among its machine's ranks, ascending.
    init(vocabulary: Int, tokens: Int, candidates: [Int32], machines: MachineGroups) throws {
        self.machines = machines
        self.candidates = candidates
        counts = Array(repeating: 0, count: machines.across.size)
        ones = Array(repeating: 1, count: machines.across.size)
        lists = try machines.here.shareMemory(tokens + 1)
        marks = .allocate(capacity: vocabulary)
        marks.initialize(repeating: false)
        room = .allocate(capacity: vocabulary)
        own = UnsafeMutableBufferPointer(rebasing: room[..<0])
    }

    deinit {
        marks.deallocate()
        room.deallocate()
    }

    /// Publishes to the ranks of this machine what this rank has read; they see it after the next collective call.
    func publish(_ tokens: UnsafePointer<Int32>, count: Int) {
        let list = list(of: machines.here.rank)
        list[0] = Int32(count)
        (list + 1).update(from: tokens, count: count)
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

    /// Marks the rows that the ranks of this number have found on the other machines.
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
        for row in candidates where marks[Int(row)] {
            room[count] = row
            count += 1
        }
        return UnsafeMutableBufferPointer(rebasing: room[..<count])
    }

    private func list(of rank: Int) -> UnsafeMutablePointer<Int32> {
        UnsafeMutableRawPointer(lists.part(of: rank).baseAddress!).assumingMemoryBound(to: Int32.self)
    }
}
