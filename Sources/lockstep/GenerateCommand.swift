import ArgumentParser
import Collectives
import Corpus
import Diagnostics
import Glibc
import Inference
import Synchronization

struct GenerateCommand: TaskCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate",
        abstract: "Sample text from a model.",
        discussion: """
            The text goes to stdout as it is sampled. The same seed gives the same text.

            With --interactive, each line of standard input is a prompt, until the end of input (Ctrl-D). Each prompt \
            starts a new text; with --carry-state, it continues the text so far, right after its last token. An empty \
            line stands for the start of a line or, with --carry-state, for no further prompt. In a terminal, Ctrl-C \
            ends the text being written.

            Examples:
              lockstep generate --checkpoint runs/first
              lockstep generate --checkpoint runs/first --prompt "A train " --length 99
              lockstep generate --checkpoint runs/first --temperature 0.7 --top-p 0.9
              lockstep generate --checkpoint runs/first --prompt-file beginning.txt
              lockstep generate --checkpoint runs/first --interactive --one-line
            """)

    @OptionGroup var source: ModelOptions

    @OptionGroup var cache: CacheOptions

    @OptionGroup var mixture: MixtureOptions

    @Option(help: ArgumentHelp("Text to continue. Default: the start of a line.", valueName: "text"))
    var prompt: String?

    @Option(help: ArgumentHelp("A file to continue, as it is, the newline at its end included; - for standard input.", valueName: "file"), completion: .file())
    var promptFile: String?

    @Flag(name: .shortAndLong, help: "Read prompts from standard input, one per line.")
    var interactive = false

    @Flag(help: "With --interactive: continue the text so far.")
    var carryState = false

    @Option(help: ArgumentHelp("Tokens to generate.", valueName: "n"))
    var length = 500

    @Flag(help: "Stop at the end of the line.")
    var oneLine = false

    @Option(parsing: .unconditional, help: ArgumentHelp("Below 1 is more cautious, above 1 more varied; 0 always takes the most probable token.", valueName: "x"))
    var temperature = 1.0

    @Option(help: ArgumentHelp("Draw from the K most probable tokens only.", valueName: "k"))
    var topK: Int?

    @Option(help: ArgumentHelp("Draw from the most probable tokens that together reach probability P.", valueName: "p"))
    var topP: Double?

    @Option(help: ArgumentHelp("Seed of the random draws.", valueName: "n"))
    var seed: UInt64 = 1

    @Flag(help: "Also generate <unk>.")
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
        guard !interactive || prompt == nil && promptFile == nil else {
            throw ValidationError("--interactive reads its prompts from standard input: leave \(prompt == nil ? "--prompt-file" : "--prompt") out.")
        }
        guard prompt == nil || promptFile == nil else { throw ValidationError("Give --prompt or --prompt-file, not both.") }
        guard !carryState || interactive else { throw ValidationError("--carry-state is for --interactive.") }
    }

    func run() throws {
        try Job.prepare()
        let model = try OpenedModel(source, beside: mixture.paths).predictingTokens().cached(cache, streams: 1)
            .mixed(mixture, source, SingleRank())
        let generator = try Generator(
            model.predictor, options: SamplingOptions(temperature: temperature, topK: topK, topP: topP), seed: seed)
        let writer = Writer(command: self, vocabulary: model.vocabulary, generator: generator)
        guard interactive else {
            let text = try promptFile.map(Prompt.contents) ?? (prompt ?? "").bytes
            _ = try writer.write(text, ids: model.vocabulary.encode(prompt: text, from: promptFile ?? "--prompt"))
            return
        }
        try PromptLines(hint: "each line is a prompt; Ctrl-C ends the text being written, Ctrl-D the program").forEach { line, place in
            let ids = try model.vocabulary.encode(prompt: line, from: place)
            if !carryState { generator.reset() }
            return try TypingStop.during { try writer.write(line, ids: ids) }
        }
    }
}

/// Generates one text after a prompt.
private struct Writer {
    let command: GenerateCommand
    let vocabulary: Vocabulary
    let generator: Generator

    /// - Returns: whether anybody still reads.
    func write(_ prompt: [UInt8], ids: [Int32]) throws -> Bool {
        var output = TextOutput(vocabulary, after: prompt)
        var isRead = true
        try generator.run(
            prompt: ids.isEmpty && !generator.hasText ? [vocabulary.lineStart] : ids, length: command.length,
            excluded: command.allowUnknown || vocabulary.count == 1 ? nil : vocabulary.unknown
        ) { token in
            if command.oneLine, token == vocabulary.lineEnd { return false }
            isRead = output.write(token)
            return isRead && !TypingStop.isAsked
        }
        return output.finish() && isRead
    }
}

/// Ctrl-C ends the text being written; at any other time it ends the program.
private enum TypingStop {
    private static let asked = Atomic<Bool>(false)

    static var isAsked: Bool { asked.load(ordering: .relaxed) }

    static func during<Result>(_ body: () throws -> Result) rethrows -> Result {
        guard isatty(STDIN_FILENO) == 1 else { return try body() }
        asked.store(false, ordering: .relaxed)
        SignalHandler.install(SIGINT) { _ in TypingStop.asked.store(true, ordering: .relaxed) }
        defer { signal(SIGINT, SIG_DFL) }
        return try body()
    }
}
