import ArgumentParser
import Collectives
import Corpus
import Diagnostics
import Files
import Inference
import Reporting

struct CompleteCommand: TaskCommand {
    static let configuration = CommandConfiguration(
        commandName: "complete",
        abstract: "The most probable next words or characters after a text.",
        discussion: """
            Prints one candidate per line: its probability, a tab, and the word, or the character in quotation marks \
            ("\\n" is the end of the line). With words and pieces, if a text does not end in a space, its last word is \
            still being typed: the candidates are the words that start with it, and their probabilities assume that one \
            of them is meant.

            The text is read as the beginning of a line. Without one, each line of standard input is a text, and an \
            empty line follows the candidates of each. --prompt-file reads the text from a file, as it is.

            Examples:
              lockstep complete --checkpoint runs/first "A train leaves the "
              lockstep complete --checkpoint runs/news "the president of the un" -k 3
              lockstep complete --checkpoint runs/news --json < beginnings.txt
            """)

    @OptionGroup var source: ModelOptions

    @OptionGroup var cache: CacheOptions

    @OptionGroup var mixture: MixtureOptions

    @Argument(help: "The text so far. Default: the lines of standard input.")
    var text: String?

    @Option(help: ArgumentHelp("A file that holds the text; - for standard input.", valueName: "file"), completion: .file())
    var promptFile: String?

    @Option(name: [.customShort("k"), .customLong("k")], help: ArgumentHelp("Candidates to show.", valueName: "k"))
    var count = 5

    @Flag(help: "One JSON object for each text, on one line.")
    var json = false

    @Flag(help: "Also show <unk> as a candidate.")
    var allowUnknown = false

    func validate() throws {
        guard count >= 1 else { throw ValidationError("--k must be at least 1, found \(count).") }
        guard text == nil || promptFile == nil else { throw ValidationError("Give the text or --prompt-file, not both.") }
    }

    func run() throws {
        try Job.prepare()
        let model = try OpenedModel(source, beside: mixture.paths).predictingTokens().cached(cache, streams: 1)
            .mixed(mixture, source, SingleRank())
        let predictor = try Predictor(model.predictor)
        func complete(_ text: [UInt8], from place: String) throws -> Bool {
            let completion = try Completion(
                of: text, from: place, vocabulary: model.vocabulary, predictor: predictor, count: count,
                allowingUnknown: allowUnknown)
            if !json, completion.candidates.isEmpty {
                Failure.say("note: no word of the vocabulary begins with \(String(reflecting: completion.partial ?? ""))")
            }
            return StandardStream.output.write(json ? try JSONText.line(completion) + "\n" : completion.text)
        }
        if let promptFile {
            _ = try complete(Prompt.contents(of: promptFile), from: promptFile)
        } else if let text {
            _ = try complete(text.bytes, from: "the text")
        } else {
            try PromptLines(hint: "each line is a text to complete; Ctrl-D ends the program").forEach { line, place in
                try complete(line, from: place) && (json || StandardStream.output.write("\n"))
            }
        }
    }
}

/// The candidates for the next token.
private struct Completion: Encodable {
    /// The text that was asked about; bytes that are not UTF-8 show as U+FFFD.
    let prefix: String
    /// The word being typed; empty if there is none, null if tokens are characters or bytes.
    let partial: String?
    let candidates: [Suggestion]

    struct Suggestion: Encodable {
        let token: Int
        let probability: Double
        /// The whole word or character; at byte level, a byte that is not an ASCII character is shown as U+FFFD.
        let text: String
        /// The form for people: characters in quotes, since many probable ones are invisible.
        let shown: String

        private enum CodingKeys: CodingKey { case token, probability, text }
    }

    init(
        of text: [UInt8], from place: String, vocabulary: Vocabulary, predictor: Predictor, count: Int,
        allowingUnknown: Bool
    ) throws {
        let isSpaced = vocabulary.level.isSpaced
        let typed = isSpaced ? vocabulary.unfinishedWord(of: text) : []
        let ids = [vocabulary.lineStart] + (try vocabulary.encode(prompt: Array(text.dropLast(typed.count)), from: place))
        let ranked = try predictor.candidates(after: ids) { vocabulary.bytes(of: $0).starts(with: typed) }
        guard ranked.allSatisfy(\.probability.isFinite) else { throw NoPrediction() }
        prefix = String(decoding: text, as: UTF8.self)
        partial = isSpaced ? String(decoding: typed, as: UTF8.self) : nil
        candidates = ranked.lazy.filter { allowingUnknown || $0.token != vocabulary.unknown }.prefix(count).map {
            let bytes = vocabulary.bytes(of: $0.token)
            let text = String(decoding: bytes, as: UTF8.self)
            let isByte = vocabulary.level == .byte && bytes.first! >= 0x80
            return Suggestion(
                token: $0.token, probability: $0.probability, text: text,
                shown: isByte ? "byte \(bytes.first!)" : isSpaced ? text.printable : String(reflecting: text))
        }
    }

    var text: String {
        candidates.map { "\(Formatting.fixed($0.probability, decimals: 6))\t\($0.shown)\n" }.joined()
    }
}

private struct NoPrediction: DiagnosedError {
    var kind: FailureKind { .data }
    var diagnosis: Diagnosis {
        Diagnosis("the model's predictions are not numbers", remedy: "use another checkpoint: `lockstep inspect` shows NaN")
    }
}
