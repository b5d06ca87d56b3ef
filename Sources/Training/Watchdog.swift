import Diagnostics
import Glibc
import Synchronization

/// Ends a job that no longer moves: a rank was stopped, its disk hangs, a cable is cut.
///
/// Two threads of each rank. One looks at the rank's heartbeat; when neither this rank nor any other has made progress
/// for `limit` seconds it says who is missing and ends the process, on which the launcher ends the others. The other
/// thread does the reading and writing (`HeartbeatBoard`), for that may hang as well.
///
/// Of the ranks that are alive the lowest speaks and ends first; the others follow some seconds later by themselves, since
/// the launcher may be out of reach.
public final class Watchdog: Sendable {
    private let heartbeat: Heartbeat
    private let board: HeartbeatBoard
    private let rank: Int
    private let size: Int
    private let limit: Duration
    private let interval: Duration
    private let end: @Sendable (WatchdogAlarm?) -> Never
    /// When the thread that reads and writes was last done with it, in milliseconds since `start`.
    private let exchanged = Atomic<Int>(0)
    private let start = ContinuousClock.now

    /// - Parameters:
    ///   - limit: seconds without progress of any rank; longer than any step or save.
    ///   - end: ends the process; the alarm is nil when another rank has given it.
    public init(
        _ heartbeat: Heartbeat, runFolder: String, rank: Int, size: Int, limit: Double,
        end: @escaping @Sendable (WatchdogAlarm?) -> Never
    ) {
        self.heartbeat = heartbeat
        board = HeartbeatBoard(runFolder: runFolder, rank: rank, size: size)
        self.rank = rank
        self.size = size
        self.limit = .seconds(limit)
        interval = min(.seconds(5), .seconds(limit) / 10)
        self.end = end
    }

    /// By rank 0 alone, before any rank's `watch`. - Throws: `FileError`.
    public static func prepare(_ runFolder: String) throws { try HeartbeatBoard.prepare(runFolder) }

    /// By rank 0 alone, when the run is over.
    public static func tidy(_ runFolder: String) { HeartbeatBoard.remove(runFolder) }

    /// Starts both threads; they end with the process.
    public func watch() {
        startThread { self.exchangeLines() }
        startThread { self.look() }
    }

    private func exchangeLines() {
        var sent = 0
        while true {
            sent += 1
            board.exchange(
                HeartbeatBoard.Line(sent: sent, reading: heartbeat.reading, process: Int(getpid()), host: Host.name))
            exchanged.store(milliseconds(ContinuousClock.now), ordering: .relaxed)
            pause(interval)
        }
    }

    private func look() {
        var last = heartbeat.reading
        var (moved, looked) = (ContinuousClock.now, ContinuousClock.now)
        var isSilent = false
        while true {
            pause(interval)
            let now = ContinuousClock.now
            // The whole job was stopped and continued, or the machine slept.
            if now - looked > interval * 2 + .seconds(1) { moved = now }
            looked = now
            let reading = heartbeat.reading
            if reading != last { (last, moved) = (reading, now) }
            if now - moved < limit / 2 {
                board.stopReading()
                continue
            }
            board.startReading()
            // One that is slow is waited for.
            if let other = board.known.compactMap({ $0?.moved }).max() { moved = max(moved, other) }
            guard now - moved >= limit else {
                isSilent = false
                continue
            }
            // Once another is to speak this rank stays silent: that one is dead soon.
            isSilent = isSilent || !isLowestAlive(now)
            if !isSilent { end(alarm(reading, since: moved, now)) }
            if now - moved >= limit + .seconds(10) { end(nil) }
        }
    }

    private func isAlive(_ peer: HeartbeatBoard.Peer, _ now: ContinuousClock.Instant) -> Bool {
        now - peer.heard < interval * 3
    }

    private func isLowestAlive(_ now: ContinuousClock.Instant) -> Bool {
        !board.known.prefix(rank).contains { $0.map { isAlive($0, now) } ?? false }
    }

    private func alarm(
        _ own: Heartbeat.Reading, since moved: ContinuousClock.Instant, _ now: ContinuousClock.Instant
    ) -> WatchdogAlarm {
        let seconds = Int((now - moved).seconds.rounded())
        var findings: [String] = []
        for (other, peer) in board.known.enumerated() where other != rank {
            guard let peer else {
                findings.append("rank \(other): never heard of")
                continue
            }
            let (line, reading) = (peer.line, peer.line.reading)
            if !isAlive(peer, now) {
                let state = line.host == Host.name ? Self.state(ofProcess: line.process) : ""
                findings.append(
                    "rank \(other), host \(line.host), process \(line.process)\(state): no sign of life, last seen in phase \(reading.phase) of step \(reading.step)")
            } else if reading.phase != .exchange {
                findings.append(
                    "rank \(other), host \(line.host): alive, but in phase \(reading.phase) of step \(reading.step) all the time")
            }
        }
        if own.phase != .exchange { findings.append("this rank: in phase \(own.phase) all the time") }
        if milliseconds(now) - exchanged.load(ordering: .relaxed) > milliseconds(start + interval * 3) {
            findings.append("the run folder does not answer")
        }
        if findings.isEmpty {
            let hosts = Set(board.known.compactMap { $0?.line.host }).union([Host.name]).sorted()
            findings = [
                "every rank is alive and waits for the others: messages do not arrive"
                    + (hosts.count > 1 ? " between \(hosts.joined(separator: ", "))" : "")
            ]
        }
        return WatchdogAlarm(rank: rank, step: own.step, phase: own.phase, seconds: seconds, findings: findings)
    }

    /// What the kernel says of a process of this machine.
    private static func state(ofProcess process: Int) -> String {
        guard let file = fopen("/proc/\(process)/stat", "r") else { return " (gone)" }
        defer { fclose(file) }
        var bytes = [CChar](repeating: 0, count: 256)
        fgets(&bytes, 255, file)
        let text = String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        switch text.split(separator: ")").last?.dropFirst().first {
        case "T", "t": return " (stopped)"
        case "D": return " (waiting for a disk)"
        case "Z", "X": return " (dead)"
        default: return ""
        }
    }

    private func milliseconds(_ instant: ContinuousClock.Instant) -> Int { Int((instant - start).seconds * 1000) }

    private func pause(_ duration: Duration) { usleep(UInt32(duration.seconds * 1e6)) }
}

/// Nobody moves.
public struct WatchdogAlarm: DiagnosedError {
    public let rank: Int
    public let step: Int
    public let phase: Phase
    public let seconds: Int
    /// Who is missing, and why.
    public let findings: [String]

    public var kind: FailureKind { .inputOutput }

    public var diagnosis: Diagnosis {
        let shown = findings.prefix(8).joined(separator: "; ")
        return Diagnosis(
            "no rank has made progress for \(seconds) s; \(shown)\(findings.count > 8 ? "; and \(findings.count - 8) more" : "")",
            location: "rank \(rank), host \(Host.name), phase \(phase) of step \(step)",
            remedy: "look at what is named and go on with --resume auto; where a step or a save takes longer, raise watchdog.seconds")
    }
}

/// Runs `body` on a thread that leaves signals to the others.
private func startThread(_ body: @escaping @Sendable () -> Void) {
    final class Box {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var all = sigset_t()
    var before = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    var thread = pthread_t()
    let code = pthread_create(
        &thread, nil,
        { context in
            Unmanaged<Box>.fromOpaque(context!).takeRetainedValue().body()
            return nil
        }, Unmanaged.passRetained(Box(body)).toOpaque())
    precondition(code == 0, "no thread for the watchdog")
    pthread_detach(thread)
}
