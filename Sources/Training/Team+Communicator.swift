import Collectives
import Kernels
import Recurrent

extension Team {
    /// Collective. The ranks of a machine as one team.
    /// - Parameter heartbeat: learns when a wait is long, so that the watchdog can tell who waits from who does not come.
    /// - Throws: transport errors.
    package convenience init(_ ranks: any Communicator, heartbeat: Heartbeat) throws {
        func share(_ count: Int) throws -> any SharedMemory { try ranks.shareMemory(ranks.rank == 0 ? count : 0) }
        let memory = try share(Barrier.count(size: ranks.size))
        let barrier = Barrier(memory.part(of: 0), of: memory, rank: ranks.rank, size: ranks.size) {
            heartbeat.enter($0 ? .exchange : .compute)
        }
        self.init(rank: ranks.rank, size: ranks.size, barrier: barrier) { count in
            let memory = try share(count)
            return Buffer(memory.part(of: 0), of: memory, isCounted: true)
        }
    }
}
