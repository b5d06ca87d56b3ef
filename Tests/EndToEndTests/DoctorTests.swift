import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// The real machine: that facts arrive and verdicts lead to the right code. `DoctorTests` (the target) judges made-up ones.
    struct DoctorTests {
        private let sandbox: Sandbox
        init() throws { sandbox = try Sandbox() }

        private struct Report: Decodable {
            struct Finding: Decodable {
                let check: String
                let verdict: String
                let found: String
                let remedy: String?
            }
            struct Facts: Decodable {
                struct Rank: Decodable { let number: Int; let is_launched: Bool; let parent: String }
                struct Processor: Decodable { let name: String; let allowed: [Int]; let available: [Int] }
                struct Speed: Decodable { let peak: Double; let product: Double; let share: Double }
                struct Memory: Decodable { let total: Int; let available: Int }
                struct Storage: Decodable { let folder: String; let free: Int; let save_seconds: Double? }
                let rank: Rank
                let processor: Processor
                let speed: Speed?
                let memory: Memory
                let storage: Storage
            }
            let problems: Int
            let findings: [Finding]
            let command: [String]
            let facts: [Facts]

            func finding(_ check: String) -> Finding? { findings.first { $0.check == check } }
        }

        private func examine(
            _ options: [String], ranks: Int? = nil, launcher: [String] = [], environment: [String: String] = [:]
        ) throws -> (report: Report, outcome: Launch.Outcome) {
            let arguments = ["doctor", "--json"] + options
            let program = try Launch.product("lockstep")
            let outcome =
                try ranks.map {
                    try Launch.mpirun(
                        ranks: $0, program, arguments, options: launcher, environment: environment, folder: sandbox.folder)
                }
                ?? Launch.run(
                    program, arguments, environment: Launch.mpiEnvironment.merging(environment) { $1 }, folder: sandbox.folder)
            let report = try JSONDecoder().decode(Report.self, from: Data(outcome.output.utf8))
            #expect(outcome.status == (report.problems == 0 ? 0 : 69), "\(outcome.errors)")
            #expect(report.problems == report.findings.count { $0.verdict == "problem" })
            return (report, outcome)
        }

        @Test func aloneAndTheCommand() throws {
            let (report, _) = try examine(["--run", "runs/x y"])
            let facts = try #require(report.facts.first)
            #expect(report.facts.count == 1 && !facts.rank.is_launched)
            #expect(!facts.processor.allowed.isEmpty && !facts.processor.name.isEmpty)
            #expect(facts.memory.total >= facts.memory.available && facts.memory.available > 0)
            let speed = try #require(facts.speed)
            #expect(speed.peak > 1e8 && speed.product > 1e7 && 0...1 ~= speed.share)
            #expect(facts.storage.folder == URL(filePath: sandbox.folder).resolvingSymlinksInPath().path)
            #expect(facts.storage.free > 0 && facts.storage.save_seconds != nil)
            let line = try #require(report.command.last)
            #expect(line.hasPrefix("\(Launch.launcher(1)[0]) -n ") && line.hasSuffix("lockstep train --run 'runs/x y'"))
            // Nothing is left of the probe.
            #expect(try FileManager.default.contentsOfDirectory(atPath: sandbox.folder) == [])
        }

        @Test func ranksAreCompared() throws {
            let (report, _) = try examine([], ranks: 2, launcher: ["--bind-to", "none"])
            #expect(report.facts.map(\.rank.number) == [0, 1])
            #expect(report.facts.allSatisfy { $0.rank.is_launched && $0.rank.parent == (Launch.isMPICH ? "hydra_pmi_proxy" : "mpirun") })
            #expect(report.finding("agreement")?.verdict == "ok")
            #expect(report.finding("run folder") != nil)
        }

        /// Two ranks on one core, for real.
        @Test func twoRanksOnOneCore() throws {
            let (report, outcome) = try examine([], ranks: 2, launcher: Launch.isMPICH ? ["-bind-to", "user:0,0"] : ["--cpu-set", "0", "--bind-to", "core"])
            let finding = try #require(report.finding("binding"))
            #expect(finding.verdict == "problem" && finding.found.hasPrefix("ranks 0, 1 on 1 core"))
            #expect(outcome.status == 69)
            #expect(outcome.errors.contains("lockstep: ") && outcome.errors.contains("found; see the list above"))
        }

        @Test func tooManyThreads() throws {
            let (report, _) = try examine([], environment: ["OMP_NUM_THREADS": "1000"])
            #expect(report.finding("threads")?.verdict == "problem")
            #expect(report.command.first == "export OMP_NUM_THREADS=1")
        }

        @Test func theRunThatIsPlanned() throws {
            let (report, _) = try examine(["--data", Shared.corpus, "--set", "training.streams=1"])
            #expect(report.finding("streams")?.found == "1, 1 for each of 1 rank")
            #expect(report.finding("shared memory")?.found.contains("the run needs") == true)
            #expect(report.command.last?.hasPrefix("\(Launch.launcher(1)[0]) -n 1 ") == true)
        }

        @Test func vectorsThatDoNotExist() throws {
            let (report, outcome) = try examine([], environment: ["LOCKSTEP_VECTORS": "sse"])
            #expect(report.finding("products")?.remedy == "unset LOCKSTEP_VECTORS")
            #expect(outcome.status == 69)
        }

        @Test func hostfile() throws {
            let host = try Launch.run("hostname", []).output.trimmingCharacters(in: .whitespacesAndNewlines)
            let slots = Launch.isMPICH ? ":" : " slots="
            _ = try sandbox.write("\(host)\(slots)5000\n", to: "hosts")
            let (report, _) = try examine(["--hostfile", "hosts"])
            #expect(report.finding("ranks")?.verdict == "problem")
            #expect(report.finding("ranks")?.remedy?.hasPrefix("in hosts: \(host)\(slots)") == true)
        }

        @Test func textHasReasonsRemediesAndTheCommand() throws {
            let outcome = try Launch.run(
                Launch.product("lockstep"), ["doctor"],
                environment: Launch.mpiEnvironment.merging(["OMP_NUM_THREADS": "x"]) { $1 }, folder: sandbox.folder)
            #expect(outcome.status == 69)
            for text in ["problem: threads\n  why   ", "\n  do    export OMP_NUM_THREADS=1\n", "start it like this:\n"] {
                #expect(outcome.output.contains(text), "\(outcome.output)")
            }
        }

        @Test(arguments: [("--config", "nowhere.yaml", 64), ("--hostfile", "nowhere", 65), ("--set", "no.such=1", 64)] as [(String, String, Int32)])
        func wrongUse(option: String, value: String, code: Int32) throws {
            let outcome = try sandbox.lockstep(["doctor", option, value])
            #expect(outcome.status == code, "\(outcome.errors)")
            #expect(complaints(outcome.errors).count == 1)
        }
    }
}
