import ArgumentParser
import Collectives
import Corpus
import Diagnostics
import Elementary
import Files
import Glibc
import Inference
import Reporting

struct ScoreCommand: TaskCommand {
    static let configuration = CommandConfiguration(
        commandName: "score",
        abstract: "The log probability of each line of a text or n-best list, or its labels.",
        discussion: """
            One score per input line, in the order of the input: the logarithm of the probability of the line and of its \
            end. Each line starts from a zero state; --carry-state reads it in the context of the lines before it. The \
            text may be a file, which may be gzip, a pipe, or - for standard input; lines may end in CR LF.

            What the vocabulary lacks counts as <unk>. Where it has none (characters, bytes), --unknown decides: it is an \
            error; skip leaves it out of the line; uniform gives each the logarithm of 1 / N and leaves it unread, N being \
            how many characters (of 1,112,064) or bytes (of 256) the vocabulary lacks, or of pieces its size.

            --tokens prints one JSON object a line: the tokens, their ids, each one's log probability and their sum, \
            "score". Of what is skipped there is no probability (null), and of what the vocabulary lacks no id.

            Formats, with the input line and the output line:
              text   TEXT, the default      SCORE
              id     ID TEXT (Kaldi)        ID SCORE
              tab    columns, TEXT last     the other columns, SCORE
              moses  N ||| TEXT ||| FEATURES ||| TOTAL
                     the same with one more feature, lockstep= SCORE
              columns
                     a word a line, in the first column, with blank lines between sentences: the same lines, each \
            with one more column, its tag

            A model that predicts labels prints, in place of SCORE, the tags of the line's words with spaces between \
            them, or the line's label, a tab and its probability; with --tokens also the probability of each tag.

            A model that reads numbers reads rows of them with commas between them, an empty cell or nan where there is none, \
            and a blank line after each sequence. For each row it prints the values that it predicts with commas between \
            them, or its label; for each sequence its label, where the model has one label for a sequence.

            Examples:
              lockstep score --checkpoint runs/news sentences.txt
              lockstep score --checkpoint runs/news --log-base 10 --counts < lines.txt
              zcat n.gz | lockstep score --checkpoint runs/news --format id - > scores
              lockstep score --checkpoint runs/news --tokens sentences.txt
              lockstep score --checkpoint runs/news --format moses n.best > rescored
              echo play some jazz | lockstep score --checkpoint runs/slots
              lockstep score --checkpoint runs/slots --format columns test.conll | conlleval
            """)

    @OptionGroup var source: ModelOptions

    @OptionGroup var cache: CacheOptions

    @OptionGroup var mixture: MixtureOptions

    @Argument(help: "A text: a file, a pipe, or - for standard input, the default.", completion: .file())
    var file: String?

    @Option(help: ArgumentHelp("How lines are read and printed.", valueName: "format"))
    var format: LineFormat = .text

    @Option(help: ArgumentHelp("Base of the logarithms.", valueName: "base"))
    var logBase: LogBase = .e

    @Flag(help: "Print costs, the negative logarithms.")
    var costs = false

    @Flag(help: "Leave the end of the line out of the score.")
    var noLineEnd = false

    @Flag(help: "Print the number of scored tokens after the score, and how many of them are <unk>.")
    var counts = false

    @Flag(help: "Do not reset the state between lines.")
    var carryState = false

    @Flag(help: "One JSON object for each line, with the score of each token.")
    var tokens = false

    @Option(help: ArgumentHelp("What to do with what a vocabulary without <unk> lacks.", valueName: "policy"))
    var unknown: UnknownRule = .error

    enum UnknownRule: String, CaseIterable, ExpressibleByArgument { case error, skip, uniform }

    enum LogBase: String, CaseIterable, ExpressibleByArgument {
        case e
        case two = "2"
        case ten = "10"

        /// The divisor of a natural logarithm.
        var divisor: Double { self == .e ? 1 : Elementary.logarithm(self == .two ? 2 : 10) }
    }

    func validate() throws {
        guard !counts || format != .moses else {
            throw ValidationError("--counts is not for --format moses, where a score is a feature.")
        }
        guard !tokens || !counts && !costs else {
            throw ValidationError("--tokens cannot be used with --counts or --costs.")
        }
    }

    func run() throws {
        try Job.prepare()
        let opened = try OpenedModel(source, beside: mixture.paths)
        if let values = try ValueScoring(self, opened) { return try values.run() }
        if let labelling = try LabelScoring(self, opened) { return try labelling.run() }
        let model = try opened.predictingTokens().cached(cache, streams: Scorer.width(carriesState: carryState))
            .mixed(mixture, source, SingleRank())
        let vocabulary = model.vocabulary
        guard noLineEnd || vocabulary.lineEnd != nil || vocabulary.level.isSpaced else {
            throw UsageError(
                "the model's vocabulary has no line end", location: source.checkpoint, remedy: "score lines without it: --no-line-end")
        }
        let scorer = try Scorer(model.predictor, start: vocabulary.lineStart, carriesState: carryState)
        let input = try ScoreInput(self, vocabulary)
        while true {
            let (batch, problem) = input.batch(tokens: 1 << 20, keepingText: tokens) { isReturned in
                // A carriage return belongs to the line's end, and so to the text where the vocabulary has it.
                noLineEnd ? [] : (isReturned && vocabulary.hasCarriageReturn ? [carriageReturn] : []) + [UInt8(ascii: "\n")]
            }
            let scores = try scorer.score(batch.map { $0.ids.filter { $0 != Vocabulary.missing } }, keepingParts: tokens)
            var output: [UInt8] = []
            for (line, score) in zip(batch, scores) {
                let scored = ScoredLine(line, score, rule: unknown, divisor: logBase.divisor, vocabulary)
                output += try tokens ? scored.json() : format.line(numbers(scored), in: line.frame)
                output.append(UInt8(ascii: "\n"))
            }
            guard output.withUnsafeBytes({ StandardStream.output.write($0) }) else { return }
            if let problem { throw problem }
            if batch.isEmpty { return }
        }
    }

    private func numbers(_ line: ScoredLine) -> [String] {
        let value = costs ? -line.score : line.score
        // No "-0.000000" for a line without tokens.
        return [Formatting.fixed(value == 0 ? 0 : value, decimals: 6)] + (counts ? ["\(line.scoredTokens)", "\(line.unknown)"] : [])
    }
}

extension ScoreCommand {
    /// - Parameters:
    ///   - others: options that these models have not, beside those of scores, and whether they were given.
    ///   - models: as in "a model that reads numbers".
    /// - Throws: `UsageError` for the first of them that was given.
    func refuse(_ others: [(String, Bool)], for models: String) throws {
        let ofScores = [
            ("--costs", costs), ("--counts", counts), ("--no-line-end", noLineEnd), ("--carry-state", carryState), ("--log-base", logBase != .e),
            ("--mix", !mixture.paths.isEmpty), ("--cache", cache.positions != nil), ("--unknown uniform", unknown == .uniform),
        ]
        guard let (option, _) = (ofScores + others).first(where: \.1) else { return }
        throw UsageError("\(option) is not for \(models)", location: source.checkpoint, remedy: "leave it out")
    }
}

private let carriageReturn = UInt8(ascii: "\r")

extension Vocabulary {
    /// Whether a carriage return is a token; between words it is white space.
    fileprivate var hasCarriageReturn: Bool {
        guard !level.isSpaced, let id = try? encode([carriageReturn]).first else { return false }
        return unknown != Int(id)
    }
}
