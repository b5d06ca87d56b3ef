import Foundation
import TestSupport
import Testing

/// The helper that the other end-to-end tests rely on.
@Suite struct LaunchTests {
    @Test func tellsStatusAndBothOutputs() throws {
        let outcome = try Launch.run("sh", ["-c", "echo out; echo err >&2; exit 3"])
        #expect(outcome.status == 3)
        #expect(outcome.output == "out\n")
        #expect(outcome.errors == "err\n")
        #expect(!outcome.timedOut)
    }

    @Test func tellsTheSignal() throws {
        #expect(try Launch.run("sh", ["-c", "kill -KILL $$"]).status == 128 + 9)
    }

    @Test func childrenHearSignals() throws {
        let outcome = try Launch.run("grep", ["SigBlk", "/proc/self/status"])
        #expect(outcome.output == "SigBlk:\t0000000000000000\n")
    }

    @Test func survivesMoreOutputThanAPipeHolds() throws {
        #expect(try Launch.run("head", ["-c", "1000000", "/dev/zero"]).output.utf8.count == 1_000_000)
    }

    @Test func deadlineEndsTheWholeGroup() throws {
        let outcome = try Launch.run("sh", ["-c", "sleep 600 & echo $!; wait"], timeout: 0.5)
        #expect(outcome.timedOut)
        let child = try #require(Int32(outcome.output.trimmingCharacters(in: .whitespacesAndNewlines)))
        // Its new parent may take a moment to collect it; a zombie has no command line.
        let commandLine = try? String(contentsOfFile: "/proc/\(child)/cmdline", encoding: .utf8)
        #expect(commandLine?.contains("sleep") != true)
    }
}
