import Foundation
import TestSupport
import Testing

extension CommandTests {
    /// From a text with labels to labels in a pipeline.
    struct LabelTests {
        private let sandbox: Sandbox

        /// Words tell their tags and intents; `verb` ones come first.
        init() throws {
            sandbox = try Sandbox()
            let names = ["miles", "davis", "ella", "monk", "mingus"]
            var lines: [[String]] = []
            for i in 0..<120 {
                let verb: [String] = i % 2 == 0 ? ["play"] : ["book", "a", "table"]
                lines.append(verb + (0...(i % 3)).map { names[(i + $0 * 2) % 5] })
            }
            var (conll, tsv): ([String], [String]) = ([], [])
            for words in lines {
                var sentence = ""
                for (index, word) in words.enumerated() {
                    let tag = !names.contains(word) ? "O" : names.contains(words[index - 1]) ? "I-artist" : "B-artist"
                    sentence += "\(word) X \(tag)\n"
                }
                conll.append(sentence + "\n")
                tsv.append((words[0] == "play" ? "Play Music" : "Book") + "\t" + words.joined(separator: " ") + "\n")
            }
            for (name, part) in [("train", 0..<80), ("valid", 80..<100), ("test", 100..<120)] {
                _ = try sandbox.write(conll[part].joined(), to: "\(name).conll")
                _ = try sandbox.write(tsv[part].joined(), to: "\(name).tsv")
            }
        }

        private static let small = [
            "--set", "model={layers: 1, embedding: 8, hidden: 16}", "--set", "training={batching: sentences, streams: 8, steps: 60}",
            "--set", "training.optimizer.learning_rate=0.05", "--set", "training.schedule.name=constant", "--set", "metrics.every_steps=1",
        ]

        private struct Report: Decodable {
            struct Row: Decodable {
                let name: String
                let f1: Double
            }
            struct Spans: Decodable { let all: Row }
            struct Confusion: Decodable {
                let labels: [String]
                let counts: [[Int]]
            }
            let accuracy: Double
            let predictions: Int
            let labels: [Row]
            let spans: Spans?
            let confusion: Confusion
        }

        private func report(_ run: String, ranks: Int? = nil) throws -> Report {
            let output = try sandbox.succeed(["evaluate", "--checkpoint", run, "--split", "test", "--json"], ranks: ranks)
            return try JSONDecoder().decode(Report.self, from: Data(output.utf8))
        }

        @Test func aTaggerInAPipeline() throws {
            try sandbox.succeed(["prepare", "--format", "columns", "--train", "train.conll", "--valid", "valid.conll", "--test", "test.conll", "--output", "data"])
            #expect(try sandbox.succeed(["inspect", "data"]).contains("each token has one of 3 labels"))
            try sandbox.succeed(["train", "--data", "data", "--run", "run", "--set", "model.output=tags"] + Self.small)
            let report = try report("run")
            #expect(report.accuracy == 1 && report.spans?.all.f1 == 1 && report.labels.count == 3)
            #expect(report.confusion.counts.flatMap { $0 }.reduce(0, +) == report.predictions)
            #expect(try sandbox.succeed(["evaluate", "--checkpoint", "run", "--split", "test"]) == sandbox.succeed(["evaluate", "--checkpoint", "run", "--split", "test"], ranks: 2))

            _ = try sandbox.write("play miles davis\n\nbook a table ella\n", to: "lines")
            #expect(try sandbox.succeed(["score", "--checkpoint", "run", "lines"]) == "O B-artist I-artist\n\nO O O B-artist\n")
            _ = try sandbox.write("play\nmonk\n\n\nplay\nella x\n", to: "words")
            #expect(
                try sandbox.succeed(["score", "--checkpoint", "run", "--format", "columns", "words"])
                    == "play O\nmonk B-artist\n\n\nplay O\nella x B-artist\n")
            let invalid = try Launch.run("sh", ["-c", "printf 'play\\n\\377a\\n' | \"$@\"", "sh", Launch.product("lockstep"), "score", "--checkpoint", "run", "--format", "columns", "-"], folder: sandbox.folder)
            #expect(invalid.status == 65 && invalid.output == "play O\n")
            #expect(invalid.errors.contains("line 2, byte 0: invalid UTF-8"), "\(invalid.errors)")
            let tagged = try sandbox.succeed(["score", "--checkpoint", "run", "--format", "columns", "test.conll"])
            for line in tagged.split(separator: "\n").map({ $0.split(separator: " ") }) { #expect(line.count == 4 && line[2] == line[3]) }
            // A model of labels is no language model.
            for arguments in [["generate", "--checkpoint", "run"], ["evaluate", "--checkpoint", "run", "--text", "lines"], ["score", "--checkpoint", "run", "--costs", "lines"]] {
                #expect(try sandbox.lockstep(arguments).status == 64, "\(arguments)")
            }
            try sandbox.succeed(["report", "run"])
            let page = try String(contentsOfFile: sandbox.path("run/report.html"), encoding: .utf8)
            #expect(page.contains("Accuracy in validation") && !page.contains("perplexity"))
            #expect(try !sandbox.succeed(["inspect", "run"]).contains("perplexity"))
            #expect(try !String(contentsOfFile: sandbox.path("run/metrics.jsonl"), encoding: .utf8).contains("perplexity"))
        }

        @Test func aClassifierOnRanks() throws {
            try sandbox.succeed(["prepare", "--format", "labelled", "--level", "word", "--train", "train.tsv", "--valid", "valid.tsv", "--test", "test.tsv", "--output", "data"])
            let settings = ["--data", "data", "--set", "model.output=class", "--set", "model.pooling=mean", "--set", "validation.best=accuracy", "--set", "training.reproducible_shards=4"] + Self.small
            try sandbox.succeed(["train", "--run", "one"] + settings)
            try sandbox.succeed(["train", "--run", "two"] + settings, ranks: 2)
            #expect(try sandbox.tensors("one", step: 60) == sandbox.tensors("two", step: 60))
            #expect(try report("two", ranks: 2).accuracy == 1)
            _ = try sandbox.write("a play miles\nb book a table\n", to: "lines")
            let scores = try sandbox.succeed(["score", "--checkpoint", "one", "--format", "id", "lines"]).split(separator: "\n")
            #expect(scores.count == 2 && scores[0].hasPrefix("a Play Music ") && scores[1].hasPrefix("b Book "))
        }

        @Test func whatDoesNotFitIsRefused() throws {
            try sandbox.succeed(["prepare", "--format", "labelled", "--level", "word", "--train", "train.tsv", "--valid", "valid.tsv", "--output", "data"])
            for (setting, word) in [("model.output=tags", "columns"), ("model.output=next", "")] {
                let outcome = try sandbox.lockstep(["train", "--data", "data", "--run", "run", "--dry-run", "--set", setting] + Self.small)
                #expect(outcome.status == (word.isEmpty ? 0 : 64) && (word.isEmpty || outcome.errors.contains(word)), "\(setting): \(outcome.errors)")
            }
            let outcome = try sandbox.lockstep(["train", "--data", "data", "--run", "run", "--set", "model.output=class"])
            #expect(outcome.status == 64 && outcome.errors.contains("training.batching"))
        }
    }
}
