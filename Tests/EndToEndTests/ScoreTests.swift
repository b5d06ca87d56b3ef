import Foundation
import TestSupport
import Testing

extension CommandTests {
    struct ScoreTests {
        private let sandbox: Sandbox
        private let run = Shared.run
        private let lines: [String]

        init() throws {
            sandbox = try Sandbox()
            let text = try String(contentsOfFile: "\(Shared.corpus)/test.txt", encoding: .utf8)
            lines = text.components(separatedBy: "\n").prefix(12).map { $0 }
        }

        /// Each line: log probability and tokens.
        private func score(_ lines: [String], _ options: [String] = []) throws -> [(Double, Int)] {
            let file = try sandbox.write(lines.map { $0 + "\n" }.joined(), to: "lines.txt")
            return try parse(sandbox.succeed(["score", "--checkpoint", run, file] + options))
        }

        private func parse(_ output: String) throws -> [(Double, Int)] {
            try output.split(separator: "\n").map { line in
                let fields = line.split(separator: "\t")
                try #require(fields.count == 2)
                return (try #require(Double(fields[0])), try #require(Int(fields[1])))
            }
        }

        /// `score` reads a line's end before the first line; `evaluate` predicts all tokens but the first. So the same
        /// text with a line's end in front has the same predictions.
        @Test func carriedStateAddsUpToEvaluate() throws {
            let scores = try score(lines, ["--carry-state"])
            let text = try sandbox.write("\n" + lines.map { $0 + "\n" }.joined(), to: "text.txt")
            let evaluation = try sandbox.evaluate(run, ["--text", text])
            #expect(scores.count == lines.count)
            #expect(scores.reduce(0) { $0 + $1.1 } == evaluation.tokens)
            #expect(abs(scores.reduce(0) { $0 + $1.0 } + evaluation.nll_sum) < 1e-4)
        }

        @Test func tokensAreTheCharactersAndTheLinesEnd() throws {
            #expect(try score(lines).map(\.1) == lines.map { $0.unicodeScalars.count + 1 })
        }

        /// Without carried state a line's score is its own, wherever it stands.
        @Test func eachLineStandsAlone() throws {
            let forwards = try score(lines).map(\.0)
            #expect(try score(lines.reversed()).map(\.0) == forwards.reversed())
            #expect(try score([lines[5]]).map(\.0) == [forwards[5]])
            #expect(try score(lines, ["--carry-state"]).map(\.0) != forwards)
        }

        @Test func readsStandardInput() throws {
            let expected = try score(lines).map(\.0)
            let outcome = try Launch.run(
                "sh", ["-c", "\"$@\" < lines.txt", "sh", Launch.product("lockstep"), "score", "--checkpoint", run],
                folder: sandbox.folder)
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(try parse(outcome.output).map(\.0) == expected)
        }

        /// Choosing from a recogniser's n-best list: text as it was trained on wins over the same letters reversed.
        @Test func prefersTheLanguage() throws {
            let line = try #require(lines.first { $0.count > 40 })
            let scores = try score([line, String(line.reversed())]).map(\.0)
            #expect(scores[0] > scores[1] + 10)
        }

        @Test func lastLineNeedsNoEnd() throws {
            let file = try sandbox.write("A car", to: "unfinished.txt")
            let whole = try score(["A car"])
            #expect(try parse(sandbox.succeed(["score", "--checkpoint", run, file])).map(\.0) == whole.map(\.0))
        }

        @Test func aLineOutsideTheVocabularyIsNamed() throws {
            let file = try sandbox.write("A car\nA \u{2603}\n", to: "snow.txt")
            let outcome = try sandbox.lockstep(["score", "--checkpoint", run, file])
            #expect(outcome.status == 65)
            #expect(outcome.output.split(separator: "\n").count == 1)
            #expect(complaints(outcome.errors).count == 1)
            for fragment in ["snow.txt", "line 2", "U+2603"] { #expect(outcome.errors.contains(fragment)) }
        }
    }
}
