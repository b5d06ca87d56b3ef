import ArgumentParser
import Corpus
import Diagnostics
import Files
import Glibc
import Reporting

struct PrepareCommand: TaskCommand {
    static let configuration = CommandConfiguration(
        commandName: "prepare",
        abstract: "Turn text, or another program's tokens, into a dataset folder.",
        discussion: """
            Takes one text and splits it into three parts, or takes a file for each part. The vocabulary comes from the \
            training part alone, most frequent token first. Files may be larger than memory.

            Levels: `char` (the Unicode characters of UTF-8 text), `byte` (any file), `word` (UTF-8 text split at \
            white space; each line ends in <eos>, words outside the vocabulary become <unk>).

            --split cuts at percentages of the size in bytes, at the next character or, at word level, the next line.

            A text may be a file, which may be gzip, a pipe, or - for standard input. What is read twice (characters, \
            bytes, and what --split cuts) waits in a temporary file in the folder of --output.

            --vocabulary encodes the text with a vocabulary that is there already, of a dataset, run or checkpoint, so \
            that its models can be trained on it, or evaluated. Words outside it become <unk>, and so do characters and \
            bytes if it has <unk>; if not, they are an error, or left out with --unknown skip.

            --format reads texts with targets of their own, for models that label (model.output), or that continue what \
            they are given. columns: a word a line with its tag in the last column, blank lines between sentences \
            (CoNLL). labelled: a label, a tab and a text on each line. pairs: a condition, a tab and its continuation on \
            each line; only the continuation is predicted.

            --tokens takes arrays of token ids that another tokenizer made (numpy.save: one dimension of uint16, uint32, \
            int32 or int64) instead of texts, and --vocabulary what the ids stand for: a text file with a token a line, \
            in the order of the ids, or a vocabulary.json.

            --values takes numbers instead of texts, for models that read them: a folder with train.csv, valid.csv and \
            test.csv (rows of inputs and behind them --targets columns to predict, with blank lines between sequences; an \
            empty cell or nan is no number), or with arrays of numpy.save: train.inputs.npy [rows, D] or [sequences, T, D], \
            train.targets.npy with a row of numbers or a whole number, its label, for each, and train.sequences.npy with \
            the first row of each sequence. Where nothing divides the rows into sequences, --length does. A row of NaN \
            among the inputs is absent, one among the targets is not predicted.

            Examples:
              lockstep prepare --input book.txt --level char --output data/book
              lockstep prepare --input x.bin --split 90,10,0 --level byte --output data/x
              lockstep prepare --train a.txt --valid b.txt --level word --output data/news
              zcat *.gz | lockstep prepare --input - --level word --output data/all
              lockstep prepare --input new.txt --vocabulary data/news --output data/new
              lockstep prepare --tokens --input ids.npy --vocabulary v.txt --output data/v
              lockstep prepare --format columns --input tagged.txt --output data/tags
              lockstep prepare --format labelled --input a.tsv --level word --output data/a
              lockstep prepare --values sensors --targets 2 --output data/sensors
              lockstep prepare --sample adding --length 100 --output data/adding
              lockstep prepare --sample kinematics --output data/kinematics
            """)

    @Option(parsing: .upToNextOption, help: ArgumentHelp("Texts, read one after the other.", valueName: "file"), completion: .file())
    var input: [String] = []

    @Option(
        help: ArgumentHelp("Percent of the text for train,valid,test. (default: 80,10,10)", valueName: "a,b,c"),
        transform: percentages)
    var split: SplitPercentages?

    @Option(help: ArgumentHelp("Text to train on.", valueName: "file"), completion: .file())
    var train: String?

    @Option(help: ArgumentHelp("Text to validate on.", valueName: "file"), completion: .file())
    var valid: String?

    @Option(help: ArgumentHelp("Text to test on.", valueName: "file"), completion: .file())
    var test: String?

    @Option(help: ArgumentHelp("What a token is. (default: char for --sample)", valueName: "level"))
    var level: TokenLevel?

    @Option(help: ArgumentHelp("How lines give targets of their own: columns, labelled or pairs. (default: plain text)", valueName: "format"))
    var format: SequenceFormat?

    @Flag(help: "The files hold token ids (.npy) instead of text.")
    var tokens = false

    @Option(help: ArgumentHelp("A vocabulary to use as it is: a dataset, run or checkpoint folder, a vocabulary.json, or a text file with a token a line.", valueName: "path"), completion: .file())
    var vocabulary: String?

    @Option(help: ArgumentHelp("What becomes of characters and bytes that --vocabulary lacks. (default: error)", valueName: "policy"))
    var unknown: Unknown?

    @Option(help: ArgumentHelp("Keep the N most frequent tokens, special ones included.", valueName: "n"))
    var vocabularySize: Int?

    @Option(help: ArgumentHelp("A folder of numbers, .csv or .npy, instead of texts.", valueName: "folder"), completion: .directory)
    var values: String?

