import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// The output that a person sees in a terminal of `script` (util-linux), and the output in a log file.
    struct TerminalTests {
        private static let hasTerminals = FileManager.default.isExecutableFile(atPath: "/usr/bin/script")
        private let sandbox: Sandbox

        init() throws { sandbox = try Sandbox() }

        /// The output of `command` in a terminal; `$lockstep` is the program.
        private func watch(_ command: String, columns: Int = 80, environment: [String: String] = [:], input: String = "") throws -> String {
            _ = try sandbox.write("stty cols \(columns) rows 30; lockstep='\(try Launch.product("lockstep"))'\n\(command)\n", to: "command.sh")
            var all = Launch.mpiEnvironment.merging(environment) { $1 }
            for name in ["NO_COLOR", "TERM"] where environment[name] == nil { all[name] = name == "TERM" ? "xterm" : nil }
            let script = "printf '\(input)' | script -qefc 'bash command.sh' /dev/null"
            let outcome = try Launch.run("bash", ["-c", script], environment: all, folder: sandbox.folder)
            #expect(outcome.status == 0, "\(outcome.output)")
            return outcome.output
        }

        private var train: String {
            "train --run run " + (Sandbox.small + ["--set", "validation.every_steps=20"]).map { "'\($0)'" }.joined(separator: " ")
        }

        /// The texts drawn one over the other.
        private func drawings(_ output: String) -> [Substring] {
            output.replacing("\r\n", with: "\r").split(separator: "\r").filter { $0.hasPrefix("\u{1B}[K") }.map { $0.dropFirst(3) }.filter { $0.hasPrefix("step") }
        }

        @Test(.enabled(if: hasTerminals), arguments: [nil, 2]) func oneLineIsRedrawn(ranks: Int?) throws {
            let launcher = ranks.map { Launch.launcher($0).joined(separator: " ") + " " } ?? ""
            let output = try watch("\(launcher)\"$lockstep\" \(train)", columns: 44)
            let drawn = drawings(output)
            #expect(!drawn.isEmpty, "\(output)")
            #expect(drawn.allSatisfy { $0.count < 44 && $0.contains(" left") }, "\(drawn)")
            #expect(output.contains("\u{1B}[32mstep 20/50"), "validation is green")
            #expect(output.contains("trained 50 steps"))
        }

        /// Lines that mpirun marks or stores are a log.
        @Test(.enabled(if: hasTerminals)) func markedLinesAreALog() throws {
            let launcher = Launch.launcher(2) + [Launch.isMPICH ? "-prepend-rank" : "--tag-output"]
            let output = try watch("\(launcher.joined(separator: " ")) \"$lockstep\" \(train)")
            #expect(!output.contains("\u{1B}"), "\(output)")
            #expect(output.contains(Launch.isMPICH ? "[0] step  1/50" : "[1,0]<stderr>:step  1/50"))
        }

        @Test(.enabled(if: hasTerminals)) func coloursOnlyWhereTheyAreWelcome() throws {
            let plain = try watch("\"$lockstep\" \(train)", environment: ["NO_COLOR": "1"])
            #expect(!drawings(plain).isEmpty && !plain.contains("\u{1B}[3"), "\(plain)")
            let dumb = try watch("rm -r run; \"$lockstep\" \(train)", environment: ["TERM": "dumb"])
            #expect(!dumb.contains("\u{1B}") && dumb.contains("step  1/50"), "\(dumb)")
            let error = "\"$lockstep\" score --checkpoint nowhere || true"
            #expect(try watch(error).contains("\u{1B}[31mlockstep: nowhere"))
            #expect(try !watch(error, environment: ["NO_COLOR": "1"]).contains("\u{1B}[3"))
        }

        @Test func aLogHasPlainLinesNowAndThen() throws {
            let arguments = ["train", "--run", "run"] + Sandbox.small
            let outcome = try sandbox.lockstep(arguments)
            #expect(!outcome.errors.contains("\u{1B}") && !outcome.errors.contains("\r"))
            let lines = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("step ") && !$0.contains("validation") }
            #expect(lines.first?.hasPrefix("step  1/50") == true && lines.last?.hasPrefix("step 50/50") == true)
            #expect(lines.count < 40, "50 records")
            #expect(try sandbox.metrics("run").count { $0.kind == "train" } == 50)
        }

        /// Results that are lost are an error; a reader that has seen enough is none.
        @Test(arguments: [
            "inspect \(Shared.run)", "score --checkpoint \(Shared.run) text", "evaluate --checkpoint \(Shared.run) --streams 9",
            "generate --checkpoint \(Shared.run) --length 9", "complete --checkpoint \(Shared.run) A", "train --print-config",
            "inspect \(Shared.run)/checkpoints/step-000000400 --json",
        ]) func lostOutputIsAnError(command: String) throws {
            _ = try sandbox.write("A car\nA train\n", to: "text")
            let script = "'\(try Launch.product("lockstep"))' \(command)"
            let full = try Launch.run("bash", ["-c", "\(script) >/dev/full"], folder: sandbox.folder)
            #expect(full.status == 74 && full.errors.contains("standard output: cannot write: No space left"), "\(full.errors)")
            let gone = try Launch.run("bash", ["-c", "set -o pipefail; \(script) | true"], folder: sandbox.folder)
            #expect(gone.status == 0 && gone.errors.isEmpty, "\(gone.errors)")
        }

        /// Its results are in the run folder.
        @Test func trainingDoesNotDependOnItsLastWords() throws {
            let script = "'\(try Launch.product("lockstep"))' \(train) >/dev/full"
            #expect(try Launch.run("bash", ["-c", script], folder: sandbox.folder).status == 0)
            #expect(try sandbox.ending("run") == "0 step 50\n")
        }

        @Test(.enabled(if: hasTerminals)) func promptsHaveASign() throws {
            let output = try watch(
                "\"$lockstep\" generate --checkpoint '\(Shared.run)' -i --length 20", input: "A car \\n\u{2603}\\nA t\\n")
            #expect(output.components(separatedBy: "> ").count >= 4, "\(output)")
            #expect(output.contains("U+2603"))
            #expect(output.contains("\r\nA t"), "the prompt after the bad one")
        }

        // MARK: Before and after

        /// Every configuration says what text it needs, since nobody has all of them.
        @Test func configurationsSayHowToGetTheirData() throws {
            let repository = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../configs").standardized.path
            let names = try FileManager.default.contentsOfDirectory(atPath: repository).filter { $0.hasSuffix(".yaml") }
            #expect(names.count >= 11)
            for name in names {
                let outcome = try sandbox.lockstep(["train", "--config", "\(repository)/\(name)", "--dry-run"])
                expectRefusal(outcome, status: 65, ["no such dataset", "the comments at the top of \(repository)/\(name) say what text it needs"])
            }
        }

        /// Paths as a shell's Tab key leaves them.
        @Test func slashesAfterFoldersDoNotMatter() throws {
            let options = Sandbox.small.map { $0 == Shared.corpus ? "data/" : $0 }
            try FileManager.default.copyItem(atPath: Shared.corpus, toPath: sandbox.path("data"))
            let outcome = try sandbox.lockstep(["train", "--run", "run/"] + options)
            #expect(outcome.status == 0 && !(outcome.output + outcome.errors).contains("//"), "\(outcome.errors)")
            #expect(try sandbox.succeed(["report", "run/"]) == "run/report.html\n")
            for command in [["inspect", "run/"], ["inspect", "data/"], ["evaluate", "--checkpoint", "run/", "--data", "data/"]] {
                #expect(try !sandbox.succeed(command).contains("run/\n"), "\(command)")
            }
        }

        @Test(arguments: [nil, 2]) func aDryRunWritesNothing(ranks: Int?) throws {
            let options = Sandbox.small.map { $0 == Shared.corpus ? "data" : $0 }
            try FileManager.default.copyItem(atPath: Shared.corpus, toPath: sandbox.path("data"))
            let before = try FileManager.default.subpathsOfDirectory(atPath: sandbox.folder)
            let text = try sandbox.succeed(["train", "--run", "run", "--dry-run"] + options, ranks: ranks)
            #expect(try FileManager.default.subpathsOfDirectory(atPath: sandbox.folder) == before)
            for fact in [
                "lstm 1 x 24, embedding 8, vocabulary 57: ", "35,659 tokens", "12 of 2,971", "50, about", "run folder  run",
                "\(ranks ?? 1) on ", "iB are free", "nothing has been written",
            ] {
                #expect(text.contains(fact), "\(fact): \(text)")
            }
        }

        /// A fault that training itself would find only when it saves.
        @Test func aDryRunReadsTheWholeDataset() throws {
            try FileManager.default.copyItem(atPath: Shared.corpus, toPath: sandbox.path("data"))
            let path = sandbox.path("data/valid.npy")
            var bytes = try Data(contentsOf: URL(filePath: path))
            bytes[bytes.count - 2] ^= 1  // another valid id
            try bytes.write(to: URL(filePath: path))
            let outcome = try sandbox.lockstep(["train", "--data", "data", "--run", "run", "--dry-run"])
            expectRefusal(outcome, status: 65, ["data/valid.npy", "SHA-256"])
        }

        @Test func aDryRunFindsAFolderThatCannotBe() throws {
            _ = try sandbox.write("", to: "file")
            let outcome = try sandbox.lockstep(["train", "--data", Shared.corpus, "--run", "file/run", "--dry-run"])
            expectRefusal(outcome, status: 65, ["file/run", "Not a directory"])
        }

        /// The commands that a run ends with can be pasted, whatever the folders are called.
        @Test func theNextCommandsWork() throws {
            let output = try sandbox.succeed(["train", "--run", "it's \"mine\" $HOME"] + Sandbox.small)
            let commands = output.split(separator: "\n").drop { $0 != "next:" }.dropFirst()
            #expect(commands.count == 3 && commands.allSatisfy { $0.hasPrefix("  lockstep ") }, "\(output)")
            #expect(output.contains("--split test"))
            for fact in ["trained 50 steps in ", "tokens/s", "final validation: ", "best validation: ", "perplexity"] {
                #expect(output.contains(fact))
            }
            let path = "\(URL(filePath: try Launch.product("lockstep")).deletingLastPathComponent().path):\(ProcessInfo.processInfo.environment["PATH"]!)"
            for command in commands {
                let outcome = try Launch.run(
                    "sh", ["-c", String(command)], environment: Launch.mpiEnvironment.merging(["PATH": path]) { $1 },
                    folder: sandbox.folder)
                #expect(outcome.status == 0, "\(command): \(outcome.errors)")
            }
        }

        // MARK: Help

        static let commands = [
            "prepare", "train", "evaluate", "generate", "complete", "score", "inspect", "report", "bench", "verify", "doctor",
        ]

        /// In 80 columns no example is broken, so that each can be pasted.
        @Test(arguments: commands) func helpHasExamples(command: String) throws {
            let help = try Launch.run(
                Launch.product("lockstep"), ["help", command],
                environment: ProcessInfo.processInfo.environment.merging(["COLUMNS": "80"]) { $1 }
            ).output.components(separatedBy: "\n")
            let examples = help.drop { $0 != "Examples:" }.dropFirst().prefix { !$0.isEmpty }
            #expect(examples.count >= 3, "\(help)")
            #expect(examples.allSatisfy { $0.hasPrefix("  ") && $0.contains("lockstep \(command)") }, "\(examples)")
        }

        @Test(arguments: ["bash", "zsh", "fish"]) func completionScripts(shell: String) throws {
            let script = try sandbox.succeed(["--generate-completion-script", shell])
            #expect((Self.commands + ["top-p"]).allSatisfy(script.contains))
            #expect(["model.hidden=", "training.optimizer.learning_rate="].allSatisfy(script.contains))
            guard shell == "bash" else { return }
            let file = try sandbox.write(script, to: "completion.bash")
            let typed = try Launch.run(
                "bash",
                [
                    "-c",
                    """
                    . '\(file)'; complete -p lockstep >/dev/null || exit 1
                    COMP_WORDS=(lockstep gen); COMP_CWORD=1; COMP_LINE="lockstep gen"; COMP_POINT=${#COMP_LINE}
                    $(complete -p lockstep | sed 's/.*-F \\([^ ]*\\).*/\\1/') lockstep gen lockstep; echo "${COMPREPLY[@]}"
                    """,
                ])
            #expect(typed.output.contains("generate"), "\(typed.output)\(typed.errors)")
            let setting = try Launch.run(
                "bash",
                [
                    "-c",
                    """
                    . '\(file)'; compopt() { echo "$@"; }
                    COMP_WORDS=(lockstep train --set model.h); COMP_CWORD=3; COMP_LINE="lockstep train --set model.h"; COMP_POINT=${#COMP_LINE}
                    $(complete -p lockstep | sed 's/.*-F \\([^ ]*\\).*/\\1/') lockstep model.h --set; echo "${COMPREPLY[@]}"
                    """,
                ])
            #expect(setting.output.split(whereSeparator: \.isWhitespace) == ["-o", "nospace", "model.hidden="], "\(setting.output)\(setting.errors)")
        }
    }
}
