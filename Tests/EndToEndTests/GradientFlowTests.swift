import Foundation
import Reporting
import TestSupport
import Testing

extension CommandTests {
    /// How far back the gradient reaches: during training, afterwards, and in the report.
    struct GradientFlowTests {
        private let sandbox: Sandbox

        init() throws { sandbox = try Sandbox() }

        private func records(_ run: String) throws -> [GradientFlowRecord] {
            try MetricsHistory(path: sandbox.path("\(run)/metrics.jsonl")).gradientFlow
        }

        /// The run has the bytes that it has without, also with dropout, after a resume and on two ranks.
        @Test func measuringChangesNothing() throws {
            let settings = ["training.steps=12", "model.dropout=0.3"]
            try sandbox.train("without", settings)
            let measuring = settings + ["metrics.gradient_flow_every_steps=5"]
            try sandbox.train("with", measuring)
            #expect(try sandbox.tensors("with", step: 12) == sandbox.tensors("without", step: 12))
            let all = try records("with")
            #expect(all.map(\.step) == [0, 5, 10, 12] && all.allSatisfy { $0.flow.lags == 16 })

            try sandbox.train("resumed", measuring + ["training.steps=7"])
            try sandbox.succeed(["train", "--run", "resumed", "--resume", "auto", "--set", "training.steps=12"])
            #expect(try sandbox.tensors("resumed", step: 12) == sandbox.tensors("without", step: 12))
            #expect(try records("resumed").last == all.last && records("resumed").map(\.step) == [0, 5, 7, 10, 12])

            // What is measured does not depend on the ranks.
            let shards = measuring + ["training.reproducible_shards=2"]
            try sandbox.train("one", shards)
            try sandbox.train("two", shards, ranks: 2)
            #expect(try records("one") == records("two"))
        }

        /// Afterwards `inspect` finds what training has recorded, and the report draws it.
        @Test func inspectAndReport() throws {
            try sandbox.train("run", ["training.steps=20", "metrics.gradient_flow_every_steps=10"])
            let recorded = try #require(try records("run").last)
            let text = try sandbox.succeed(["inspect", "run", "--gradient-flow", "--data", Shared.corpus])
            for part in ["128 positions", "split valid", recorded.flow.meaning, "h median", "c median", "half-life", "U of f: spectral radius", "kept in run/gradient-flow.json"] {
                #expect(text.contains(part), "\(part): \(text)")
            }
            let kept = try JSONDecoder().decode(
                GradientFlowRecord.self, from: Data(contentsOf: URL(filePath: sandbox.path("run/gradient-flow.json"))))
            #expect(kept == recorded)

            struct Answer: Decodable {
                let kind: String
                let step: Int
                let meaning: String
                let flow: GradientFlow
            }
            let json = try JSONDecoder().decode(
                Answer.self, from: Data(sandbox.succeed(["inspect", "run", "--gradient-flow", "--json", "--lags", "3", "--positions", "9", "--split", "train"]).utf8))
            #expect(json.kind == "gradient_flow" && json.step == 20 && json.flow.positions == [9, 9, 9, 9])
            try sandbox.succeed(["report", "run"])
            let page = try String(contentsOfFile: sandbox.path("run/report.html"), encoding: .utf8)
            #expect(page.contains("id=\"gradient-flow\"") && page.contains("data-name=\"layer 1, c\"") && page.contains("tokens back"))
            #expect(page.contains("id=\"half-life\"") || json.flow.states.allSatisfy { $0.halfLife ?? -1 < 0 })
        }

        @Test func refusals() throws {
            func refused(_ arguments: [String]) throws -> String { try sandbox.lockstep(["inspect", Shared.run] + arguments).errors }
            #expect(try refused(["--lags", "3"]).contains("are for --gradient-flow"))
            #expect(try refused(["--gradient-flow", "--lags", "0"]).contains("--lags must be from 1 to 65536"))
            #expect(try refused(["--gradient-flow", "--nearest", "a"]).contains("excludes"))
            #expect(try refused(["--gradient-flow", "--data", "nowhere"]).contains("nowhere"))
        }
    }
}