    @Option(help: ArgumentHelp("Of --values in CSV: how many columns, the last ones, are predicted. (default: 1)", valueName: "n"))
    var targets: Int?

    @Option(help: ArgumentHelp("Rows of a sequence, of --values where nothing else says it and of --sample adding. (default: all; 100)", valueName: "n"))
    var length: Int?

    @Option(help: ArgumentHelp("A generated text instead, worked problems (kinematics); or numbers, the adding problem (adding).", valueName: "name"))
    var sample: Sample?

    @Option(help: ArgumentHelp("Problems in the sample. (default: 4000; of adding, 20000)", valueName: "n"))
    var problems: Int?

    @Option(help: ArgumentHelp("Seed of the sample. (default: 1)", valueName: "n"))
    var seed: UInt64?

    @Option(help: ArgumentHelp("Dataset folder to make.", valueName: "folder"), completion: .directory)
    var output: String

    @Flag(help: "Replace an existing dataset.")
    var overwrite = false

    enum Unknown: String, ExpressibleByArgument, CaseIterable { case error, skip }
    enum Sample: String, ExpressibleByArgument, CaseIterable { case kinematics, adding }

    func validate() throws {
        let ways = [!input.isEmpty, train != nil || valid != nil || test != nil, sample != nil, values != nil]
        guard ways.count(where: { $0 }) == 1 else {
            throw ValidationError("Give one of --input, --train with --valid, --values, or --sample.")
        }
        if input.isEmpty, sample == nil, values == nil, train == nil || valid == nil {
            throw ValidationError("--train and --valid go together.")
        }
        guard !tokens || vocabulary != nil else { throw ValidationError("--tokens needs --vocabulary: what the ids stand for.") }
        if tokens, level != nil { throw ValidationError("--tokens cannot be used with --level.") }
        if tokens || vocabulary != nil, sample != nil || vocabularySize != nil {
            throw ValidationError("\(tokens ? "--tokens" : "--vocabulary") cannot be used with --sample or --vocabulary-size.")
        }
        if unknown != nil, tokens || vocabulary == nil { throw ValidationError("--unknown is for texts with --vocabulary.") }
        if targets != nil, values == nil { throw ValidationError("--targets is for --values.") }
        if length != nil, values == nil, sample != .adding { throw ValidationError("--length is for --values and --sample adding.") }
        if targets ?? 1 < 1 || length ?? 1 < 1 { throw ValidationError("--targets and --length are at least 1.") }
        if values != nil || sample == .adding, level != nil || tokens || vocabulary != nil || vocabularySize != nil || format != nil || unknown != nil {
            throw ValidationError("Numbers have no --level, --tokens, --vocabulary, --vocabulary-size, --unknown or --format.")
        }
        if let format, tokens || sample != nil { throw ValidationError("--format \(format.rawValue) is for texts.") }
        if format != nil, unknown != nil { throw ValidationError("--unknown is not for --format.") }
        if format == .columns, let level, level != .word { throw ValidationError("--format columns has words: --level word, or none.") }
        if sample == nil, values == nil, vocabulary == nil, level == nil, format != .columns { throw ValidationError("Give --level char, byte or word.") }
        let texts = input + [train, valid, test].compactMap { $0 }
        if texts.count(where: { $0 == "-" }) > 1 { throw ValidationError("Standard input, -, can be read only once.") }
        if tokens, texts.contains("-") { throw ValidationError("--tokens reads files, not standard input.") }
        if split != nil, input.isEmpty { throw ValidationError("--split is for --input.") }
        if sample == nil, problems != nil || seed != nil {
            throw ValidationError("--problems and --seed are for --sample.")
        }
    }

    func run() throws {
        let path = vocabulary
        let vocabulary = try path.map { try Vocabulary.open($0) { Failure.say("note: \($0)") } }
        if format != nil, let path, vocabulary?.level == .piece {
            throw UsageError(
                "--format reads words, characters and bytes, and the vocabulary has pieces", location: path, remedy: "give another vocabulary, or none")
        }
        if format == .columns, let path, let found = vocabulary?.level, found != .word {
            throw UsageError("--format columns has words", location: path, expected: "a vocabulary of words", found: found.argument, remedy: "give another vocabulary, or none")
        }
        if let level, let found = vocabulary?.level, found != level {
            throw UsageError(
                "the vocabulary is of another level than --level says", location: path, expected: level.argument, found: found.argument,
                remedy: "leave --level out")
        }
        var options = DatasetWriter.Options(level: vocabulary?.level ?? level ?? (format == .columns ? .word : .character))
        options.vocabularySize = vocabularySize
        options.overwrite = overwrite
        options.isShared = Failure.launchedSize > 1
        options.recipe = recipe(options.level)
        TemporaryItem.removeOnSignals()
        let writer = try DatasetWriter(options) { notice in
            switch notice {
            case .progress(let text): Failure.say("\(text) ...")
            case .note(let text): Failure.say("note: \(text)")
            case .warning(let text): Failure.say("warning: \(text)")
            }
        }
        let manifest =
            if let values {
                try writer.write(ValueSource(folder: values, targets: targets ?? 1, length: length), to: output)
            } else if sample == .adding {
                try writer.write(AddingSample(sequences: problems ?? 20_000, length: length ?? 100, seed: seed ?? 1), to: output)
            } else if sample != nil {
                try writer.write(KinematicsSample(problems: problems ?? 4000, seed: seed ?? 1), to: output)
            } else if let format {
                try writer.write(
                    source, format: format, vocabulary: vocabulary,
                    labels: format == .pairs ? nil : try path.flatMap { try Labels.open($0) }, to: output)
            } else if let vocabulary, tokens {
                try writer.write(tokens: source, vocabulary: vocabulary, to: output)
            } else if let vocabulary {
                try writer.write(source, vocabulary: vocabulary, unknown: unknown == .skip ? .mark : .error, to: output)
            } else {
                try writer.write(source, to: output)
            }
        summarise(manifest)
    }

