import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// Texts, prompts and names as they come from a shell: pipes, gzip, any bytes.
    struct TextInputTests {
        private let sandbox: Sandbox
        private let run = Shared.run

        init() throws {
            sandbox = try Sandbox()
            let text = try String(contentsOfFile: "\(Shared.corpus)/test.txt", encoding: .utf8)
            _ = try sandbox.write(text.components(separatedBy: "\n").prefix(40).map { $0 + "\n" }.joined(), to: "text")
        }

        /// In the sandbox, where `$0` is lockstep and `$run` a run; also its errors.
        private func shell(_ script: String) throws -> Launch.Outcome {
            try Launch.run(
                "bash", ["-c", "set -o pipefail; run='\(run)'; \(script)", Launch.product("lockstep")],
                environment: Launch.mpiEnvironment, folder: sandbox.folder)
        }

        private func output(_ script: String, sourceLocation: SourceLocation = #_sourceLocation) throws -> String {
            let outcome = try shell(script)
            try #require(outcome.status == 0, "\(outcome.errors)", sourceLocation: sourceLocation)
            return outcome.output
        }

        @Test func scoreReadsAnyText() throws {
            let expected = try output("$0 score --checkpoint $run text")
            #expect(expected.split(separator: "\n").count == 40)
            for way in ["- < text", "<(cat text)", "<(gzip < text)", "- < <(gzip < text)", "packed"] {
                #expect(try output("gzip < text > packed; $0 score --checkpoint $run \(way)") == expected, "\(way)")
            }
        }

        /// Rank 0 reads; the other ranks of a pipe get nothing, or a part.
        @Test func evaluateReadsAnyText() throws {
            let expected = try sandbox.evaluate(run, ["--text", sandbox.path("text"), "--streams", "3"])
            let evaluate = "$0 evaluate --checkpoint $run --streams 3 --json --text"
            for script in ["\(evaluate) - < text", "\(evaluate) <(gzip < text)", "gzip < text | mpirun -n 2 --oversubscribe \(evaluate) -"] {
                let result = try JSONDecoder().decode(EvaluationResult.self, from: Data(output(script).utf8))
                #expect(result == expected, "\(script)")
            }
        }

        @Test func textsThatCannotBeRead() throws {
            for (script, message) in [
                ("gzip < text | head -c 200 | $0 evaluate --checkpoint $run --text -", "standard input, byte 200: the gzip data end too early"),
                ("xz < text > x 2>&1 || printf '\\xFD7zXZ\\0' > x; $0 score --checkpoint $run x", "compressed with xz"),
                ("$0 evaluate --checkpoint $run --text /dev/zero", "/dev/zero: a folder or a device"),
                ("yes | tr -d '\\n' | tr y A | $0 score --checkpoint $run", "a line longer than"),
                ("$0 prepare --input <(gzip < text | head -c 200) --level byte --output data", "the gzip data end too early"),
            ] {
                let outcome = try shell(script)
                #expect(outcome.status == 65, "\(script): \(outcome.errors)")
                #expect(outcome.errors.contains(message), "\(outcome.errors)")
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: sandbox.folder).allSatisfy { !$0.contains("data") })
        }

        @Test func prepareReadsStandardInputAndKeepsAVocabulary() throws {
            let script = """
                $0 prepare --input text --level char --output a > log 2>&1; cat text | $0 prepare --input - --level char --output b >> log 2>&1
                cmp a/train.npy b/train.npy && cmp a/valid.npy b/valid.npy && cmp a/vocabulary.json b/vocabulary.json || exit 1
                gzip < text | $0 prepare --input - --vocabulary \(Shared.corpus) --output c || exit 1
                cmp c/vocabulary.json \(Shared.corpus)/vocabulary.json || exit 1
                $0 evaluate --checkpoint $run --data c --split test > log && head -1 log
                """
            #expect(try output(script).contains("perplexity"))
            let refused = try shell("printf 'A \u{2603} car' | $0 prepare --input - --split 100,0,0 --vocabulary $run --output d")
            #expect(refused.status == 65 && refused.errors.contains("standard input, byte 2: \"\u{2603}\" (U+2603) is not in the vocabulary"))
            let skipped = try output("printf 'A \u{2603} car' | $0 prepare --input - --split 100,0,0 --vocabulary $run --output d --unknown skip")
            #expect(skipped.contains("6 tokens"), "\(skipped)")
        }

        // MARK: bytes

        private static let byteModel = """
            for i in {1..40}; do printf "$(printf '\\\\x%02x' {1..255})"; done > all
            $0 prepare --input all --level byte --output bytes > log 2>&1 && $0 train --data bytes --run bytemodel \
            --set 'model={layers: 1, embedding: 4, hidden: 8}' --set 'training={streams: 2, unroll: 8, steps: 2}' > log 2>&1 || cat log

            """

        /// Latin-1, say: what comes in goes out.
        @Test func aPromptIsBytes() throws {
            let script = Self.byteModel + """
                $0 generate --checkpoint bytemodel --prompt $'caf\\xe9\\xff' --length 1 | head -c 5 | od -An -tx1
                printf 'caf\\xe9\\n' > p; $0 generate --checkpoint bytemodel --prompt-file p --length 1 | head -c 5 | od -An -tx1
                printf 'caf\\xe9\\n' | $0 generate --checkpoint bytemodel --interactive --length 1 | head -c 4 | od -An -tx1
                $0 complete --checkpoint bytemodel $'\\xe9' -k 1 > a; printf '\\xe9' > p; $0 complete --checkpoint bytemodel --prompt-file p -k 1 | cmp - a
                """
            #expect(try output(script) == " 63 61 66 e9 ff\n 63 61 66 e9 0a\n 63 61 66 e9\n")
            let refused = try shell("$0 generate --checkpoint $run --prompt $'ca\\xe9'")
            #expect(refused.status == 64 && refused.errors.contains("--prompt, byte 2: not UTF-8 text"), "\(refused.errors)")
        }

        @Test func aPromptFileIsReadAsItIs() throws {
            let typed = try output("$0 generate --checkpoint $run --length 20 --prompt $'A car\\n'")
            #expect(try output("echo 'A car' > p; $0 generate --checkpoint $run --length 20 --prompt-file p") == typed)
            #expect(try output("echo 'A car' | gzip | $0 generate --checkpoint $run --length 20 --prompt-file -") == typed)
        }

        /// Latin-1 in file names, as old corpora have it.
        @Test func aFileNameIsBytes() throws {
            let script = """
                mkdir $'donn\\xe9es' && cp text $'donn\\xe9es/text' && cd $'donn\\xe9es'
                $0 prepare --input ../$'donn\\xe9es'/text --level char --output $'pr\\xeat' > log 2>&1 || cat log
                $0 train --data $'pr\\xeat' --run $'cr\\xfb' --set 'model={layers: 1, embedding: 4, hidden: 8}' \
                  --set 'training={streams: 2, unroll: 8, steps: 2}' > log 2>&1 || cat log
                $0 evaluate --checkpoint $'cr\\xfb' --text text | head -1 | cut -d' ' -f1
                $0 evaluate --checkpoint $'cr\\xfb' | head -1 | cut -d' ' -f1
                $0 evaluate --checkpoint $'cr\\xfc' 2>&1
                LC_ALL=C ls | od -c | grep -c '352\\|373'
                """
            let printed = try shell(script).output
            #expect(printed.hasPrefix("perplexity\nperplexity\nlockstep: cr\\xFC: cannot open: No such file or directory"), "\(printed)")
        }

        /// What people read shows such a path as its bytes; a path alone on a line, for a script, is the bytes themselves.
        @Test func aPathThatIsNotUTF8IsLegible() throws {
            let script = """
                $0 prepare --input text --level char --output $'pr\\xeat' 2>&1
                $0 train --data $'pr\\xeat' --run $'cr\\xfb' --set 'model={layers: 1, embedding: 4, hidden: 8}' \
                  --set 'training={streams: 2, unroll: 8, steps: 2}' 2>&1
                for form in '' --json; do
                  $0 evaluate --checkpoint $'cr\\xfb' $form; $0 inspect $'cr\\xfb' $form; $0 inspect $'pr\\xeat' $form
                  $0 doctor --run $'cr\\xfb' $form 2>&1
                done
                $0 report $'cr\\xfb' | od -An -tx1; cat $'cr\\xfb'/report.html
                """
            let printed = try shell(script).output
            let forPeople = [
                "written to  pr\\xEAt", "data        pr\\xEAt: ", "run folder  cr\\xFB\n", "in cr\\xFB/checkpoints/step-000000002", "pr\\xEAt, split valid",
                "Run cr\\xFB", "Dataset pr\\xEAt", "/cr\\xFB: ",
            ]
            let inJSON = [#""data" : "pr\\xEAt""#, #""checkpoint" : "cr\\xFB/checkpoints"#, #""path" : "cr\\xFB""#, #"/cr\\xFB","#]
            for part in forPeople + inJSON + [" 63 72 fb 2f 72 65 70"] { #expect(printed.contains(part), "\(part)") }
            #expect(!printed.unicodeScalars.contains { 0x10_FE00...0x10_FEFF ~= $0.value }, "private characters stand for bytes")
        }

        // MARK: scores of tokens

        private struct ScoredLine: Decodable {
            let id: String?
            let tokens: [String]
            let ids: [Int?]
            let log_probabilities: [Double?]
            let score: Double
        }

        private func scored(_ script: String) throws -> [ScoredLine] {
            try output(script).split(separator: "\n").map { try JSONDecoder().decode(ScoredLine.self, from: Data($0.utf8)) }
        }

        @Test func tokensAddUpToTheLine() throws {
            let lines = try scored("$0 score --checkpoint $run --tokens --log-base 10 text")
            let sums = try output("$0 score --checkpoint $run --log-base 10 text").split(separator: "\n").compactMap { Double($0) }
            let text = try String(contentsOfFile: sandbox.path("text"), encoding: .utf8).components(separatedBy: "\n")
            #expect(lines.count == 40 && sums.count == 40)
            for (index, line) in lines.enumerated() {
                #expect(line.tokens.joined() == text[index] + "\n")
                #expect(abs(line.score - sums[index]) < 1e-6)
                #expect(abs(line.log_probabilities.compactMap(\.self).reduce(0, +) - line.score) < 1e-9)
                #expect(line.ids.count == line.tokens.count)
            }
            let named = try scored("printf 'u1 A car\\r\\nu2\\r\\n' | $0 score --checkpoint $run --tokens --format id")
            #expect(named.map(\.id) == ["u1", "u2"])
        }

        @Test func unknownCharactersByChoice() throws {
            let line = "printf 'A \u{2603}car\\n' | $0 score --checkpoint $run --counts"
            #expect(try shell(line).status == 65)
            let known = try output("printf 'A car\\n' | $0 score --checkpoint $run").dropLast()
            #expect(try output("\(line) --unknown skip") == "\(known)\t6\t1\n")
            let uniform = try output("\(line) --unknown uniform").split(whereSeparator: \.isWhitespace)
            #expect(uniform[1] == "7" && uniform[2] == "1")
            // 1,112,064 characters but for the 57 of the vocabulary.
            #expect(abs(Double(uniform[0])! - Double(known)! + Foundation.log(1_112_064 - 57)) < 2e-6)
            let tokens = try scored("printf 'A \u{2603}car\\n' | $0 score --checkpoint $run --tokens --unknown skip")[0]
            #expect(tokens.tokens.joined() == "A \u{2603}car\n" && tokens.ids[2] == nil && tokens.log_probabilities[2] == nil)
        }

        @Test func carriageReturnsBelongToTheLinesEnd() throws {
            let expected = try output("printf 'u1 A car\\nu2\\n' | $0 score --checkpoint $run --format id")
            #expect(try output("printf 'u1 A car\\r\\nu2\\r\\n' | $0 score --checkpoint $run --format id") == expected)
            let completed = try output("printf 'A car\\n' | $0 complete --checkpoint $run")
            #expect(try output("printf 'A car\\r\\n' | $0 complete --checkpoint $run") == completed)
        }
    }
}
