import Collectives
import Kernels
import Recurrent

extension Team {
    /// Collective among the ranks of a machine, of whom all teams share memory in the same order.
    /// - Parameters:
    ///   - here: these ranks.
    ///   - heartbeat: learns when a wait is long, so that the watchdog can tell who waits from who does not come.
    /// - Throws: transport errors.
    convenience init(_ teams: TeamsHere, of here: any Communicator, heartbeat: Heartbeat) throws {
        let (place, first) = (teams.place, teams.own)
        func share(_ count: Int) throws -> any SharedMemory { try here.shareMemory(place.rank == 0 ? count : 0) }
        let memory = try share(Barrier.count(size: place.size))
        let barrier = Barrier(memory.part(of: first), of: memory, rank: place.rank, size: place.size) {
            heartbeat.enter($0 ? .exchange : .compute)
        }
        self.init(rank: place.rank, size: place.size, barrier: barrier) { count in
            let memory = try share(count)
            return Buffer(memory.part(of: first), of: memory, isCounted: true)
        }
    }

    /// Collective. All ranks as one team, which must be on one machine.
    /// - Throws: transport errors.
    package convenience init(_ ranks: any Communicator, heartbeat: Heartbeat = Heartbeat()) throws {
        try self.init(TeamsHere(TeamPlace(all: ranks), ranks), of: ranks, heartbeat: heartbeat)
    }
}
