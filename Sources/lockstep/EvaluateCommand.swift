import ArgumentParser
import Checkpoints
import Collectives
import Corpus
import Diagnostics
import Files
import FoundationEssentials
import Glibc
import Inference
import Reporting

struct EvaluateCommand: JobCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate",
        abstract: "The loss and perplexity of a text under a model.",
        discussion: """
            Predicts every token but the first once, from all tokens before it, without dropout. With one stream, the \
            default, the value is exact. With --streams N, the text is cut into N pieces that are read in parallel, each \
            from a zero state. This is faster, gives a slightly different value, and is what training reports as its \
            validation loss (validation.streams). The number of ranks does not change a single digit.

            Examples:
              lockstep evaluate --checkpoint runs/first
              lockstep evaluate --checkpoint runs/first --split test --streams 10
              lockstep evaluate --checkpoint runs/first --text letters.txt --json
              xz -dc letters.xz | lockstep evaluate --checkpoint runs/first --text -
              mpirun -n 2 lockstep evaluate --checkpoint runs/first --streams 10
            """)

    @OptionGroup var source: ModelOptions

    @Option(help: ArgumentHelp("The dataset folder. Default: the one the model was trained on.", valueName: "folder"), completion: .directory)
    var data: String?

    @Option(help: ArgumentHelp("A text in place of a dataset, read with the model's own vocabulary: a file, which may be gzip, a pipe, or - for standard input.", valueName: "file"), completion: .file())
    var text: String?

    @Option(help: ArgumentHelp("Which part of the dataset.", valueName: "part"))
    var split: Split = .valid

    @Option(help: ArgumentHelp("Cut the text into this many streams.", valueName: "n"))
    var streams = 1

    @Flag(help: "One JSON object on stdout.")
    var json = false

    func validate() throws {
        guard streams >= 1 else { throw ValidationError("--streams must be at least 1, found \(streams).") }
        guard data == nil || text == nil else { throw ValidationError("Give --data or --text, not both.") }
    }

    func run() throws {
        try Job.run { communicator in
            let isFirst = communicator.rank == 0
            try communicator.agreeOnProgram()
            let model = try communicator.together("opening the model") { try OpenedModel(source, announcing: isFirst) }
            try communicator.agree(
                on: model.identity + [("--text", text ?? ""), ("--split", split.rawValue), ("--streams", "\(streams)")], kind: .data)
            let input = try EvaluationText(data: data, text: text, split: split, model: model, communicator)
            // Each rank reads its own files, which may be local copies.
            try communicator.agree(on: input.identity, kind: .data)
            let evaluator = try communicator.together("preparing the evaluation") {
                try Evaluator(
                    model.predictor, tokens: input.tokens, streams: streams, unknown: model.vocabulary.unknown.map { Int32($0) },
                    communicator: communicator)
            }
            let line = isFirst ? ShareLine("evaluating") : nil
            let evaluation = try {
                defer { line?.finish() }
                return try evaluator.run { line?.update($0) }
            }()
            guard isFirst else { return }
            let report = EvaluationReport(evaluation, model: model, text: input)
            print(json ? try report.json() : report.text)
        }
    }
}

extension Split: ExpressibleByArgument {}

/// What `evaluate` prints.
private struct EvaluationReport: Encodable {
    let nll_sum: Double
    let tokens: Int
    let nats_per_token: Double
    let bits_per_token: Double
    /// Null if exp(nats) overflows a Double.
    let perplexity: Double?
    let unit: String
    let split: String?
    let streams: Int
    let state: String
    /// `<unk>` tokens in the text, including the first token.
    let unknown_tokens: Int
    /// The number of predictions of `<unk>`, and their share of `nll_sum`.
    let unknown_predictions: Int
    let unknown_nll_sum: Double
    /// The perplexity over all other predictions; null if there are none.
    let perplexity_without_unknown: Double?
    let checkpoint: String
    /// Null for a file of weights.
    let step: Int?
    let model_sha256: String
    let vocabulary_sha256: String
    let data: String
    let data_sha256: String

    init(_ evaluation: Evaluation, model: OpenedModel, text: EvaluationText) {
        nll_sum = evaluation.total
        tokens = evaluation.tokens
        nats_per_token = evaluation.nats
        bits_per_token = evaluation.bits
        perplexity = evaluation.perplexity.isFinite ? evaluation.perplexity : nil
        unit = model.vocabulary.level.rawValue
        split = text.split?.rawValue
        streams = evaluation.streams
        state = evaluation.streams == 1 ? "zero at the start, carried to the end" : "zero at the start of each stream, carried to its end"
        unknown_tokens = text.unknown
        unknown_predictions = evaluation.unknownTokens
        unknown_nll_sum = evaluation.unknownTotal
        perplexity_without_unknown = evaluation.perplexityWithoutUnknown.flatMap { $0.isFinite ? $0 : nil }
        checkpoint = model.path
        step = model.step
        model_sha256 = model.modelHash
        vocabulary_sha256 = model.vocabulary.hash
        data = text.path
        data_sha256 = text.hash
    }

    func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    var text: String {
        var rows = [
            ("perplexity", perplexity.map { Formatting.fixed($0, decimals: 6) } ?? "too large for a number; see nats per token"),
            ("nats per token", Formatting.fixed(nats_per_token, decimals: 8)),
            ("bits per \(unit)", Formatting.fixed(bits_per_token, decimals: 8)),
            ("NLL sum", "\(Formatting.fixed(nll_sum, decimals: 4)) nats"),
            ("tokens scored", "\(Formatting.count(tokens)) (the first token is not predicted; \(unknown_tokens) <unk>)"),
            ("streams", "\(streams), state \(state)"),
            ("data", split.map { "\(data), split \($0)" } ?? data),
            ("checkpoint", checkpoint + (step.map { ", step \($0)" } ?? "")),
        ]
        if unknown_predictions > 0 {
            rows.insert(
                ("without <unk>", perplexity_without_unknown.map { "\(Formatting.fixed($0, decimals: 6)), over \(Formatting.count(tokens - unknown_predictions)) tokens" } ?? "nothing but <unk>"),
                at: 1)
        }
        // Hashes are long: 80 columns have no room for anything else.
        let hashes = [("  data", data_sha256), ("  model", model_sha256), ("  vocabulary", vocabulary_sha256)]
        return EvaluationReport.columns(rows, width: 20) + "\nSHA-256\n" + EvaluationReport.columns(hashes, width: 14)
    }

    private static func columns(_ rows: [(String, String)], width: Int) -> String {
        rows.map { $0 + String(repeating: " ", count: max(2, width - $0.count)) + $1 }.joined(separator: "\n")
    }
}
