import Foundation
import TestSupport
import Testing

extension CommandTests {
    struct CompleteTests {
        private let sandbox: Sandbox

        init() throws { sandbox = try Sandbox() }

        private struct Completion: Decodable {
            struct Candidate: Decodable {
                let probability: Double
                let text: String
                let token: Int
            }
            let prefix: String
            let partial: String?
            let candidates: [Candidate]
        }

        private func complete(_ run: String, _ arguments: String...) throws -> Completion {
            let output = try sandbox.succeed(["complete", "--checkpoint", run, "--json"] + arguments)
            return try JSONDecoder().decode(Completion.self, from: Data(output.utf8))
        }

        /// A model of words, after 60 steps.
        private func wordRun() throws -> String {
            try sandbox.succeed([
                "prepare", "--train", "\(Shared.corpus)/train.txt", "--valid", "\(Shared.corpus)/valid.txt", "--level",
                "word", "--output", "words",
            ])
            try sandbox.train("run", ["training.steps=60"], ["--data", "words"])
            return "run"
        }

        /// The most probable character is what greedy generation writes, and the probabilities are those of `score`.
        @Test func charactersWithTheirProbabilities() throws {
            let all = try complete(Shared.run, "A ca", "-k", "1000")
            #expect(all.prefix == "A ca" && all.partial == nil)
            #expect(all.candidates.count == 57)
            #expect(abs(all.candidates.reduce(0) { $0 + $1.probability } - 1) < 1e-9)
            let greedy = try sandbox.succeed([
                "generate", "--checkpoint", Shared.run, "--prompt", "\nA ca", "--length", "1", "--temperature", "0",
            ])
            let best = try #require(all.candidates.first)
            #expect(greedy == "\nA ca\(best.text)\n")
            let lines = try sandbox.write("A ca\nA ca\(best.text)\n", to: "lines.txt")
            let scores = try sandbox.succeed(["score", "--checkpoint", Shared.run, "--no-line-end", lines])
                .split(separator: "\n").compactMap { Double($0) }
            #expect(abs(exp(scores[1] - scores[0]) - best.probability) < 1e-4)
        }

        @Test func aTextOfWordsMayEndInTheMidstOfOne() throws {
            let run = try wordRun()
            let none = try sandbox.lockstep(["complete", "--checkpoint", run, "A zzz"])
            #expect(none.status == 0 && none.output.isEmpty && none.errors.contains("begins with \"zzz\""))
            let words = try complete(run, "A car sta", "-k", "20")
            #expect(words.partial == "sta")
            #expect(!words.candidates.isEmpty)
            #expect(words.candidates.allSatisfy { $0.text.hasPrefix("sta") })
            #expect(abs(words.candidates.reduce(0) { $0 + $1.probability } - 1) < 1e-9)
            // After a space the next word comes, any word. Its odds against another do not depend on what was typed.
            let next = try complete(run, "A car ", "-k", "100000")
            #expect(next.partial == "")
            let any = Dictionary(uniqueKeysWithValues: next.candidates.map { ($0.text, $0.probability) })
            #expect(any.count > 100 && any["<eos>"] != nil && any["<unk>"] == nil)
            let (first, last) = (words.candidates.first!, words.candidates.last!)
            #expect(abs(any[first.text]! / any[last.text]! / (first.probability / last.probability) - 1) < 1e-9)
            #expect(try complete(run, "A car xyz").candidates.isEmpty)
        }

        @Test func linesOfStandardInput() throws {
            func run(_ options: String) throws -> String {
                let script = "printf 'A\\nA train le\\n' | \"$0\" complete --checkpoint '\(Shared.run)' \(options)"
                let outcome = try Launch.run("sh", ["-c", script, Launch.product("lockstep")], folder: sandbox.folder)
                #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
                return outcome.output
            }
            let blocks = try run("-k 2").components(separatedBy: "\n\n")
            #expect(blocks.count == 3 && blocks[2].isEmpty)
            for block in blocks.prefix(2) {
                let lines = block.split(separator: "\n")
                #expect(lines.count == 2)
                #expect(lines.allSatisfy { $0.wholeMatch(of: /[01]\.\d{6}\t".+"/) != nil }, "\(block)")
            }
            let objects = try run("--json").split(separator: "\n").map {
                try JSONDecoder().decode(Completion.self, from: Data($0.utf8))
            }
            #expect(objects.map(\.prefix) == ["A", "A train le"])
            #expect(objects.map(\.candidates.count) == [5, 5])
        }
    }
}
