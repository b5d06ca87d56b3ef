import Collectives
import Diagnostics
import Platform

/// Where a rank stands among the teams: the ranks that compute the same streams together (`exchange.split: units`). Otherwise each rank
/// is a team.
package struct TeamPlace: Sendable, Equatable {
    /// Ranks of a team, the same for all teams.
    package let size: Int
    /// The rank's number in its team.
    package let rank: Int
    /// The number of its team among all teams, which are in the order of their first ranks.
    package let number: Int
    /// Teams.
    package let count: Int

    /// A rank that is a team.
    package init(alone communicator: any Communicator) {
        (size, rank, number, count) = (1, 0, communicator.rank, communicator.size)
    }

    /// One of these ranks, which are the only team.
    init(all ranks: any Communicator) { (size, rank, number, count) = (ranks.size, ranks.rank, 0, 1) }

    /// A rank of the only team, without the others: to measure its share of the work.
    package init(withoutOthersOf size: Int) { (self.size, rank, number, count) = (size, 0, 0, 1) }

    /// Collective.
    /// - Parameters:
    ///   - group: the same for the ranks of a machine that are a team. The teams of all machines have equal sizes.
    ///   - here: the ranks of this machine.
    private init(_ group: Int, of here: any Communicator, _ communicator: any Communicator) throws {
        let ranks = try here.allGather(numbers: [group, communicator.rank]).filter { $0[0] == group }.map { $0[1] }
        let first = Set(try communicator.allGather(numbers: [ranks[0]]).map { $0[0] }).sorted()
        (size, rank) = (ranks.count, ranks.firstIndex(of: communicator.rank)!)
        (number, count) = (first.firstIndex(of: ranks[0])!, first.count)
    }
}

extension TeamPlace {
    /// Collective. This rank's place in the teams that `exchange.team` describes.
    /// - Returns: and, where those of a cache are not possible, why the ranks of a machine are a team instead.
    /// - Throws: `TeamsError`, the same on all ranks; transport errors.
    static func find(
        _ extent: TeamExtent, _ communicator: any Communicator, machine: Machine
    ) throws -> (place: TeamPlace, note: String?) {
        let here = try communicator.machineGroups().here
        switch extent {
        case .machine: return (try TeamPlace(0, of: here, communicator), nil)
        case .ranks(let size):
            guard here.size % min(size, here.size) == 0 else { throw TeamsError.unequal(size: size, ranks: here.size) }
            return (try TeamPlace(here.rank / size, of: here, communicator), nil)
        case .cache:
            let (cache, problem) = machine.lastCache(named: Host.name)
            if let problem = try firstProblem(cache, problem, here, communicator) {
                return (try TeamPlace(0, of: here, communicator), problem)
            }
            return (try TeamPlace(cache ?? 0, of: here, communicator), nil)
        }
    }

    /// Collective. Why the ranks of each cache cannot be a team; nil if they can.
    /// - Parameter cache: this rank's; nil with the reason if it has none.
    private static func firstProblem(
        _ cache: Int?, _ problem: String, _ here: any Communicator, _ communicator: any Communicator
    ) throws -> String? {
        let problems = try communicator.allGather(text: problem)
        if let rank = problems.firstIndex(where: { !$0.isEmpty }) { return "rank \(rank) \(problems[rank])" }
        let caches = try here.allGather(numbers: [cache ?? 0]).map { $0[0] }
        let sizes = Set(try communicator.allGather(numbers: [caches.count { $0 == cache }]).map { $0[0] }).sorted()
        return sizes.count == 1 ? nil : "some last-level caches have \(sizes[0]) rank\(sizes[0] == 1 ? "" : "s"), others \(sizes[1])"
    }
}

extension Machine {
    /// A number for the last-level cache of this process's processors, or why there is no such cache.
    fileprivate func lastCache(named host: String) -> (cache: Int?, problem: String) {
        let caches = lastCaches
        if caches.count == 1 { return (caches[0][0], "") }
        if caches.isEmpty { return (nil, "cannot tell which processors of \(host) share a cache") }
        return (nil, "may run on the processors of \(caches.count) last-level caches of \(host)")
    }
}

/// The teams of this rank's machine.
struct TeamsHere {
    let place: TeamPlace
    /// The places of the first rank of each team among the machine's ranks, ascending, and the teams' numbers among all.
    let first: [Int]
    let numbers: [Int]
    /// The place of the first rank of this rank's team.
    let own: Int

    /// Collective.
    init(_ place: TeamPlace, _ here: any Communicator) throws {
        let teams = try here.allGather(numbers: [place.number]).map { $0[0] }
        self.place = place
        first = teams.indices.filter { teams.firstIndex(of: teams[$0]) == $0 }
        numbers = first.map { teams[$0] }
        own = teams.firstIndex(of: place.number)!
    }

    /// Whether this rank says what its team has read and found.
    var isSpeaker: Bool { place.rank == 0 }
}
