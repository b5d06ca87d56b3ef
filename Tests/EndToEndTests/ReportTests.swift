import Foundation
import TestSupport
import Testing

/// Tools that only some machines have; `launch/test-tools` installs them.
private enum Tool {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    static let python = "\(root)/.build/test-tools/bin/python"
    static let hasTensorBoard = has(python, ["-c", "import tensorboard"])
    static let hasChromium = has("chromium", ["--version"])

    private static func has(_ command: String, _ arguments: [String]) -> Bool {
        (try? Launch.run(command, arguments).status) == 0
    }
}

extension CommandTests {
    /// A run's records, as files and as a page.
    struct ReportTests {
        /// Killed between two checkpoints and resumed twice, so that the run has three sessions.
        private static func train(_ sandbox: Sandbox) throws {
            let settings = ["checkpoint.every_steps=20", "validation={every_steps: 30, every_epoch: false}", "training.optimizer.learning_rate=0.01"]
            let arguments =
                ["train", "--run", "run"] + Sandbox.small
                + (settings + ["training.steps=1000000"]).flatMap { ["--set", $0] }
            let killed = try sandbox.interrupt(
                arguments, when: "[ -e run/metrics.jsonl ] && [ $(wc -l < run/metrics.jsonl) -gt 50 ]", "kill -KILL $job")
            try #require(killed.status == 128 + 9, "\(killed.errors)")
            let first = try #require(try sandbox.metrics("run").last).step
            for more in [25, 90] {
                try sandbox.train("run", settings + ["training.steps=\(first + more)"], ["--resume", "auto"])
            }
            let steps = try sandbox.metrics("run").filter { $0.kind == "train" }.map(\.step)
            #expect(steps == Array(1...first + 90))
        }

        /// `report runs/*` where an older page and a run that has just begun lie among the runs.
        @Test func ofSeveralPathsThoseThatAreNoRunsAreLeftOut() throws {
            let sandbox = try Sandbox()
            try sandbox.train("run", ["training.steps=3"])
            _ = try sandbox.write("<html>", to: "old.html")
            try FileManager.default.createDirectory(atPath: sandbox.path("begun"), withIntermediateDirectories: false)
            let outcome = try sandbox.lockstep(["report", "run", "begun", "old.html", "--output", "all.html"])
            #expect(outcome.status == 0 && outcome.output == "all.html\n", "\(outcome.errors)")
            #expect(outcome.errors.contains("note: begun is left out") && outcome.errors.contains("note: old.html is left out"))
            let none = try sandbox.lockstep(["report", "begun", "old.html", "--output", "none.html"])
            expectRefusal(none, status: 65, ["begun/metrics.jsonl"])
            expectRefusal(try sandbox.lockstep(["report", "run", "rum", "--output", "x.html"]), status: 65, ["rum", "No such file"])
        }

        @Test(.enabled(if: Tool.hasTensorBoard, "no TensorBoard here: launch/test-tools installs it"))
        func tensorBoardReadsTheSameNumbers() throws {
            let sandbox = try Sandbox()
            try Self.train(sandbox)
            let files = try FileManager.default.contentsOfDirectory(atPath: sandbox.path("run/tensorboard"))
            #expect(files.count == 3)
            let outcome = try Launch.run(
                Tool.python, ["\(Tool.root)/Tests/tensorboard/compare.py", sandbox.path("run")], timeout: 120)
            #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
            #expect(outcome.output.contains("scalars and"))
        }

        @Test(.enabled(if: Tool.hasChromium, "no Chromium here: launch/test-tools installs it"))
        func theBrowserDrawsTheNumbers() throws {
            let sandbox = try Sandbox()
            try Self.train(sandbox)
            try sandbox.succeed(["report", "run"])
            let outcome = try Launch.run(
                "python3",
                ["\(Tool.root)/Tests/browser/check-report.py", sandbox.path("run/report.html"), sandbox.path("run/metrics.jsonl")],
                timeout: 300)
            #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
            #expect(outcome.output.contains("values are drawn where they belong"))
        }

        @Test func withoutEventsAndSamples() throws {
            let sandbox = try Sandbox()
            try sandbox.train("run", ["metrics={tensorboard: false, sample_length: 0}", "training.steps=10"])
            #expect(!FileManager.default.fileExists(atPath: sandbox.path("run/tensorboard")))
            let log = try String(contentsOfFile: sandbox.path("run/metrics.jsonl"), encoding: .utf8)
            #expect(log.hasPrefix(#"{"cores""#) && !log.contains(#""kind":"sample""#))
        }

        @Test func pages() throws {
            let sandbox = try Sandbox()
            #expect(try sandbox.succeed(["report", Shared.run, "--output", "one.html"]) == "one.html\n")
            let one = try String(contentsOfFile: sandbox.path("one.html"), encoding: .utf8)
            #expect(one.contains("<h1>run</h1>") && one.contains("<h2>Samples</h2>") && one.contains("model.hidden"))
            try sandbox.train("other", ["training.steps=20"])
            try sandbox.succeed(["report", Shared.run, "other", "--output", "two.html"])
            let two = try String(contentsOfFile: sandbox.path("two.html"), encoding: .utf8)
            #expect(two.contains("<h1>run, other</h1>") && two.contains("data-name=\"other, training\""))
        }

        @Test(arguments: [
            ("missing", [] as [String], 65, "missing/metrics.jsonl: cannot open: No such file or directory"),
            ("hostile", [], 65, "hostile/metrics.jsonl, line 2: not a record of metrics"),
            ("settings", [], 64, "settings/config.yaml, line 1"),
            ("fine", ["--output", "no/such/page.html"], 65, "no/such/page.html"),
        ])
        func refusals(_ run: String, _ options: [String], _ status: Int32, _ message: String) throws {
            let sandbox = try Sandbox()
            let line = #"{"kind":"validation","step":1,"epoch":1,"tokens":2,"loss":3}"# + "\n"
            for (folder, metrics, settings) in [
                ("hostile", line + "{\n", ""), ("settings", line, "soup: 1\n"), ("fine", line, ""),
            ] {
                try FileManager.default.createDirectory(atPath: sandbox.path(folder), withIntermediateDirectories: true)
                _ = try sandbox.write(metrics, to: "\(folder)/metrics.jsonl")
                _ = try sandbox.write(settings, to: "\(folder)/config.yaml")
            }
            let outcome = try sandbox.lockstep(["report", run] + options)
            #expect(outcome.status == status)
            #expect(outcome.errors.contains(message), "\(outcome.errors)")
            #expect(complaints(outcome.errors).count == 1)
            #expect(!FileManager.default.fileExists(atPath: sandbox.path("\(run)/report.html")))
        }

        @Test func severalRunsNeedAName() throws {
            let outcome = try Sandbox().lockstep(["report", "a", "b"])
            #expect(outcome.status == 64 && outcome.errors.contains("--output"))
        }
    }
}
