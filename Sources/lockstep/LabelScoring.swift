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

    /// A line of input with its tokens; without tokens it is passed on as it is.
    private struct Line {
        let ids: [Int32]
        /// What the ids stand for, in `columns` the line.
        let text: [UInt8]
        let frame: LineFormat.Frame?
    }

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
            ("--costs", command.costs), ("--counts", command.counts), ("--no-line-end", command.noLineEnd), ("--carry-state", command.carryState),
            ("--log-base", command.logBase != .e), ("--mix", !command.mixture.paths.isEmpty), ("--cache", command.cache.positions != nil),
            ("--format moses", command.format == .moses), ("--unknown uniform", command.unknown == .uniform),
            ("--format columns", command.format == .columns && !areTags), ("--tokens", command.format == .columns && command.tokens),
        ]
        if let (option, _) = others.first(where: \.1) {
            throw UsageError(
                "\(option) is not for a model that predicts \(areTags ? "tags" : "the label of a line")", location: command.source.checkpoint, remedy: "leave it out")
        }
        self.command = command
        self.labels = labels
        labeller = Labeller(network)
        vocabulary = model.vocabulary
    }

    /// Reads the whole input.
    /// - Throws: `UnreadableText`, `UnreadableLine`, `FileError`, `OutputNotFinite`, `KernelError`.
    func run() throws {
        let lines = try LineReader(command.file)
        var number = 0
        while true {
            let (batch, problem) = command.format == .columns ? readColumns(lines, &number) : readLines(lines, &number)
            let output = try command.format == .columns ? columns(batch) : rows(batch)
            guard output.withUnsafeBytes({ StandardStream.output.write($0) }) else { return }
            if let problem { throw problem }
            if batch.isEmpty { return }
        }
    }

    private func rows(_ batch: [Line]) throws -> [UInt8] {
        var output: [UInt8] = []
        for (line, choices) in zip(batch, try labeller.label(batch.map(\.ids))) {
            if command.tokens {
                output += Array(try JSONText.line(Object(line, choices, self)).utf8)
            } else if areTags {
                output += command.format.line([choices.map { labels[$0.label] }.joined(separator: " ")], in: line.frame!)
            } else {
                output += command.format.line(
                    choices.isEmpty ? [""] : [labels[choices[0].label], Formatting.fixed(choices[0].probability, decimals: 6)], in: line.frame!)
            }
            output.append(UInt8(ascii: "\n"))
        }
        return output
    }

    /// Each line with the tag of its word; sentences end with lines that have none.
    private func columns(_ batch: [Line]) throws -> [UInt8] {
        let sentences = batch.split(omittingEmptySubsequences: false) { $0.ids.isEmpty }.map(Array.init)
        let choices = try labeller.label(sentences.map { $0.flatMap(\.ids) })
        var output: [UInt8] = []
        var others = batch.filter(\.ids.isEmpty).makeIterator()
        for (sentence, choices) in zip(sentences, choices) {
            for (line, choice) in zip(sentence, choices) { output += line.text + Array(" \(labels[choice.label])\n".utf8) }
            if let other = others.next() { output += other.text + [UInt8(ascii: "\n")] }
        }
        return output
    }

    private func readLines(_ lines: LineReader, _ number: inout Int) -> ([Line], (any Error)?) {
        var batch: [Line] = []
        var tokens = 0
        do {
            while batch.count < 1024, tokens < 1 << 18, batch.isEmpty || lines.isReady {
                guard let bytes = try next(lines, &number) else { break }
                let (text, frame) = try command.format.parse(bytes[...], file: lines.path, number: number)
                do {
                    let marked = try vocabulary.encode(Array(text), completingLastLine: false, unknown: command.unknown == .error ? .error : .mark)
                    batch.append(Line(ids: marked.filter { $0 != Vocabulary.missing }, text: Array(text), frame: frame))
                    tokens += batch.last!.ids.count
                    guard batch.last!.ids.count <= LabelScoring.longest else {
                        batch.removeLast()
                        throw UnreadableLine(file: lines.path, number: number, expected: "at most \(LabelScoring.longest) tokens")
                    }
                } catch let error as TextError {
                    throw UnreadableText(file: lines.path, line: number, cause: error)
                }
            }
            return (batch, nil)
        } catch {
            return (batch, error)
        }
    }

    /// Whole sentences.
    private func readColumns(_ lines: LineReader, _ number: inout Int) -> ([Line], (any Error)?) {
        var batch: [Line] = []
        var words = 0
        do {
            while true {
                // Nobody waits for a sentence while another is ready.
                if let last = batch.last, last.ids.isEmpty, !lines.isReady || batch.count >= 4096 { break }
                guard let bytes = try next(lines, &number) else { break }
                guard let word = bytes.split(whereSeparator: isWhiteSpace).first else {
                    batch.append(Line(ids: [], text: bytes, frame: nil))
                    words = 0
                    continue
                }
                words += 1
                guard words <= LabelScoring.longest else {
                    throw UnreadableLine(file: lines.path, number: number, expected: "a blank line after at most \(LabelScoring.longest) words")
                }
                guard let id = vocabulary.id(of: word) ?? vocabulary.unknown else {
                    throw UnreadableLine(file: lines.path, number: number, expected: "a word of the vocabulary, which has no <unk>")
                }
                batch.append(Line(ids: [Int32(id)], text: bytes, frame: nil))
            }
            return (batch, nil)
        } catch {
            return (batch, error)
        }
    }

    /// The next line, without what ends it.
    private func next(_ lines: LineReader, _ number: inout Int) throws -> [UInt8]? {
        if number == 0, vocabulary.level != .byte { try lines.requireText() }
        guard var line = try lines.next() else { return nil }
        number += 1
        if number == 1 { line = vocabulary.text(ofFile: line) }
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        return line
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

        init(_ line: Line, _ choices: [Labeller.Choice], _ scoring: LabelScoring) {
            id = line.frame?.identity
            tokens = line.ids.map { String(decoding: scoring.vocabulary.bytes(of: Int($0)), as: UTF8.self) }
            ids = line.ids
            let names = choices.map { scoring.labels[$0.label] }
            tags = scoring.areTags ? names : nil
            probabilities = scoring.areTags ? choices.map(\.probability) : nil
            label = scoring.areTags ? nil : names.first
            probability = scoring.areTags ? nil : choices.first?.probability
        }
    }
}
