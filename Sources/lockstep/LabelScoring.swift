import Corpus
import Diagnostics
import Files
import Inference
import Recurrent
import Reporting

/// `score` with a model that predicts labels: the tags of a line's words, or the label of a line with its probability.
struct LabelScoring {
    private let command: ScoreCommand
    private let labeller: Labeller
    private let labels: [String]
    private let areTags: Bool
    private let vocabulary: Vocabulary

    /// Tokens of a sequence, at most.
    private static let longest = 65_536

    /// Nil for a model that predicts tokens.
    /// - Throws: `UsageError` for options that only scores have.
    init?(_ command: ScoreCommand, _ model: OpenedModel) throws {
        guard let (network, labels) = model.labeller else {
            guard command.format != .columns else {
                throw UsageError("--format columns is for models that predict tags", location: command.source.checkpoint, remedy: "choose another --format")
            }
            return nil
        }
        areTags = network.configuration.output.areTags
        let others = [
            ("--format moses", command.format == .moses), ("--format columns", command.format == .columns && !areTags),
            ("--tokens", command.format == .columns && command.tokens),
        ]
        try command.refuse(others, for: "a model that predicts \(areTags ? "tags" : "the label of a line")")
        self.command = command
        self.labels = labels
        labeller = Labeller(network)
        vocabulary = model.vocabulary
    }

    /// Reads the whole input.
    /// - Throws: `UnreadableText`, `UnreadableLine`, `FileError`, `OutputNotFinite`, `KernelError`.
    func run() throws {
        let input = try ScoreInput(command, vocabulary)
        while true {
            let (output, problem, isLast) = try command.format == .columns ? columns(input) : rows(input)
            guard output.withUnsafeBytes({ StandardStream.output.write($0) }) else { return }
            if let problem { throw problem }
            if isLast { return }
        }
    }

    // MARK: Line by line

    private func rows(_ input: ScoreInput) throws -> (output: [UInt8], problem: (any Error)?, isLast: Bool) {
        let (batch, problem) = input.batch(tokens: 1 << 18, longest: LabelScoring.longest)
        let ids = batch.map { $0.ids.filter { $0 != Vocabulary.missing } }
        var output: [UInt8] = []
        for (index, choices) in try labeller.label(ids).enumerated() {
            let frame = batch[index].frame
            if command.tokens {
                output += Array(try JSONText.line(Object(ids[index], frame, choices, self)).utf8)
            } else if areTags {
                output += command.format.line([choices.map { labels[$0.label] }.joined(separator: " ")], in: frame)
            } else {
                output += command.format.line(
                    choices.isEmpty ? [""] : [labels[choices[0].label], Formatting.fixed(choices[0].probability, decimals: 6)], in: frame)
            }
            output.append(UInt8(ascii: "\n"))
        }
        return (output, problem, batch.isEmpty)
    }

    // MARK: Columns

    /// A line of a word; without a word it is passed on as it is.
    private struct Word {
        var id: Int32?
        let line: ArraySlice<UInt8>
    }

    /// Each line with the tag of its word; sentences end with lines that have none.
    private func columns(_ input: ScoreInput) throws -> (output: [UInt8], problem: (any Error)?, isLast: Bool) {
        let (batch, problem) = words(input)
        let sentences = batch.split(omittingEmptySubsequences: false) { $0.id == nil }.map(Array.init)
        let choices = try labeller.label(sentences.map { $0.compactMap(\.id) })
        var output: [UInt8] = []
        var others = batch.filter { $0.id == nil }.makeIterator()
        for (sentence, choices) in zip(sentences, choices) {
            for (word, choice) in zip(sentence, choices) { output += word.line + Array(" \(labels[choice.label])\n".utf8) }
            if let other = others.next() { output += other.line + [UInt8(ascii: "\n")] }
        }
        return (output, problem, batch.isEmpty)
    }

    /// Whole sentences.
    private func words(_ input: ScoreInput) -> ([Word], (any Error)?) {
        var batch: [Word] = []
        var words = 0
        do {
            while true {
                // Nobody waits for a sentence while another is ready.
                if let last = batch.last, last.id == nil, !input.isReady || batch.count >= 4096 { break }
                guard let (line, _) = try input.next() else { break }
                guard let word = line.split(whereSeparator: isWhiteSpace).first else {
                    batch.append(Word(line: line))
                    words = 0
                    continue
                }
                guard String(validating: word, as: UTF8.self) != nil else {
                    let cause = TextError.invalidUTF8(file: nil, offset: word.startIndex - line.startIndex)
                    throw UnreadableText(file: input.path, line: input.number, cause: cause)
                }
                words += 1
                guard words <= LabelScoring.longest else {
                    throw UnreadableLine(file: input.path, number: input.number, expected: "a blank line after at most \(LabelScoring.longest) words",
                        remedy: "put blank lines between sentences")
                }
                guard let id = vocabulary.id(of: word) ?? vocabulary.unknown else {
                    throw UnreadableLine(file: input.path, number: input.number, expected: "a word of the vocabulary, which has no <unk>")
                }
                batch.append(Word(id: Int32(id), line: line))
            }
            return (batch, nil)
        } catch {
            return (batch, error)
        }
    }

    /// What `--tokens` prints of a line.
    private struct Object: Encodable {
        let id: String?
        let tokens: [String]
        let ids: [Int32]
        /// Of a tagger: one for each token.
        let tags: [String]?
        let probabilities: [Double]?
        /// Of a classifier; null for a line without tokens.
        let label: String?
        let probability: Double?

        init(_ ids: [Int32], _ frame: LineFormat.Frame, _ choices: [Labeller.Choice], _ scoring: LabelScoring) {
            id = frame.identity
            tokens = ids.map { String(decoding: scoring.vocabulary.bytes(of: Int($0)), as: UTF8.self) }
            self.ids = ids
            let names = choices.map { scoring.labels[$0.label] }
            tags = scoring.areTags ? names : nil
            probabilities = scoring.areTags ? choices.map(\.probability) : nil
            label = scoring.areTags ? nil : names.first
            probability = scoring.areTags ? nil : choices.first?.probability
        }
    }
}
