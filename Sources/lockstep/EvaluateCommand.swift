import ArgumentParser
import Checkpoints
import Collectives
import Corpus
import Diagnostics
import Files
import Glibc
import Inference
import Recurrent
import Reporting

struct EvaluateCommand: JobCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate",
        abstract: "The loss and perplexity of a text under a model, or how well it labels.",
        discussion: """
            Predicts every token but the first once, from all tokens before it, without dropout. With one stream, the \
            default, the value is exact. With --streams N, the text is cut into N pieces that are read in parallel, each \
            from a zero state. This is faster, gives a slightly different value, and is what training reports as its \
            validation loss (validation.streams). The number of ranks does not change a single digit.

            A model that predicts labels (model.output tags or class) is compared with those of the data: accuracy; \
            precision, recall and F1 of each label; for tags such as B-NAME and I-NAME, of the spans, as CoNLL's \
            conlleval counts them; with --json also the confusion matrix, counts[actual][predicted].

            Examples:
              lockstep evaluate --checkpoint runs/first
              lockstep evaluate --checkpoint runs/first --split test --streams 10
              lockstep evaluate --checkpoint runs/first --text letters.txt --json
              lockstep evaluate --checkpoint runs/first --mix runs/5gram --split test
              lockstep evaluate --checkpoint runs/first --cache 2000 --cache-tune
              lockstep evaluate --checkpoint runs/first --dynamic --split test
              xz -dc letters.xz | lockstep evaluate --checkpoint runs/first --text -
              mpirun -n 2 lockstep evaluate --checkpoint runs/first --streams 10
            """)

    @OptionGroup var source: ModelOptions

    @OptionGroup var dynamic: DynamicOptions

    @OptionGroup var cache: CacheOptions

    @Flag(help: "With --cache: find theta and weight on the validation part, and use them.")
    var cacheTune = false

    @OptionGroup var mixture: MixtureOptions

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
            let opened = try communicator.together("opening the model") {
                try OpenedModel(source, beside: mixture.paths, announcing: isFirst)
            }
            try communicator.agree(
                on: opened.identity + [("--text", text ?? ""), ("--split", split.rawValue), ("--streams", "\(streams)")] + cache.identity
                    + [("--cache-tune", "\(cacheTune)")], kind: .data)
            if let evaluation = try SequenceEvaluation(self, opened, communicator) { return try evaluation.run(json: json, communicator) }
            // Before what takes minutes.
            let input = try EvaluationText(data: data, text: text, split: split, model: opened, communicator)
            // Each rank reads its own files, which may be local copies.
            try communicator.agree(on: input.identity, kind: .data)
            let model = try opened
                .learning(dynamic, streams: streams, data: data, communicator)
                .cached(
                    cache, streams: Evaluator.width(streams: streams, ranks: communicator.size), tuning: cacheTune, data: data, communicator)
                .mixed(mixture, source, data: data, communicator)
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
            print(json ? try JSONText.page(report) : report.text)
        }
    }
}

extension Split: ExpressibleByArgument {}

/// What `evaluate` prints.
private struct EvaluationReport: Encodable {
    let nllSum: Double
    let tokens: Int
    let natsPerToken: Double
    let bitsPerToken: Double
    /// Null if exp(nats) overflows a Double.
    let perplexity: Double?
    let unit: String
    let split: String?
    let streams: Int
    let state: String
    /// What happens to the state where a line ends: "carry", "cut" (which shows in training alone) or "reset".
    let lineEnd: String
    /// `<unk>` tokens in the text, including the first token.
    let unknownTokens: Int
    /// The number of predictions of `<unk>`, and their share of `nllSum`.
    let unknownPredictions: Int
    let unknownNllSum: Double
    /// The perplexity over all other predictions; null if there are none.
    let perplexityWithoutUnknown: Double?
    let checkpoint: String
    /// Null for a file of weights.
    let step: Int?
    let modelSha256: String
    /// The models of a mixture with their weights, the first being `checkpoint`; left out for one model.
    let mixture: [MixtureMember]?
    /// "static": the weights stay as they are. "dynamic": they learn from the text as it is read.
    let evaluation: String
    /// Left out of a static evaluation.
    let dynamic: DynamicRecord?
    /// Left out without one.
    let cache: CacheSettings?
    /// What the weights, or theta and weight of the cache, were fitted to; left out if they were given.
    let fittedOn: DatasetPart?
    let vocabularySha256: String
    let data: String
    let dataSha256: String

