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

        /// The output for a text.
        private func output(_ text: String, _ options: String...) throws -> String {
            try sandbox.succeed(["score", "--checkpoint", run, try sandbox.write(text, to: "text.txt")] + options)
        }

        /// Each line: log probability and tokens.
        private func score(_ lines: [String], _ options: [String] = []) throws -> [(Double, Int)] {
            let file = try sandbox.write(lines.map { $0 + "\n" }.joined(), to: "lines.txt")
            return try parse(sandbox.succeed(["score", "--checkpoint", run, "--counts", file] + options))
        }

        private func parse(_ output: String) throws -> [(Double, Int)] {
            try output.split(separator: "\n").map { line in
                let fields = line.split(separator: "\t")
                try #require(fields.count == 3)
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

        /// The same digits for 400 lines and for these lines in reverse order, with every instruction set.
        @Test func aLinesScoreDoesNotDependOnItsCompany() throws {
            let text = try String(contentsOfFile: "\(Shared.corpus)/train.txt", encoding: .utf8)
            let lines = text.components(separatedBy: "\n").prefix(400).map { $0 }
            let files = try [lines, lines.reversed()].enumerated().map { index, lines in
                try sandbox.write(lines.map { $0 + "\n" }.joined(), to: "lines-\(index).txt")
            }
            func scores(_ file: String, _ vectors: String) throws -> [Substring]? {
                var environment = ProcessInfo.processInfo.environment
                environment["LOCKSTEP_VECTORS"] = vectors
                let outcome = try Launch.run(
                    Launch.product("lockstep"), ["score", "--checkpoint", run, file], environment: environment, folder: sandbox.folder)
                if outcome.status == 64, outcome.errors.contains("this processor does not have these instructions") { return nil }
                #expect(outcome.status == 0, "\(outcome.errors)")
                return outcome.output.split(separator: "\n")
            }
            let expected = try #require(try scores(files[0], "portable"))
            #expect(expected.count == 400)
            for vectors in ["portable", "avx2", "avx512"] {
                guard let forward = try scores(files[0], vectors), let backward = try scores(files[1], vectors) else { continue }
                #expect(forward == expected && backward.reversed() == expected, "\(vectors)")
            }
        }

        @Test func tokensAreTheCharactersAndTheLinesEnd() throws {
            #expect(try score(lines).map(\.1) == lines.map { $0.unicodeScalars.count + 1 })
        }

        /// Without carried state, a line's score does not depend on its place.
        @Test func eachLineStandsAlone() throws {
            let forwards = try score(lines).map(\.0)
            #expect(try score(lines.reversed()).map(\.0) == forwards.reversed())
            #expect(try score([lines[5]]).map(\.0) == [forwards[5]])
            #expect(try score(lines, ["--carry-state"]).map(\.0) != forwards)
        }

        @Test func readsStandardInput() throws {
            let expected = try score(lines).map(\.0)
            let outcome = try Launch.run(
                "sh", ["-c", "\"$@\" < lines.txt", "sh", Launch.product("lockstep"), "score", "--checkpoint", run, "--counts"],
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
            #expect(try parse(sandbox.succeed(["score", "--checkpoint", run, "--counts", file])).map(\.0) == whole.map(\.0))
        }

        /// One number a line, as many as there are lines.
        @Test func baseSignAndLineEndCanBeChosen() throws {
            let text = "A car\n\nA train leaves.\n"
            func scores(_ options: String...) throws -> [Double] {
                let file = try sandbox.write(text, to: "text.txt")
                let lines = try sandbox.succeed(["score", "--checkpoint", run, file] + options).split(separator: "\n")
                return try lines.map { try #require(Double($0)) }
            }
            let natural = try scores()
            #expect(natural.count == 3)
            for (base, logarithm) in [("2", 0.693147180559945), ("10", 2.302585092994046), ("e", 1)] {
                for (a, b) in zip(try scores("--log-base", base), natural) { #expect(abs(a * logarithm - b) < 1e-5) }
            }
            #expect(try scores("--costs") == natural.map { -$0 })
            // Without the line's end, its score is that of the line less that of the end.
            let open = try scores("--no-line-end")
            #expect(open[1] == 0)
            #expect(zip(open, natural).allSatisfy { $0 > $1 })
            #expect(try output(text, "--no-line-end").split(separator: "\n")[1] == "0.000000")
        }

        @Test func idsStayWithTheirScores() throws {
            let plain = try output("A car\n\nA train\n").split(separator: "\n").map(String.init)
            #expect(try output("u1 A car\nu2\nu3-4 A train\n", "--format", "id")
                == "u1 \(plain[0])\nu2 \(plain[1])\nu3-4 \(plain[2])\n")
            #expect(try output("u1\t7\tA car\nu2\t8\t\nx\tA train\n", "--format", "tab")
                == "u1\t7\t\(plain[0])\nu2\t8\t\(plain[1])\nx\t\(plain[2])\n")
            #expect(try output("u1 A car\n", "--format", "id", "--counts") == "u1 \(plain[0]) 6 0\n")
            let moses = "0 ||| A car ||| LM0= -1.5 TM0= 2 ||| -3.25\n0 |||  ||| LM0= 1\n1 ||| A train\n"
            #expect(try output(moses, "--format", "moses") == """
                0 ||| A car ||| LM0= -1.5 TM0= 2 lockstep= \(plain[0]) ||| -3.25
                0 |||  ||| LM0= 1 lockstep= \(plain[1])
                1 ||| A train ||| lockstep= \(plain[2])

                """)
        }

        @Test(arguments: [("id", "A car\n x\n", "line 2"), ("tab", "a b\n", "line 1"), ("moses", "0 || a\n", "line 1")])
        func aLineOfAnotherFormatIsNamed(format: String, text: String, place: String) throws {
            let file = try sandbox.write(text, to: "text.txt")
            let outcome = try sandbox.lockstep(["score", "--checkpoint", run, "--format", format, file])
            #expect(outcome.status == 65)
            #expect(complaints(outcome.errors).count == 1)
            #expect(outcome.errors.contains("text.txt, \(place): not a line of this format"), "\(outcome.errors)")
        }

        /// A program that writes a line and waits for its score before it writes the next gets it.
        @Test func doesNotWaitForMoreLines() throws {
            let script = """
                mkfifo in; "$0" score --checkpoint '\(run)' < in > out & exec 3> in
                for line in 1 2 3; do
                    echo "A car" >&3
                    for i in $(seq 500); do [ $(wc -l < out) = $line ] && break; sleep 0.02; done
                    wc -l < out
                done
                exec 3>&-; wait
                """
            let outcome = try Launch.run("bash", ["-c", script, Launch.product("lockstep")], folder: sandbox.folder)
            #expect(outcome.output == "1\n2\n3\n", "\(outcome.errors)")
        }

        @Test func unknownWordsAreCounted() throws {
            try sandbox.succeed([
                "prepare", "--train", "\(Shared.corpus)/train.txt", "--valid", "\(Shared.corpus)/valid.txt", "--level",
                "word", "--output", "words",
            ])
            try sandbox.train("run", ["training.steps=5"], ["--data", "words"])
            let lines = try sandbox.write("A car frobnicates .\nA car\nxyzzy <unk>\n", to: "lines.txt")
            let scores = try sandbox.succeed(["score", "--checkpoint", "run", "--counts", lines]).split(separator: "\n")
            #expect(scores.map { $0.split(separator: "\t").dropFirst().joined(separator: " ") } == ["5 2", "3 0", "3 2"])
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
