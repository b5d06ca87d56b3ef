import Collectives
import Diagnostics
import Platform
import Reporting

/// Where the ranks of a job run and what they may use there.
struct Placement {
    private struct Rank {
        var host: String
        var processors: Set<Int>
        var cores: Int
        var threads: Int
        var memory: Int
        var freeMemory: Int
    }

    private let ranks: [Rank]

    /// Collective.
    /// - Parameter threads: the number of threads of this rank.
    init(_ communicator: any Communicator, threads: Int) throws {
        let (processors, memory) = (Machine.this.processors, Machine.this.memory)
        let own = [
            Host.name, processors.allowed.map(String.init).joined(separator: ","), "\(processors.allowedCores)", "\(threads)",
            "\(memory.usable)", "\(memory.free)",
        ]
        ranks = try communicator.allGather(text: own.joined(separator: "\n")).map { text in
            let fields = text.split(separator: "\n", omittingEmptySubsequences: false)
            return Rank(
                host: String(fields[0]), processors: Set(fields[1].split(separator: ",").compactMap { Int($0) }),
                cores: Int(fields[2])!, threads: Int(fields[3])!, memory: Int(fields[4])!, freeMemory: Int(fields[5])!)
        }
    }

    /// Hosts in the order of their first rank.
    private var hosts: [(name: String, ranks: [Rank])] {
        ranks.reduce(into: []) { hosts, rank in
            if let known = hosts.firstIndex(where: { $0.name == rank.host }) {
                hosts[known].ranks.append(rank)
            } else {
                hosts.append((rank.host, [rank]))
            }
        }
    }

    /// Ranks on this machine.
    var ranksHere: Int { ranks.count { $0.host == Host.name } }

    /// For example `4 on 2 hosts (a 2, b 2), 1 thread each`.
    var ranksText: String {
        let hosts = hosts
        let shown = hosts.prefix(4).map { hosts.count == 1 ? $0.name : "\($0.name) \($0.ranks.count)" }
        let list = shown.joined(separator: ", ") + (hosts.count > 4 ? ", ..." : "")
        let place = hosts.count == 1 ? list : "\(hosts.count) hosts (\(list))"
        let threads = Set(ranks.map(\.threads)).sorted().map(String.init).joined(separator: " or ")
        return "\(ranks.count) on \(place), \(threads) thread\(threads == "1" ? "" : "s") each"
    }

    /// How the ranks are bound, once for each kind of host.
    var binding: String {
        var texts: [String] = []
        for text in hosts.map({ Placement.binding($0.ranks) }) where !texts.contains(text) { texts.append(text) }
        return texts.joined(separator: "; ")
    }

    private static func binding(_ ranks: [Rank]) -> String {
        let all = Set(ranks.flatMap(\.processors))
        let cores = ranks.map(\.cores)
        let each = cores.min() == cores.max() ? "\(cores[0])" : "\(cores.min()!) to \(cores.max()!)"
        if ranks.count == 1 { return "may use \(each) of the machine's \(Machine.this.processorCount)" }
        if all.count == ranks.reduce(0, { $0 + $1.processors.count }) { return "\(each) for each rank, bound" }
        if Set(ranks.map(\.processors)).count == 1 { return "\(each), shared by \(ranks.count) ranks, not bound" }
        return "\(each) for each rank, some of them shared"
    }

    /// What slows the job down.
    var warning: String? {
        for host in hosts {
            let all = Set(host.ranks.flatMap(\.processors))
            let threads = host.ranks.reduce(0) { $0 + $1.threads }
            if !all.isEmpty, threads > all.count {
                return "\(threads) threads on \(host.name) share \(all.count) processor\(all.count == 1 ? "" : "s"): start fewer ranks, or set OMP_NUM_THREADS or --bind-to accordingly"
            }
            if let rank = host.ranks.first(where: { !$0.processors.isEmpty && $0.threads > $0.processors.count }) {
                return "a rank on \(host.name) has \(rank.threads) threads but is bound to \(rank.processors.count) processor\(rank.processors.count == 1 ? "" : "s"): start \(Launcher.name) with \(Launcher.family.binding(threads: rank.threads))"
            }
        }
        return nil
    }

    /// The machine on which the ranks need the largest share of memory.
    /// - Parameter needed: bytes that this number of ranks of a machine need together.
    func memory(ofRanks needed: (Int) -> Int) -> (needed: Int, host: String, total: Int, free: Int)? {
        hosts.filter { $0.ranks[0].memory > 0 }.map { host in
            (needed(host.ranks.count), host.name, host.ranks[0].memory, host.ranks[0].freeMemory)
        }.max { Double($0.0) / Double($0.2) < Double($1.0) / Double($1.2) }
    }

    /// Physical cores that rank 0 may use.
    var cores: Int { ranks[0].cores }
}
