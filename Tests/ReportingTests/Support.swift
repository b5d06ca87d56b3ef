import Foundation
import Glibc
import Reporting
import Testing

/// A folder that goes away with the test.
final class TemporaryFolder {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "reporting-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    var metrics: String { "\(path)/metrics.jsonl" }
    func contents() throws -> String { try String(contentsOfFile: metrics, encoding: .utf8) }
}

/// A pair of descriptors: what is written to one end is read from the other.
final class Channel {
    let near: Int32
    let far: Int32

    private init(near: Int32, far: Int32) {
        self.near = near
        self.far = far
    }

    deinit {
        close(near)
        close(far)
    }

    static func pipe() -> Channel {
        var ends: [Int32] = [0, 0]
        #expect(Glibc.pipe(&ends) == 0)
        return Channel(near: ends[0], far: ends[1])
    }

    /// A terminal of the given width, nil where the system has none to give.
    static func terminal(columns: Int) -> Channel? {
        // What unlockpt and ptsname do; Swift's Glibc module lacks both. Request codes from asm-generic/ioctls.h.
        let (setLock, getNumber): (UInt, UInt) = (0x4004_5431, 0x8004_5430)
        let near = open("/dev/ptmx", O_RDWR | O_NOCTTY)
        var (lock, number): (Int32, UInt32) = (0, 0)
        guard near >= 0, ioctl(near, setLock, &lock) == 0, ioctl(near, getNumber, &number) == 0 else { return nil }
        let far = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY)
        guard far >= 0 else { return nil }
        let channel = Channel(near: near, far: far)
        channel.resize(columns: columns)
        return channel
    }

    func resize(columns: Int) {
        var size = winsize(ws_row: 24, ws_col: UInt16(columns), ws_xpixel: 0, ws_ypixel: 0)
        #expect(ioctl(near, UInt(TIOCSWINSZ), &size) == 0)
    }

    /// All that has arrived once `end` has, with a deadline so that a failing test does not hang.
    func read(until end: String) -> String {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while !String(decoding: bytes, as: UTF8.self).hasSuffix(end) {
            var request = pollfd(fd: near, events: Int16(POLLIN), revents: 0)
            guard poll(&request, 1, 20_000) == 1 else { break }
            let count = Glibc.read(near, &buffer, buffer.count)
            guard count > 0 else { break }
            bytes += buffer[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// A record that is the same wherever it is used, except for its step.
func record(step: Int, loss: Double = 1.5) -> TrainingRecord {
    TrainingRecord(
        step: step, epoch: 2, tokens: step * 2048, loss: loss, gradientNorm: 0.75, learningRate: 0.002,
        tokensPerSecond: 11_200, elapsedSeconds: 12.5)
}

func start(step: Int) -> StartRecord {
    StartRecord(
        step: step, time: "2026-11-21T06:49:55Z", program: "0.1.0", ranks: 2, hosts: ["vm": 2], threadsPerRank: 1,
        processor: "CPU", cores: 2, libraries: ["a"], parameters: 1000, totalSteps: 100,
        data: .init(
            folder: "data/k", level: "character", vocabulary: 57, trainingTokens: 900, validationTokens: 90, hash: "ab"))
}
