import Diagnostics
import Files
import Glibc
import Platform
import Synchronization

/// Ends a job that no longer makes progress: a rank was stopped, its disk hangs, a cable is cut.
///
/// Each rank has two threads for it. One watches the rank's heartbeat: if neither this rank nor any other has made progress
/// for `limit` seconds, it names the missing ranks and ends the process, and the launcher then ends the others. The other
/// thread does the reading and writing (`HeartbeatBoard`), because that may hang as well.
///
/// The lowest rank that is alive reports and ends first. The others end by themselves some seconds later, since
/// the launcher may be unreachable. Before the run folder is open, ranks cannot know who is alive and report in turn.
package final class Watchdog: Sendable {
    private struct Plan {
        var limit: Duration
        var board: HeartbeatBoard?

        /// The interval of writing and checking.
        var interval: Duration { min(.seconds(5), limit / 10) }
    }

    private let heartbeat: Heartbeat
    private let rank: Int
    private let plan: Mutex<Plan>
    private let end: @Sendable (WatchdogAlarm?) -> Never
    /// When the thread that reads and writes last finished, in milliseconds since `start`.
    private let exchanged = Atomic<Int>(0)
    private let start = ContinuousClock.now

    /// - Parameters:
    ///   - limit: seconds without progress on any rank; longer than any step or save. 0: it waits forever.
    ///   - end: ends the process; the alarm is nil if another rank has raised it.
    package init(_ heartbeat: Heartbeat, rank: Int, limit: Double, end: @escaping @Sendable (WatchdogAlarm?) -> Never) {
        self.heartbeat = heartbeat
        self.rank = rank
        plan = Mutex(Plan(limit: .seconds(limit)))
        self.end = end
    }

    /// Called by rank 0 alone, before any rank calls `meet`. - Throws: `FileError`.
    package static func prepare(_ runFolder: String) throws { try HeartbeatBoard.prepare(runFolder) }

    /// Called by rank 0 alone, when the run is over.
    package static func tidy(_ runFolder: String) { HeartbeatBoard.remove(runFolder) }

    /// Starts both threads; they end with the process.
    /// - Throws: `FileError` where a limit on threads or memory forbids them.
    package func watch() throws {
        for code in [startThread { self.exchangeLines() }, startThread { self.look() }] where code != 0 {
            throw FileError(operation: "start a thread", path: "the watchdog", code: code)
        }
    }

    /// From now on, the ranks exchange heartbeats in the run folder.
    /// - Parameter limit: as above, from the run's configuration.
    package func meet(in runFolder: String, ranks: Int, limit: Double) {
        plan.withLock {
            $0 = Plan(
                limit: .seconds(limit),
                board: limit == 0 ? nil : HeartbeatBoard(runFolder: runFolder, rank: rank, size: ranks))
        }
    }

    private func exchangeLines() {
        var sent = 0
        while true {
            let plan = plan.withLock { $0 }
            if let board = plan.board {
                sent += 1
                board.exchange(
                    HeartbeatBoard.Line(sent: sent, reading: heartbeat.reading, process: Int(getpid()), host: Host.name))
            }
            exchanged.store(milliseconds(ContinuousClock.now), ordering: .relaxed)
            pause(plan)
        }
    }

    private func look() {
        var last = heartbeat.reading
        var (moved, looked) = (ContinuousClock.now, ContinuousClock.now)
        var isSilent = false
        while true {
            let plan = plan.withLock { $0 }
            pause(plan)
            let now = ContinuousClock.now
            // The whole job was stopped and continued, or the machine slept.
            if now - looked > plan.interval * 2 + .seconds(1) { moved = now }
            looked = now
            let reading = heartbeat.reading
            if reading != last { (last, moved) = (reading, now) }
            if plan.limit == .zero || now - moved < plan.limit / 2 {
                plan.board?.stopReading()
                continue
            }
            plan.board?.startReading()
            // A slow rank is waited for.
            if let other = plan.board?.known.compactMap({ $0?.moved }).max() { moved = max(moved, other) }
            guard now - moved >= plan.limit else {
                isSilent = false
                continue
            }
            // Another rank is about to report and end, so this rank stays silent.
            isSilent = isSilent || !isLowestAlive(plan, now)
            // The launcher needs some seconds to end the others.
            let turn = plan.board == nil ? plan.limit + .seconds(8 * min(rank, 4)) : plan.limit
            if !isSilent, now - moved >= turn { end(alarm(plan, reading, since: moved, now)) }
            if now - moved >= turn + .seconds(10) { end(nil) }
        }
    }

    private func isAlive(_ peer: HeartbeatBoard.Peer, _ plan: Plan, _ now: ContinuousClock.Instant) -> Bool {
        now - peer.heard < plan.interval * 3
    }

    private func isLowestAlive(_ plan: Plan, _ now: ContinuousClock.Instant) -> Bool {
        guard let board = plan.board else { return true }
        return !board.known.prefix(rank).contains { $0.map { isAlive($0, plan, now) } ?? false }
    }

    private func alarm(
        _ plan: Plan, _ own: Heartbeat.Reading, since moved: ContinuousClock.Instant, _ now: ContinuousClock.Instant
    ) -> WatchdogAlarm {
        let neighbours = LaunchedProcess.neighbours()
        var findings: [String] = []
        for (other, peer) in (plan.board?.known ?? []).enumerated() where other != rank {
            guard let peer else {
                let process = neighbours.first { $0.rank == other }
                findings.append(process.map { "\($0): no sign of life" } ?? "rank \(other): never heard of")
                continue
            }
            let line = peer.line
            if !isAlive(peer, plan, now) {
                let state = line.host == Host.name ? LaunchedProcess.state(of: line.process) : ""
                findings.append(
                    "rank \(other), host \(line.host), process \(line.process)\(state): no sign of life, last seen in \(line.reading.place)")
            } else if line.reading.activity != .exchange {
                findings.append("rank \(other), host \(line.host): alive, but in \(line.reading.place) all the time")
            }
        }
        if plan.board == nil { findings += neighbours.filter { !$0.state.isEmpty }.map { "\($0): no sign of life" } }
        if own.activity != .exchange, own.activity != .start { findings.append("this rank: in phase \(own.activity) all the time") }
        if milliseconds(now) - exchanged.load(ordering: .relaxed) > milliseconds(start + plan.interval * 3) {
            findings.append("the run folder does not answer")
        }
        if findings.isEmpty {
            findings = [own.activity == .start ? "another rank or a file does not answer" : waiting(plan)]
        }
        return WatchdogAlarm(
            rank: rank, place: own.place, seconds: Int((now - moved).seconds.rounded()), findings: findings)
    }

    private func waiting(_ plan: Plan) -> String {
        let hosts = Set((plan.board?.known ?? []).compactMap { $0?.line.host }).union([Host.name]).sorted()
        return "every rank is alive and waits for the others: messages do not arrive"
            + (hosts.count > 1 ? " between \(hosts.joined(separator: ", "))" : "")
    }

    private func milliseconds(_ instant: ContinuousClock.Instant) -> Int { Int((instant - start).seconds * 1000) }

    /// A watchdog that is switched off checks occasionally whether it still is.
    private func pause(_ plan: Plan) {
        usleep(UInt32((plan.limit == .zero ? .seconds(1) : plan.interval).seconds * 1e6))
    }
}

/// No rank makes progress.
package struct WatchdogAlarm: DiagnosedError {
    package let rank: Int
    /// Phase and step.
    package let place: String
    package let seconds: Int
    /// Which ranks are missing, and why.
    package let findings: [String]

    package var kind: FailureKind { .inputOutput }

    package var diagnosis: Diagnosis {
        let shown = findings.prefix(8).joined(separator: "; ")
        return Diagnosis(
            "no rank has made progress for \(seconds) s; \(shown)\(findings.count > 8 ? "; and \(findings.count - 8) more" : "")",
            location: "rank \(rank), host \(Host.name), \(place)",
            remedy: "check what is named and resume with --resume auto; if the start, a step or a save takes longer, raise watchdog.seconds")
    }
}
