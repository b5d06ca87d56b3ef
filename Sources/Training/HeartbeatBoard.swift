import Diagnostics
import Files
import Glibc
import Synchronization

/// What ranks tell each other behind the back of MPI: `RUN/.heartbeats/rank-N`, a line each, written anew every few
/// seconds by a thread that does nothing else. The run folder is the one place that all nodes share.
///
/// Others' lines are read only while a rank is worried, so a healthy job writes a small file per rank and reads none.
final class HeartbeatBoard: Sendable {
    /// A rank as its line tells.
    struct Line: Equatable {
        /// How often it has written.
        var sent: Int
        var reading: Heartbeat.Reading
        var process: Int
        var host: String

        var text: String { "\(sent) \(reading.beats) \(reading.step) \(reading.phase) \(process) \(host)\n" }

        init(sent: Int, reading: Heartbeat.Reading, process: Int, host: String) {
            self.sent = sent
            self.reading = reading
            self.process = process
            self.host = host
        }

        /// nil for anything but a whole line.
        init?(_ text: String) {
            guard text.hasSuffix("\n") else { return nil }
            let fields = text.dropLast().split(separator: " ", maxSplits: 5)
            guard fields.count == 6, let sent = Int(fields[0]), let beats = Int(fields[1]), let step = Int(fields[2]),
                let phase = Phase.allCases.first(where: { "\($0)" == fields[3] }), let process = Int(fields[4])
            else { return nil }
            self.init(
                sent: sent, reading: Heartbeat.Reading(step: step, phase: phase, beats: beats), process: process,
                host: String(fields[5]))
        }
    }

    /// What is known of a rank since the worry began.
    struct Peer {
        var line: Line
        /// When its line last changed, or was first seen.
        var heard: ContinuousClock.Instant
        /// When it last made progress; nil if it has not since.
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

    /// By rank 0, before any rank writes.
    static func prepare(_ runFolder: String) throws {
        try Folder.remove(folder(runFolder))
        try Folder.create(folder(runFolder))
    }

    static func remove(_ runFolder: String) { try? Folder.remove(folder(runFolder)) }

    private static func folder(_ runFolder: String) -> String { "\(runFolder)/.heartbeats" }

    private func path(_ rank: Int) -> String { "\(folder)/rank-\(rank)" }

    /// Writes this rank's line and, if asked to, reads the others'. May take for ever, when the disk does.
    func exchange(_ own: Line) {
        // Not published by rename: a torn line is ignored, and a rename is dearer on a network file system.
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

    /// From now on the others' lines are read.
    func startReading() { isReading.store(true, ordering: .relaxed) }

    func stopReading() {
        guard isReading.exchange(false, ordering: .relaxed) else { return }
        peers.withLock { $0 = Array(repeating: nil, count: size) }
    }

    /// By rank; nil for those of whom nothing was found, and for this one.
    var known: [Peer?] { peers.withLock { $0 } }
}