    private var source: TextSource {
        if let train, let valid { return .separate(train: train, valid: valid, test: test) }
        return .divided(files: input, percentages: split ?? .standard)
    }

    private func recipe(_ level: TokenLevel) -> [String: String] {
        if values != nil || sample == .adding { return recipeOfNumbers }
        var recipe = ["level": level.argument]
        recipe["format"] = format?.rawValue
        recipe["vocabulary"] = vocabulary
        recipe["unknown"] = unknown?.rawValue
        recipe["vocabulary-size"] = vocabularySize.map(String.init)
        if !input.isEmpty { recipe["split"] = (split ?? .standard).argument }
        if let sample {
            recipe["sample"] = sample.rawValue
            recipe["problems"] = String(problems ?? 4000)
            recipe["seed"] = String(seed ?? 1)
        }
        return recipe
    }

    private var recipeOfNumbers: [String: String] {
        var recipe: [String: String] = [:]
        recipe["values"] = values
        recipe["targets"] = targets.map(String.init)
        recipe["length"] = length.map(String.init)
        guard let sample else { return recipe }
        recipe["sample"] = sample.rawValue
        recipe["problems"] = String(problems ?? 20_000)
        recipe["length"] = String(length ?? 100)
        recipe["seed"] = String(seed ?? 1)
        return recipe
    }

    private func summarise(_ manifest: DatasetManifest) {
        if let values = manifest.values {
            print("inputs      \(values.inputs) number\(values.inputs == 1 ? "" : "s") in each row")
            if let targets = values.targets { print("targets     \(targets) number\(targets == 1 ? "" : "s")") }
        } else {
            print("level       \(manifest.level.argument)")
            print("vocabulary  \(Formatting.count(manifest.vocabulary.size))")
        }
        if let labels = manifest.labels { print("labels      \(Formatting.count(labels.count))") }
        for split in Split.allCases {
            guard let record = manifest.splits[split] else { continue }
            let name = split.rawValue.padding(to: 11)
            let unknown = record.unknown > 0 ? ", \(record.unknownShare) <unk>" : ""
            let sequences = record.sequences.map { " in \(Formatting.count($0.count)) sequences of up to \(Formatting.count($0.longest))" } ?? ""
            print("\(name) \(Formatting.count(record.tokens)) \(manifest.values == nil ? "tokens" : "rows")\(sequences)\(unknown)")
        }
        let output = Folder.withoutSlash(output)
        print("written to  \(output.printablePath)")
        let name = output.split(separator: "/").last.map(String.init) ?? "mine"
        let settings = manifest.task.map { " --set training.batching=sentences\($0 != .continuation ? " --set model.output=\($0.rawValue)" : "")" } ?? ""
        print("next        lockstep train --data \(output.shellWord) --run \("runs/\(name)".shellWord)\(settings)")
    }
}

extension String {
    fileprivate func padding(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}

extension SequenceFormat: ExpressibleByArgument {}

extension TokenLevel: ExpressibleByArgument {
    package init?(argument: String) {
        guard let level = TokenLevel.ofTexts.first(where: { $0.argument == argument }) else { return nil }
        self = level
    }

    package static var allValueStrings: [String] { ofTexts.map(\.argument) }

    /// Only other programs make pieces.
    private static var ofTexts: [TokenLevel] { allCases.filter { $0 != .piece } }

    /// The level as given on the command line.
    var argument: String { self == .character ? "char" : rawValue }
}

private func percentages(_ argument: String) throws -> SplitPercentages {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 3, let train = parts[0], let valid = parts[1], let test = parts[2],
        let percentages = SplitPercentages(train: train, valid: valid, test: test)
    else { throw ValidationError("give three whole percentages that add up to 100, the first above 0") }
    return percentages
}

extension SplitPercentages {
    fileprivate var argument: String { "\(train),\(valid),\(test)" }
}
