import ArgumentParser
import Corpus
import Diagnostics
import Elementary
import Files
import Glibc
import Kernels
import Reporting
import Training

struct ScoreCommand: TaskCommand {
    static let configuration = CommandConfiguration(
        commandName: "score",
        abstract: "The log probability of each line of a text or n-best list.",
        discussion: """
            One score per input line, in the order of the input: the logarithm of the probability of the line and of its \
            end. Each line starts from a zero state; --carry-state reads it in the context of the lines before it. Words \
            outside the vocabulary count as <unk>.

            Formats, with the line that is read and the one that is printed:
              text   TEXT, the default      SCORE
              id     ID TEXT (Kaldi)        ID SCORE
              tab    columns, TEXT last     the other columns, SCORE
              moses  N ||| TEXT ||| FEATURES ||| TOTAL
                     the same with one more feature, lockstep= SCORE

            Examples:
              lockstep score --checkpoint runs/news sentences.txt
              lockstep score --checkpoint runs/news --log-base 10 --counts < lines.txt
              lockstep score --checkpoint runs/news --format id nbest.txt > nbest.scores
              lockstep score --checkpoint runs/news --format moses n.best > rescored
            """)

    @Option(help: ArgumentHelp("A checkpoint folder, or a run folder: then its best checkpoint, else the latest.", valueName: "folder"), completion: .directory)
    var checkpoint: String

    @Argument(help: "A text file. Default: standard input.", completion: .file())
    var file: String?

    @Option(help: ArgumentHelp("How lines are read and printed.", valueName: "format"))
    var format: LineFormat = .text

    @Option(help: ArgumentHelp("Base of the logarithms.", valueName: "base"))
    var logBase: LogBase = .e

    @Flag(help: "Print costs, the negative logarithms.")
    var costs = false

    @Flag(help: "Leave the end of the line out of the score.")
    var noLineEnd = false

    @Flag(help: "After the score, the number of tokens scored and how many of them are <unk>.")
    var counts = false

    @Flag(help: "Do not reset the state between lines.")
    var carryState = false

    enum LogBase: String, CaseIterable, ExpressibleByArgument {
        case e
        case two = "2"
        case ten = "10"

        /// What a natural logarithm is divided by.
        var divisor: Double { self == .e ? 1 : Elementary.logarithm(self == .two ? 2 : 10) }
    }

    func validate() throws {
        guard !counts || format != .moses else {
            throw ValidationError("--counts is not for --format moses, where a score is a feature.")
        }
    }

    func run() throws {
        try Arithmetic.prepare(threads: Job.threads)
        let model = try OpenedModel(checkpoint)
        let vocabulary = model.vocabulary
        guard noLineEnd || vocabulary.lineEnd != nil || vocabulary.level.isSpaced else {
            throw UsageError(
                "the model's vocabulary has no line end", location: checkpoint, remedy: "score lines without it: --no-line-end")
        }
        let scorer = try Scorer(
            model.configuration, parameters: model.parameters, start: vocabulary.lineStart, carriesState: carryState)
        let lines = try LineReader(file)
        var number = 0
        while true {
            let (batch, problem) = try read(lines, number: &number, with: vocabulary)
            let scores = try scorer.score(batch.map(\.ids))
            var output: [UInt8] = []
            for (line, score) in zip(batch, scores) {
                output += format.line(numbers(score, of: line.ids, vocabulary), in: line.frame) + [UInt8(ascii: "\n")]
            }
            guard output.withUnsafeBytes({ StandardStream.output.write($0) }) else { return }
            if let problem { throw problem }
            if batch.isEmpty { return }
        }
    }

    /// Enough lines to find many of like length, but none that would have to be waited for while others are ready.
    /// - Returns: none at the end; the error of the line after them, if it cannot be scored.
    private func read(
        _ lines: LineReader, number: inout Int, with vocabulary: Vocabulary
    ) throws -> (lines: [(ids: [Int32], frame: LineFormat.Frame)], problem: (any Error)?) {
        let name = file ?? "standard input"
        var batch: [(ids: [Int32], frame: LineFormat.Frame)] = []
        var tokens = 0
        while batch.count < 1024, tokens < 1 << 20, batch.isEmpty || lines.isReady, let line = try lines.next() {
            number += 1
            do {
                let bytes = number == 1 ? vocabulary.text(ofFile: line) : line
                let (text, frame) = try format.parse(bytes, file: name, number: number)
                let ids = try vocabulary.encode(text + (noLineEnd ? [] : [UInt8(ascii: "\n")]), completingLastLine: false)
                batch.append((ids, frame))
                tokens += ids.count
            } catch let error as TextError {
                return (batch, UnreadableText(file: name, line: number, cause: error))
            } catch {
                return (batch, error)
            }
        }
        return (batch, nil)
    }

    private func numbers(_ score: LineScore, of ids: [Int32], _ vocabulary: Vocabulary) -> [String] {
        let value = (costs ? -1 : 1) * score.logProbability / logBase.divisor
        let unknown = vocabulary.unknown.map { id in ids.count { Int($0) == id } } ?? 0
        // No "-0.000000" for a line without tokens.
        return [Formatting.fixed(value == 0 ? 0 : value, decimals: 6)] + (counts ? ["\(score.tokens)", "\(unknown)"] : [])
    }
}
