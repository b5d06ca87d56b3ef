import Diagnostics
import Files
import Glibc
import Synchronization

/// Heartbeats that ranks exchange without MPI: `RUN/.heartbeats/rank-N` has one line, rewritten every few
/// seconds by a thread that does nothing else. The run folder is the one place that all machines share.
///
/// A rank reads the lines of others only if it suspects a problem, so a healthy job writes a small file per rank and reads none.
final class HeartbeatBoard: Sendable {
    /// The state of a rank according to its line.
    struct Line: Equatable {
        /// The number of times it has written.
        var sent: Int
        var reading: Heartbeat.Reading
        var process: Int
        var host: String

        var text: String { "\(sent) \(reading.beats) \(reading.step) \(reading.activity) \(process) \(host)\n" }

        init(sent: Int, reading: Heartbeat.Reading, process: Int, host: String) {
            self.sent = sent
            self.reading = reading
            self.process = process
            self.host = host
        }

        /// nil for anything but a complete line.
        init?(_ text: String) {
            guard text.hasSuffix("\n") else { return nil }
            let fields = text.dropLast().split(separator: " ", maxSplits: 5)
            guard fields.count == 6, let sent = Int(fields[0]), let beats = Int(fields[1]), let step = Int(fields[2]),
                let activity = Activity.allCases.first(where: { "\($0)" == fields[3] }), let process = Int(fields[4])
            else { return nil }
            self.init(
                sent: sent, reading: Heartbeat.Reading(step: step, activity: activity, beats: beats), process: process,
                host: String(fields[5]))
        }
    }

    /// What is known about a rank since the problem was suspected.
    struct Peer {
        var line: Line
        /// When its line last changed, or was first read.
        var heard: ContinuousClock.Instant
        /// When it last made progress; nil if it has made none since then.
        var moved: ContinuousClock.Instant?
    }

    private let folder: String
    private let rank: Int
    private let size: Int
    private let peers: Mutex<[Peer?]>
    private let isReading = Atomic<Bool>(false)

    init(runFolder: String, rank: Int, size: Int) {
        folder = Self.folder(runFolder)
        self.rank = rank
        self.size = size
        peers = Mutex(Array(repeating: nil, count: size))
    }

    /// Called by rank 0 before any rank writes.
    static func prepare(_ runFolder: String) throws {
        try Folder.remove(folder(runFolder))
        try Folder.create(folder(runFolder))
    }

    static func remove(_ runFolder: String) { try? Folder.remove(folder(runFolder)) }

    private static func folder(_ runFolder: String) -> String { "\(runFolder)/.heartbeats" }

    private func path(_ rank: Int) -> String { "\(folder)/rank-\(rank)" }

    /// Writes this rank's line and, if requested, reads those of the others. May never return if the disk hangs.
    func exchange(_ own: Line) {
        // Not published by rename: an incomplete line is ignored, and a rename costs more on a network file system.
        if let file = try? File.open(path(rank), .write) { try? file.write(own.text) }
        guard isReading.load(ordering: .relaxed) else { return }
        for other in 0..<size where other != rank {
            guard let bytes = try? File.contents(of: path(other), limit: 1024),
                let line = Line(String(decoding: bytes, as: UTF8.self))
            else { continue }
            let now = ContinuousClock.now
            peers.withLock { peers in
                guard let known = peers[other] else {
                    peers[other] = Peer(line: line, heard: now)
                    return
                }
                peers[other] = Peer(
                    line: line, heard: known.line.sent == line.sent ? known.heard : now,
                    moved: known.line.reading.beats == line.reading.beats ? known.moved : now)
            }
        }
    }

    /// From now on, the lines of the other ranks are read.
    func startReading() { isReading.store(true, ordering: .relaxed) }

    func stopReading() {
        guard isReading.exchange(false, ordering: .relaxed) else { return }
        peers.withLock { $0 = Array(repeating: nil, count: size) }
    }

    /// States by rank; nil for ranks whose line was not found, and for this rank.
    var known: [Peer?] { peers.withLock { $0 } }
}