    init(_ evaluation: Evaluation, model: OpenedModel, text: EvaluationText) {
        nllSum = evaluation.total
        tokens = evaluation.tokens
        natsPerToken = evaluation.nats
        bitsPerToken = evaluation.bits
        perplexity = evaluation.perplexity.isFinite ? evaluation.perplexity : nil
        unit = model.vocabulary.level.rawValue
        split = text.split?.rawValue
        streams = evaluation.streams
        let rule = model.checkpoint?.manifest.model.lineEnd?.rule
        lineEnd = rule ?? LineEnd.Rule.carry.rawValue
        state =
            rule == LineEnd.Rule.reset.rawValue
            ? "zero at the start of each line"
            : evaluation.streams == 1 ? "zero at the start, carried to the end" : "zero at the start of each stream, carried to its end"
        unknownTokens = text.unknown
        unknownPredictions = evaluation.unknownTokens
        unknownNllSum = evaluation.unknownTotal
        perplexityWithoutUnknown = evaluation.perplexityWithoutUnknown.flatMap { $0.isFinite ? $0 : nil }
        checkpoint = model.path.legible
        step = model.step
        modelSha256 = model.modelHash
        mixture = model.mixture.isEmpty ? nil : model.mixture
        self.evaluation = model.dynamic == nil ? "static" : "dynamic"
        dynamic = model.dynamic
        cache = model.cache
        fittedOn = model.fittedOn
        vocabularySha256 = model.vocabulary.hash
        data = text.path.legible
        dataSha256 = text.hash
    }

    var text: String {
        var rows = [
            (dynamic == nil ? "perplexity" : "dynamic perplexity", perplexity.map { Formatting.fixed($0, decimals: 6) } ?? "too large for a number; see nats per token"),
            ("nats per token", Formatting.fixed(natsPerToken, decimals: 8)),
            ("bits per \(unit)", Formatting.fixed(bitsPerToken, decimals: 8)),
            ("NLL sum", "\(Formatting.fixed(nllSum, decimals: 4)) nats"),
            ("tokens scored", "\(Formatting.count(tokens)) (the first token is not predicted; \(unknownTokens) <unk>)"),
            ("streams", "\(streams), state \(state)"),
            ("data", split.map { "\(data), split \($0)" } ?? data),
        ]
        rows += (mixture ?? []).map { ("mixture", "\(Formatting.fixed($0.weight, decimals: 6)) of \(named($0.checkpoint, $0.step))") }
        if mixture == nil { rows.append(("checkpoint", named(checkpoint, step))) }
        if let dynamic {
            rows.append(("dynamic evaluation", dynamic.text))
            rows.append(("gradients", "measured on \(dynamic.statistics.data), split \(dynamic.statistics.split)"))
        }
        if let cache { rows.append(("cache", "\(cache.positions) positions, theta \(cache.theta), weight \(cache.weight)")) }
        if let fittedOn { rows.append(("fitted to", "\(fittedOn.data), split \(fittedOn.split)")) }
        if unknownPredictions > 0 {
            rows.insert(
                ("without <unk>", perplexityWithoutUnknown.map { "\(Formatting.fixed($0, decimals: 6)), over \(Formatting.count(tokens - unknownPredictions)) tokens" } ?? "nothing but <unk>"),
                at: 1)
        }
        // Hashes are long: 80 columns have no room for anything else.
        let models = mixture.map { $0.map(\.modelSha256) } ?? [modelSha256]
        let hashes = [("  data", dataSha256)] + models.map { ("  model", $0) } + [("  vocabulary", vocabularySha256)]
        return EvaluationReport.columns(rows, width: 20) + "\nSHA-256\n" + EvaluationReport.columns(hashes, width: 14)
    }

    private func named(_ checkpoint: String, _ step: Int?) -> String { checkpoint + (step.map { ", step \($0)" } ?? "") }

    private static func columns(_ rows: [(String, String)], width: Int) -> String {
        rows.map { $0 + String(repeating: " ", count: max(2, width - $0.count)) + $1 }.joined(separator: "\n")
    }
}
