import Foundation
import TestSupport
import Testing

extension CommandTests {
    struct GenerateTests {
        private let sandbox: Sandbox

        init() throws { sandbox = try Sandbox() }

        private func generate(_ options: String...) throws -> String {
            try sandbox.succeed(["generate", "--checkpoint", Shared.run, "--length", "80"] + options)
        }

        @Test func theSeedDecidesTheText() throws {
            let text = try generate("--seed", "7")
            #expect(try generate("--seed", "7") == text)
            #expect(try generate("--seed", "8") != text)
            #expect(text.unicodeScalars.count == 81, "80 characters and a final newline")
        }

        @Test func temperatureZeroIsCertain() throws {
            let text = try generate("--temperature", "0", "--seed", "1")
            #expect(try generate("--temperature", "0", "--seed", "2") == text)
        }

        /// One candidate leaves no choice.
        @Test(arguments: [["--top-k", "1"], ["--top-p", "0.000001"], ["--top-k", "1", "--top-p", "0.9"]])
        func oneCandidateIsTheMostProbable(options: [String]) throws {
            let certain = try generate("--temperature", "0", "--prompt", "A car ")
            let text = try sandbox.succeed(
                ["generate", "--checkpoint", Shared.run, "--length", "80", "--prompt", "A car ", "--seed", "5"]
                    + options)
            #expect(text == certain)
        }

        @Test func everyCandidateIsNoRestriction() throws {
            let text = try generate("--seed", "3")
            #expect(try generate("--seed", "3", "--top-k", "10") != text)
            #expect(try generate("--seed", "3", "--temperature", "0.3") != text)
        }

        @Test func continuesThePrompt() throws {
            let text = try generate("--prompt", "A car ")
            #expect(text.hasPrefix("A car "))
            #expect(text.unicodeScalars.count == 6 + 81)
            // The continuation depends on more than the last character.
            let other = try generate("--prompt", "Find the time t ")
            #expect(text.dropFirst(6) != other.dropFirst(16))
        }

        @Test(arguments: [("A \u{2603} car", "U+2603", 3), ("\u{2603}", "U+2603", 1), ("A\nc \u{E9}", "U+00E9", 5)])
        func characterOutsideTheVocabularyIsNamed(prompt: String, character: String, place: Int) throws {
            let outcome = try sandbox.lockstep(["generate", "--checkpoint", Shared.run, "--prompt", prompt])
            #expect(outcome.status == 64)
            #expect(outcome.output.isEmpty)
            #expect(complaints(outcome.errors).count == 1)
            #expect(outcome.errors.contains(character))
            #expect(outcome.errors.contains("--prompt, character \(place):"), "\(outcome.errors)")
        }

        private func interact(_ lines: String, _ options: String, run: String = Shared.run) throws -> Launch.Outcome {
            let script = "printf '\(lines)' | \"$0\" generate --checkpoint '\(run)' --interactive --length 30 \(options)"
            return try Launch.run("sh", ["-c", script, Launch.product("lockstep")], folder: sandbox.folder)
        }

        /// Without a terminal there is no sign to type after. Each line is a prompt of its own, or one text with the others.
        @Test func readsPrompts() throws {
            let outcome = try interact("A car \\nA car \\n", "--temperature 0")
            #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
            let certain = try sandbox.succeed([
                "generate", "--checkpoint", Shared.run, "--length", "30", "--temperature", "0", "--prompt", "A car ",
            ])
            #expect(outcome.output == certain + certain)
            let carried = try interact("A car \\n\\n", "--temperature 0 --carry-state").output
            let whole = try sandbox.succeed([
                "generate", "--checkpoint", Shared.run, "--length", "60", "--temperature", "0", "--prompt", "A car ",
            ])
            #expect(carried.unicodeScalars.count == whole.unicodeScalars.count + 1)
            // Each of the two ends in a newline of its own.
            var parts = Array(carried.unicodeScalars)
            parts.remove(at: 36)
            #expect(Array(whole.unicodeScalars) == parts, "\(carried)")
            #expect(try interact("", "").output.isEmpty)
        }

        @Test func stopsAtTheEndOfTheLine() throws {
            let text = try sandbox.succeed([
                "generate", "--checkpoint", Shared.run, "--length", "5000", "--prompt", "A car ", "--one-line",
            ])
            #expect(text.hasPrefix("A car ") && text.hasSuffix("\n"))
            #expect(text.filter { $0 == "\n" }.count == 1)
            #expect(text.count < 5000)
        }

        @Test func aBadPromptIsNamedWithItsLine() throws {
            let outcome = try interact("A car\\n\u{2603}\\n", "")
            #expect(outcome.status == 64)
            #expect(complaints(outcome.errors).count == 1)
            #expect(outcome.errors.contains("line 2, character 1: "), "\(outcome.errors)")
        }

        /// `| head` is how one looks at long output.
        @Test func endsQuietlyWhenNobodyReads() throws {
            let script = "{ \"$@\"; echo $? > status; } | head -c 10"
            let outcome = try Launch.run(
                "sh",
                [
                    "-c", script, "sh", Launch.product("lockstep"), "generate", "--checkpoint", Shared.run, "--length",
                    "100000000",
                ],
                folder: sandbox.folder, timeout: 20)
            #expect(!outcome.timedOut)
            #expect(outcome.output.utf8.count == 10)
            #expect(outcome.errors.isEmpty)
            #expect(try String(contentsOfFile: sandbox.path("status"), encoding: .utf8) == "0\n")
        }

        /// Each process that a launcher starts does what it was asked, by itself.
        @Test func aTextFromEachOfSeveralProcesses() throws {
            let arguments = ["generate", "--checkpoint", Shared.run, "--length", "40"]
            let text = try sandbox.succeed(arguments)
            let both = try sandbox.succeed(arguments, ranks: 2)
            #expect(both.utf8.count == 2 * text.utf8.count)
        }
    }
}
