import ArgumentParser
import Corpus
import Diagnostics
import Files
import Kernels
import Training

struct GenerateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate",
        abstract: "Sample text from a model.",
        discussion: """
            The text goes to stdout as it is sampled. The same seed gives the same text.

            Examples:
              lockstep generate --checkpoint runs/quickstart
              lockstep generate --checkpoint runs/quickstart --prompt "A train " --length 200 --temperature 0.7
              lockstep generate --checkpoint runs/quickstart --top-k 20 --top-p 0.9 --seed 3
            """)

    @Option(help: "A checkpoint folder, or a run folder: then its best checkpoint, else the latest.")
    var checkpoint: String

    @Option(help: "Text to continue. Default: the start of a line.")
    var prompt = ""

    @Option(help: "Tokens to generate.")
    var length = 500

    @Option(parsing: .unconditional, help: "Below 1 more cautious, above 1 more varied; 0 always takes the most probable token.")
    var temperature = 1.0

    @Option(help: "Draw from the K most probable tokens only.")
    var topK: Int?

    @Option(help: "Draw from the most probable tokens that together reach probability P.")
    var topP: Double?

    @Option(help: "Of the random draws.")
    var seed: UInt64 = 1

    @Flag(help: "Let <unk> be generated too.")
    var allowUnknown = false

    func validate() throws {
        guard length >= 1 else { throw ValidationError("--length must be at least 1, found \(length).") }
        guard temperature >= 0, temperature.isFinite else {
            throw ValidationError("--temperature must be 0 or more, found \(temperature).")
        }
        if let topK, topK < 1 { throw ValidationError("--top-k must be at least 1, found \(topK).") }
        if let topP, !(topP > 0 && topP <= 1) {
            throw ValidationError("--top-p must be above 0 and at most 1, found \(topP).")
        }
    }

    func run() throws {
        Arithmetic.prepare(threads: Job.threads)
        let model = try OpenedModel(checkpoint)
        let vocabulary = model.vocabulary
        let ids = try vocabulary.encode(prompt: prompt)
        let generator = try Generator(
            model.configuration, parameters: model.parameters,
            options: SamplingOptions(temperature: temperature, topK: topK, topP: topP), seed: seed)
        var output = TextOutput(vocabulary, after: prompt)
        try generator.run(
            prompt: ids.isEmpty ? [vocabulary.lineStart] : ids, length: length,
            excluded: allowUnknown || vocabulary.count == 1 ? nil : vocabulary.unknown
        ) { output.write($0) }
        output.finish()
    }
}

/// Writes tokens to stdout as text while they come.
private struct TextOutput {
    private let vocabulary: Vocabulary
    private var needsSpace: Bool

    init(_ vocabulary: Vocabulary, after prompt: String) {
        self.vocabulary = vocabulary
        needsSpace = vocabulary.level.isSpaced && !prompt.isEmpty
        put(Array(prompt.utf8))
    }

    /// - Returns: whether anybody still reads.
    mutating func write(_ token: Int32) -> Bool {
        let endsLine = Int(token) == vocabulary.endOfSentence
        if needsSpace && !endsLine { put([UInt8(ascii: " ")]) }
        needsSpace = vocabulary.level.isSpaced && !endsLine
        return put(vocabulary.decode([token]))
    }

    func finish() { put([UInt8(ascii: "\n")]) }

    @discardableResult
    private func put(_ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { StandardStream.output.write($0) }
    }
}

extension Vocabulary {
    /// The token after which a line begins: `<eos>`, a newline, or in a vocabulary without lines the most frequent one.
    var lineStart: Int32 {
        if let endOfSentence { return Int32(endOfSentence) }
        let mostFrequent = occurrences.firstIndex(of: occurrences.max()!)!
        return (try? encode([UInt8(ascii: "\n")]).first) ?? Int32(mostFrequent)
    }

    /// - Throws: `UnknownInPrompt` for a character that the vocabulary lacks.
    func encode(prompt: String) throws -> [Int32] {
        let ids: [Int32]
        do {
            ids = try encode(Array(prompt.utf8), completingLastLine: false)
        } catch TextError.notInVocabulary(let symbol, _, let offset) {
            let before = String(decoding: prompt.utf8.prefix(offset), as: UTF8.self)
            throw UnknownInPrompt(symbol: symbol, place: before.unicodeScalars.count)
        }
        // At character and byte level `<unk>` in a prompt would be a riddle; for words and pieces it is the usual meaning.
        if !level.isSpaced, let unknown, let place = ids.firstIndex(of: Int32(unknown)) {
            let symbol = Array(prompt.unicodeScalars)[min(place, prompt.unicodeScalars.count - 1)]
            throw UnknownInPrompt(symbol: "'\(symbol)'", place: place)
        }
        return ids
    }
}

private struct UnknownInPrompt: DiagnosedError {
    let symbol: String
    let place: Int

    var kind: FailureKind { .usage }
    var diagnosis: Diagnosis {
        Diagnosis(
            "\(symbol) is not in the model's vocabulary", location: "--prompt, character \(place + 1)",
            remedy: "leave it out, or see the vocabulary with `lockstep inspect`")
    }
}
