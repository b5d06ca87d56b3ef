import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// A model's embedding for other programs, and its neighbours.
    struct WordVectorTests {
        private let sandbox: Sandbox

        init() throws { sandbox = try Sandbox() }

        @Test func everyTokenHasALineInTheFile() throws {
            let export = ["export", "--checkpoint", Shared.run, "--embeddings", "--output", "vectors.txt"]
            #expect(try sandbox.succeed(export) == "vectors.txt\n")
            let lines = try String(contentsOfFile: sandbox.path("vectors.txt"), encoding: .utf8).split(separator: "\n")
            #expect(lines.first == "57 8" && lines.count == 58)
            #expect(lines.dropFirst().allSatisfy { $0.split(separator: " ").count == 9 }, "also that of the space")
            expectRefusal(try sandbox.lockstep(export), status: 64, ["already exists", "--overwrite"])
            try sandbox.succeed(export + ["--overwrite"])
            for wrong in [[], ["--embeddings", "--format", "onnx"], ["--embeddings", "--sos", "a"]] {
                let refused = try sandbox.lockstep(["export", "--checkpoint", Shared.run, "--output", "other"] + wrong)
                #expect(refused.status == 64)
            }
        }

        @Test func neighboursAndAnalogies() throws {
            let text = try sandbox.succeed(["inspect", Shared.run, "--nearest", "a", "--neighbours", "3"])
            #expect(text.contains("57 tokens, 8 values each") && text.contains("closest to a"))
            let questions = try sandbox.write(": letters\na b c d\nA b c d\nking queen man woman\n", to: "questions")
            let output = try sandbox.succeed(
                ["inspect", Shared.run, "--nearest", "a - b + c", "--analogies", questions, "--json"])
            let report = try JSONDecoder().decode(Report.self, from: Data(output.utf8))
            #expect(report.nearest.map(\.query) == ["a - b + c"] && report.nearest[0].neighbours.count == 10)
            #expect(Set(report.nearest[0].neighbours.map(\.token)).isDisjoint(with: ["a", "b", "c"]))
            #expect(report.analogies.map(\.questions) == [3] && report.analogies.map(\.covered) == [2])
        }

        @Test(arguments: [
            ("qq", "no such token"), ("a b", "two words without a sign"), ("a -", "a word is missing"), ("", "a word is missing"),
        ])
        func aQueryThatMeansNothingIsRefused(query: String, message: String) throws {
            expectRefusal(try sandbox.lockstep(["inspect", Shared.run, "--nearest", query]), status: 64, [message])
        }

        @Test func anARPAFileHasNoVectors() throws {
            let arpa = "\\data\\\nngram 1=3\n\n\\1-grams:\n-1\t<s>\n-0.3\ta\n-0.3\t</s>\n\n\\end\\\n"
            let path = try sandbox.write(arpa, to: "model.arpa")
            expectRefusal(try sandbox.lockstep(["inspect", path, "--nearest", "a"]), status: 64, ["an n-gram model has no word vectors"])
        }

        private struct Report: Decodable {
            struct Nearest: Decodable {
                struct Neighbour: Decodable { let token: String }
                let query: String
                let neighbours: [Neighbour]
            }
            struct Score: Decodable {
                let questions: Int
                let covered: Int
            }
            let nearest: [Nearest]
            let analogies: [Score]
        }
    }
}
