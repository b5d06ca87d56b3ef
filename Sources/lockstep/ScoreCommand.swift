import ArgumentParser
import Corpus
import Diagnostics
import Files
import Kernels
import Reporting
import Training

struct ScoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "score",
        abstract: "The log probability of each line of a text.",
        discussion: """
            One result per input line: the natural logarithm of the line's probability, its end included, a tab, and \
            the number of tokens. Each line starts from a zero state; --carry-state reads it in the context of the \
            lines before it.

            Examples:
              lockstep score --checkpoint runs/quickstart sentences.txt
              echo "A car accelerates from rest." | lockstep score --checkpoint runs/quickstart
            """)

    @Option(help: "A checkpoint folder, or a run folder: then its best checkpoint, else the latest.")
    var checkpoint: String

    @Argument(help: "A text file. Default: standard input.")
    var file: String?

    @Flag(help: "Do not reset the state between lines.")
    var carryState = false

    func run() throws {
        Arithmetic.prepare(threads: Job.threads)
        let model = try OpenedModel(checkpoint)
        let scorer = try Scorer(
            model.configuration, parameters: model.parameters, start: model.vocabulary.lineStart,
            carriesState: carryState)
        let name = file ?? "standard input"
        let lines = try LineReader(file)
        var number = 0
        while let line = try lines.next() {
            number += 1
            let text = number == 1 ? model.vocabulary.text(ofFile: line) : line
            let ids: [Int32]
            do {
                ids = try model.vocabulary.encode(text + [UInt8(ascii: "\n")])
            } catch let error as TextError {
                throw UnreadableText(file: name, line: number, cause: error)
            }
            let score = try scorer.score(ids)
            guard StandardStream.output.write("\(Formatting.fixed(score.logProbability, decimals: 6))\t\(score.tokens)\n") else { return }
        }
    }
}
