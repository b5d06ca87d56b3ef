import Collectives
import Kernels

/// Sums of different sizes over all ranks, timed.
enum ExchangeTiming {
    /// Bytes from 1 KiB to the size of the gradient, in steps of four, and that size itself.
    static func sizes(upTo bytes: Int) -> [Int] {
        var sizes = Array(sequence(first: 1 << 10) { $0 * 4 }.prefix { $0 < bytes })
        if let last = sizes.last, Double(bytes) < 1.5 * Double(last) { sizes.removeLast() }
        return sizes + [bytes]
    }

    /// Collective among all ranks. For each size, the time from when all ranks are ready until the last one is done: the
    /// shortest of several, which is what the link achieves when nothing disturbs it.
    /// - Parameters:
    ///   - across: the ranks that sum with this one: those with its number on the other machines.
    ///   - here: the ranks of this machine, which divide the bytes among them and share the link.
    static func measure(
        gradientBytes: Int, across: any Communicator, here: Int, all: any Communicator
    ) throws -> [AllReduceModel.Measurement] {
        let share = { (bytes: Int) in max(1, bytes / MemoryLayout<Float>.stride / here) }
        let buffer = Buffer(count: share(gradientBytes))
        let sizes = sizes(upTo: gradientBytes)
        let own = try buffer.elements.withUnsafe { memory in
            try sizes.map { bytes in
                let part = UnsafeMutableBufferPointer(rebasing: memory[..<share(bytes)])
                let sum = try across.makeSum(upTo: part.count, wire: .float32)
                // The number of repetitions follows from the size alone, so that all ranks agree on it.
                return try (0..<max(7, min(200, (32 << 20) / bytes))).map { _ in
                    try all.barrier()
                    return try timed {
                        try sum.begin(part)
                        try across.finish([sum])
                    }
                }
            }
        }
        let ranks = try all.gatherCoded(own)
        return sizes.indices.map { index in
            .init(bytes: sizes[index], seconds: slowest(ranks.map { $0[index] }).min()!)
        }
    }
}

/// The ranks of another communicator, as if each were on a machine of its own: everything is sent in messages.
final class MessagesOnly: Communicator {
    private let base: any Communicator

    init(_ base: any Communicator) { self.base = base }

    var rank: Int { base.rank }
    var size: Int { base.size }
    func sum(_ buffer: UnsafeMutableBufferPointer<Double>) throws { try base.sum(buffer) }
    func makeSum(upTo count: Int, wire: WireFormat) throws -> any PersistentSum {
        try base.makeSum(upTo: count, wire: wire)
    }
    func broadcast(_ buffer: UnsafeMutableRawBufferPointer, from root: Int) throws { try base.broadcast(buffer, from: root) }
    func gather(_ bytes: [UInt8], at root: Int) throws -> [[UInt8]]? { try base.gather(bytes, at: root) }
    func allGather(_ bytes: [UInt8]) throws -> [[UInt8]] { try base.allGather(bytes) }
    func allGather(in buffer: UnsafeMutableRawBufferPointer, counts: [Int], stride: Int) throws {
        try base.allGather(in: buffer, counts: counts, stride: stride)
    }
    func machineGroups() -> MachineGroups { MachineGroups(here: SingleRank(), across: self) }
    func shareMemory(_ count: Int) throws -> any SharedMemory { try base.shareMemory(count) }
    func barrier() throws { try base.barrier() }
    func abort(_ code: Int32) -> Never { base.abort(code) }
}
