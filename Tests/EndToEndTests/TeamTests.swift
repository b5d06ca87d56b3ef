import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// `exchange.split: units` under a real mpirun.
    struct TeamTests {
        private static let settings = ["model.dropout=0.3", "training.random_unroll=true", "validation={every_epoch: false}"]
        private static let units = settings + ["exchange.split=units"]

        /// Killed in the middle of a step, and resumed on other ranks.
        @Test func everyNumberOfRanksEndsInTheBytesOfOneAlsoAfterAKill() throws {
            let sandbox = try Sandbox()
            let endless =
                ["train", "--run", "killed"] + Sandbox.small
                + (Self.units + ["checkpoint.every_steps=10", "training.steps=1000000"]).flatMap { ["--set", $0] }
            let outcome = try sandbox.interrupt(
                endless, ranks: 2, when: "[ $(cat killed/metrics.jsonl | wc -l) -gt 15 ]", "set -- $ranks; kill -KILL $2; wait $job; exit $?")
            #expect(outcome.status != 0)
            let checkpoints = try FileManager.default.contentsOfDirectory(atPath: sandbox.path("killed/checkpoints"))
            let saved = try #require(checkpoints.compactMap { Int($0.dropFirst("step-".count)) }.max())
            let end = saved + 10
            try sandbox.train("killed", Self.units + ["training.steps=\(end)"], ["--resume", "auto"], ranks: 3)
            try sandbox.train("whole", Self.settings + ["training.steps=\(end)"])
            #expect(try sandbox.tensors("killed", step: end) == sandbox.tensors("whole", step: end))
            #expect(try sandbox.losses("killed") == sandbox.losses("whole"))
        }

        /// Between two steps or between two layers: the other rank waits for it, and says so.
        @Test func stoppedRankIsNamed() throws {
            let sandbox = try Sandbox()
            let endless =
                ["train", "--run", "run"] + Sandbox.small
                + (Self.units + ["training.steps=1000000", "watchdog.seconds=4"]).flatMap { ["--set", $0] }
            let outcome = try sandbox.interrupt(
                endless, ranks: 2, when: "[ -s run/metrics.jsonl ]", "set -- $ranks; sleep 1; kill -STOP $2; wait $job; exit $?")
            #expect(!outcome.timedOut && outcome.status == 74)
            let lines = complaints(outcome.errors)
            #expect(lines.count == 1, "\(outcome.errors)")
            #expect(
                lines.first?.contains(/phase exchange of step \d+: no rank has made progress for \d+ s; rank 1, host \S+, process \d+ \(stopped\): no sign of life/)
                    == true, "\(lines)")
        }

        @Test func whatCannotBeSharedIsRefused() throws {
            let sandbox = try Sandbox()
            let outcome = try sandbox.lockstep(
                ["train", "--run", "run"] + Sandbox.small + ["--set", "model.normalization=layer", "--set", "exchange.split=units"], ranks: 2)
            #expect(outcome.status == 64)
            #expect(
                complaints(outcome.errors) == [
                    "lockstep: exchange.split: ranks cannot share hidden units with this model.normalization; expected streams or auto, found units; set exchange.split to streams"
                ])
        }
    }
}
