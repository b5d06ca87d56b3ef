import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// Interrupted work leaves nothing behind for good.
    struct LeftoverTests {
        private let sandbox: Sandbox

        init() throws {
            sandbox = try Sandbox()
            _ = try Launch.run("truncate", ["-s", "200M", sandbox.path("large")])
            _ = try sandbox.write(String(repeating: "x", count: 2000), to: "small")
        }

        private static var host: String {
            var name = [CChar](repeating: 0, count: 256)
            gethostname(&name, name.count - 1)
            return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }

        private func names() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: sandbox.folder).sorted() }

        private func interrupt(_ signal: String) throws -> Launch.Outcome {
            try sandbox.interrupt(
                ["prepare", "--input", "large", "--level", "byte", "--output", "data"], when: "[ -e data.tmp-*/train.npy ]",
                "kill -\(signal) $job")
        }

        @Test(arguments: [("TERM", 15), ("HUP", 1), ("USR1", 10)])
        func interruptedPrepare(signal: String, number: Int32) throws {
            #expect(try interrupt(signal).status == 128 + number)
            #expect(try names() == ["large", "small"])
        }

        /// What could not clean up after itself is cleaned up after by the next; what is at work is left alone.
        @Test func killedPrepare() throws {
            #expect(try interrupt("KILL").status == 128 + 9)
            #expect(try names().count == 3)
            let host = LeftoverTests.host
            for name in ["data.tmp-\(getpid())-\(host)", "data.tmp-1-elsewhere", "data.tmp-note"] {
                try FileManager.default.createDirectory(atPath: sandbox.path(name), withIntermediateDirectories: false)
            }
            // Of a machine that cannot be asked, and for a day without a sign of life.
            let old = sandbox.path("data.tmp-2-elsewhere")
            try FileManager.default.createDirectory(atPath: old, withIntermediateDirectories: false)
            try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSinceNow: -90_000)], ofItemAtPath: old)
            try sandbox.succeed(["prepare", "--input", "small", "--level", "byte", "--output", "data"])
            #expect(try names() == ["data", "data.tmp-1-elsewhere", "data.tmp-\(getpid())-\(host)", "data.tmp-note", "large", "small"].sorted())
        }

        /// A run was killed while it wrote: the next start removes its leftovers, before any checkpoint is due.
        @Test func killedRun() throws {
            try sandbox.train("run", ["training.steps=4"])
            let host = LeftoverTests.host
            let dead = "999999999"
            let leftovers = [
                "config.yaml.tmp-\(dead)-\(host)", "metrics.jsonl.tmp-\(dead)-\(host)", "checkpoints/latest.tmp-\(dead)-\(host)",
                "checkpoints/.step-000000004.tmp-\(dead)",
            ]
            for name in leftovers { _ = try sandbox.write("x", to: "run/\(name)") }
            try sandbox.train("run", ["training.steps=5", "checkpoint.every_steps=1000"], ["--resume", "auto"])
            for name in leftovers { #expect(!FileManager.default.fileExists(atPath: sandbox.path("run/\(name)")), "\(name)") }
        }

        /// What a job has left that was killed together with its mpirun, in memory and on disk; but not what is new, in use, or
        /// of an mpirun that lives.
        @Test func killedJob() throws {
            let host = LeftoverTests.host.split(separator: ".")[0]
            let user = getuid()
            let sessions = "/tmp/ompi.\(host).\(user)"
            let tag = "\(getpid())test"
            let (dead, new) = ("/dev/shm/vader_segment.\(host).\(user).\(tag).0", "/dev/shm/vader_segment.\(host).\(user).\(tag).1")
            let mapped = "/dev/shm/vader_segment.\(host).\(user).\(tag).2"
            let (deadSession, liveSession) = ("\(sessions)/pid.999999999", "\(sessions)/pid.\(getpid())")
            defer { for path in [dead, new, mapped, deadSession, liveSession] { try? FileManager.default.removeItem(atPath: path) } }
            for path in [dead, new, mapped] { try Data(count: 4096).write(to: URL(filePath: path)) }
            for path in [deadSession, liveSession] { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
            let descriptor = open(mapped, O_RDWR)
            let page = mmap(nil, 4096, PROT_READ, MAP_SHARED, descriptor, 0)
            defer {
                munmap(page, 4096)
                close(descriptor)
            }
            for path in [dead, mapped, deadSession, liveSession] {
                try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSinceNow: -100)], ofItemAtPath: path)
            }
            try sandbox.train("run", ["training.steps=2"], ranks: 2)
            #expect([dead, deadSession, new, mapped, liveSession].map(FileManager.default.fileExists) == [false, false, true, true, true])
        }
    }
}
