import Foundation
import Glibc
import Logging
import Testing

@testable import Reporting

@Suite struct ConsoleTests {
    static let clear = "\r\u{1B}[K"

    @Test func aPipeGetsPlainLinesOnly() {
        let channel = Channel.pipe()
        let console = Console(descriptor: channel.far, environment: { _ in nil })
        console.show(["live"])
        console.print("hello", colour: .red)
        console.finishLine()
        console.print("end")
        #expect(channel.read(until: "end\n") == "hello\nend\n")
    }

    @Test(.enabled(if: Channel.terminal(columns: 80) != nil)) func messagesAppearAboveTheLiveLine() throws {
        let channel = try #require(Channel.terminal(columns: 80))
        let console = Console(descriptor: channel.far, environment: { _ in nil })
        console.show(["step 1/9", "loss 2"])
        console.print("saved")
        console.finishLine()
        console.print("end")
        let (clear, line) = (Self.clear, "step 1/9  loss 2")
        #expect(
            channel.read(until: "end\r\n")
                == "\(clear)\(line)\(clear)saved\r\n\(line)\(clear)\(line)\r\n\(clear)end\r\n")
    }

    /// Whole fields only, one column short of the width, which is asked for each time.
    @Test(
        .enabled(if: Channel.terminal(columns: 80) != nil),
        arguments: [
            (80, "step 1/9  epoch 1/2  loss 2.5"), (30, "step 1/9  epoch 1/2  loss 2.5"),
            (29, "step 1/9  epoch 1/2"), (20, "step 1/9  epoch 1/2"), (19, "step 1/9"), (9, "step 1/9"), (5, "step"),
            (1, ""),
        ])
    func theLiveLineFitsTheWidth(columns: Int, shown: String) throws {
        let channel = try #require(Channel.terminal(columns: 80))
        let clock = Clock()
        let console = Console(descriptor: channel.far, environment: { _ in nil }, now: { clock.tick(seconds: 1) })
        let fields = ["step 1/9", "epoch 1/2", "loss 2.5"]
        console.show(fields)
        channel.resize(columns: columns)
        console.show(fields)
        console.print("end")
        // A narrower terminal has wrapped the line that it shows.
        let rows = (fields.joined(separator: "  ").count - 1) / columns
        let unwrap = rows == 0 ? Self.clear : "\r\u{1B}[\(rows)A\u{1B}[J"
        #expect(
            channel.read(until: "end\r\n\(shown)").hasPrefix(
                "\(Self.clear)\(fields.joined(separator: "  "))\(unwrap)\(shown)\(Self.clear)end"))
    }

    @Test(
        .enabled(if: Channel.terminal(columns: 80) != nil),
        arguments: [(24, "step 1/9  4s left"), (26, "step 1/9  loss 2  4s left"), (16, "step 1/9")])
    func theLeastImportantFieldsAreLeftOut(columns: Int, shown: String) throws {
        let channel = try #require(Channel.terminal(columns: columns))
        let console = Console(descriptor: channel.far, environment: { _ in nil })
        console.show(["step 1/9", "epoch 1/2", "loss 2", "4s left"], order: [0, 3, 7, 2, 1])
        console.print("end")
        #expect(channel.read(until: "end\r\n\(shown)") == "\(Self.clear)\(shown)\(Self.clear)end\r\n\(shown)")
    }

    @Test(.enabled(if: Channel.terminal(columns: 80) != nil)) func theLiveLineIsDrawnTenTimesASecondAtMost() throws {
        let channel = try #require(Channel.terminal(columns: 80))
        let clock = Clock()
        let console = Console(descriptor: channel.far, environment: { _ in nil }, now: { clock.tick(seconds: 0.03) })
        for step in 0..<10 { console.show(["\(step)"]) }
        console.finishLine()
        let drawn = [0, 4, 8, 9].map { "\(Self.clear)\($0)" }.joined()
        #expect(channel.read(until: "9\r\n") == drawn + "\r\n")
    }

    @Test(
        .enabled(if: Channel.terminal(columns: 80) != nil),
        arguments: [
            ([:], "\r\u{1B}[K\u{1B}[33mhey\u{1B}[0m\r\n"),
            (["NO_COLOR": "1"], "\r\u{1B}[Khey\r\n"),
            (["NO_COLOR": ""], "\r\u{1B}[K\u{1B}[33mhey\u{1B}[0m\r\n"),
            (["TERM": "dumb"], "hey\r\n"),
        ] as [([String: String], String)])
    func coloursOnlyWhereTheyAreWelcome(_ environment: [String: String], _ expected: String) throws {
        let channel = try #require(Channel.terminal(columns: 80))
        Console(descriptor: channel.far, environment: { environment[$0] }).print("hey", colour: .yellow)
        #expect(channel.read(until: "\r\n") == expected)
    }

    @Test func aClosedPipeOrDescriptorKillsNothing() async {
        await #expect(processExitsWith: .success) {
            signal(SIGPIPE, SIG_DFL)
            var ends: [Int32] = [0, 0]
            pipe(&ends)
            close(ends[0])
            let console = Console(descriptor: ends[1])
            for _ in 0..<3 { console.print("nobody reads this") }
            close(ends[1])
            console.print("nor this")
            // Nothing is left pending for others.
            var pending = sigset_t()
            sigpending(&pending)
            #expect(sigismember(&pending, SIGPIPE) == 0)
        }
    }

    @Test func logMessages() {
        let channel = Channel.pipe()
        let console = Console(descriptor: channel.far)
        var logger = Logger(label: "test") { _ in ConsoleLogHandler(console) }
        logger[metadataKey: "rank"] = "3"
        logger.debug("hidden")
        logger.notice("plain")
        logger.warning("odd", metadata: ["host": "a"])
        logger.error("end")
        #expect(channel.read(until: "end rank=3\n") == "plain rank=3\nwarning: odd host=a rank=3\nerror: end rank=3\n")
    }
}

/// Each reading is later than the one before.
private final class Clock: @unchecked Sendable {
    private let start = ContinuousClock.now
    private var readings = 0

    func tick(seconds: Double) -> ContinuousClock.Instant {
        defer { readings += 1 }
        return start + .seconds(seconds * Double(readings))
    }
}
