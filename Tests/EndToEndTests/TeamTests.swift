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

        /// Two teams of two ranks, and three ranks, which four shards do not divide: the bytes of one rank with these shards.
        @Test func shardsEndInTheSameBytesInAnyTeams() throws {
            let sandbox = try Sandbox()
            let sharded = Self.settings + ["training.reproducible_shards=4", "training.steps=10"]
            try sandbox.train("alone", sharded)
            let units = ["train"] + Sandbox.small + (sharded + ["exchange.split=units"]).flatMap { ["--set", $0] }
            let teams = try sandbox.lockstep(units + ["--run", "teams", "--set", "exchange.team=2"], ranks: 4)
            #expect(teams.status == 0, "\(teams.errors)")
            for line in [", 6 per team of 2 ranks that share hidden units", "4 shards, 2 per team, summed in a fixed order"] {
                #expect(teams.errors.contains(line), "\(teams.errors)")
            }
            #expect(try String(contentsOfFile: sandbox.path("teams/metrics.jsonl"), encoding: .utf8).contains(#""team_size":2,"#))
            try sandbox.succeed(units + ["--run", "three"], ranks: 3)
            for run in ["teams", "three"] {
                #expect(try sandbox.tensors(run, step: 10) == sandbox.tensors("alone", step: 10), "\(run)")
                #expect(try sandbox.losses(run) == sandbox.losses("alone"), "\(run)")
            }
        }

        @Test func teamsThatCannotBeFormedAreRefused() throws {
            let sandbox = try Sandbox()
            let outcome = try sandbox.lockstep(
                ["train", "--run", "run"] + Sandbox.small + ["--set", "exchange.team=2", "--set", "exchange.split=units"], ranks: 3)
            #expect(outcome.status == 64)
            #expect(
                complaints(outcome.errors) == [
                    "lockstep: exchange.team: the ranks of a machine cannot form equal teams; expected a divisor of the 3 ranks per machine: 1 or 3, found 2; choose one of these, or start equal numbers of ranks, multiples of 2, on all machines"
                ])
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
