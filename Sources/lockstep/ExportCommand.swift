import ArgumentParser
import Corpus
import Diagnostics
import Files
import Glibc
import Inference
import ModelExport

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write a model in another program's format.",
        discussion: """
            --format onnx: what speech-recognition decoders load as an RNN language model (sherpa-onnx, icefall), and any \
            program with onnxruntime. The output folder gets

              sentences.onnx  x, x_lens -> nll
                              sentences and their lengths to negative log likelihoods
              step.onnx       x, h0, c0 -> log_softmax, next_h0, next_c0
                              a token and the state before it to log probabilities
              tokens.txt      the tokens and their ids

            The recogniser's tokens must have the same ids. sentences.onnx reads --sos before a sentence and predicts \
            --eos after it, as lockstep score does with a line; do not put them into x. Shapes, types and a Python \
            example: docs/tutorials/decoders.md.

            --embeddings: the word vectors alone, in the text format of word2vec, which gensim and many others read. The \
            output is a file.

            Examples:
              lockstep export --checkpoint runs/news --format onnx --output lm
              lockstep export --checkpoint runs/news --format onnx --form step --output lm
              lockstep export --checkpoint runs/bpe --format onnx --output lm \\
                  --sos '<sos/eos>' --eos '<sos/eos>'
              lockstep export --checkpoint runs/news --embeddings --output vectors.txt
            """)

    @OptionGroup var source: ModelOptions

    @Option(help: ArgumentHelp("The format to write.", valueName: "format"))
    var format: Format?

    @Flag(help: "Write the embedding as word vectors.")
    var embeddings = false

    @Option(help: ArgumentHelp("What the decoder requests: whole sentences, or one token at a time.", valueName: "form"))
    var form: Form = .both

    @Option(help: ArgumentHelp("The token read before a sentence. Default: the one that ends a line.", valueName: "token"))
    var sos: String?

    @Option(help: ArgumentHelp("The token predicted after a sentence. Default: the one that ends a line.", valueName: "token"))
    var eos: String?

    @Option(help: ArgumentHelp("Folder for the files, created if it does not exist; with --embeddings, the file.", valueName: "folder"), completion: .file())
    var output: String

    @Flag(help: "Replace existing files.")
    var overwrite = false

    enum Format: String, CaseIterable, ExpressibleByArgument { case onnx }

    enum Form: String, CaseIterable, ExpressibleByArgument {
        case sentences, step, both

        var parts: [ModelExport.Form] {
            switch self {
            case .sentences: [.sentences]
            case .step: [.step]
            case .both: [.sentences, .step]
            }
        }
    }

    func validate() throws {
        if embeddings == (format != nil) { throw ValidationError("give either --format onnx or --embeddings") }
        if embeddings, sos != nil || eos != nil { throw ValidationError("--sos and --eos are for --format onnx") }
    }

    func run() throws { try embeddings ? writeVectors() : writeONNX() }

    private func writeVectors() throws {
        if Folder.isFolder(output) {
            throw UsageError("--output is a folder", location: output, remedy: "name the file of the word vectors, as in \(Folder.withoutSlash(output))/vectors.txt")
        }
        if let problem = obstacle(to: [output]) { throw problem }
        let model = try OpenedModel(source)
        try withExtendedLifetime(model) {
            try WordVectors.write(try model.embedding(), symbol: model.vocabulary.symbol, to: output)
        }
        print(path: output)
    }

    private func writeONNX() throws {
        let folder = Folder.withoutSlash(output)
        let models = form.parts.map { (form: $0, path: "\(folder)/\($0.rawValue).onnx") }
        let table = "\(folder)/tokens.txt"
        if let problem = obstacle(to: models.map(\.path) + [table]) { throw problem }
        try Folder.checkCreation(folder)

        let model = try OpenedModel(source).predictingTokens()
        let vocabulary = model.vocabulary
        let frame = SentenceFrame(start: try id(of: sos, "--sos", vocabulary), end: try id(of: eos, "--eos", vocabulary))
        var properties = [("vocabulary_sha256", vocabulary.hash)]
        if let step = model.step { properties.append(("training_step", "\(step)")) }
        guard let network = model.predictor as? RecurrentPredictor else {
            throw UsageError(
                "only recurrent networks can be written as ONNX", location: model.path, remedy: "give a run whose model.cell is a recurrent cell")
        }
        let export = try ModelExport(
            network.configuration, parameters: network.parameters, frame: frame, producerVersion: programVersion,
            properties: properties)
        for (form, _) in models { try export.check(form) }
        try Folder.create(folder)
        for (form, path) in models {
            try export.write(form, to: path)
            print(path: path)
        }
        try File.publish(vocabulary.symbolTable(), at: table)
        print(path: table)
    }

    /// The token that an option names, else the one that ends a line.
    private func id(of token: String?, _ option: String, _ vocabulary: Vocabulary) throws -> Int {
        if let token {
            if let id = vocabulary.id(spelled: token) { return id }
            throw UsageError(
                "the model's vocabulary has no such token", location: option, found: "'\(token)'",
                remedy: "give a token as \(source.vocabulary ?? source.checkpoint)'s vocabulary spells it")
        }
        if let lineEnd = vocabulary.lineEnd { return Int(lineEnd) }
        throw UsageError(
            "the model's vocabulary has no line end", location: source.checkpoint,
            remedy: "name the tokens before and after a sentence: --sos TOKEN --eos TOKEN")
    }

    /// Checks, before anything is computed, that these files can be written here.
    private func obstacle(to paths: [String]) -> UsageError? {
        if output.hasSuffix(".onnx"), !Folder.exists(output) {
            return UsageError(
                "--output is a folder, not a file", found: "'\(output)'",
                remedy: "name a folder; its files will be sentences.onnx, step.onnx and tokens.txt")
        }
        guard !overwrite, let path = paths.first(where: Folder.exists) else { return nil }
        return UsageError("the file already exists", location: path, remedy: "replace it with --overwrite, or choose another folder")
    }
}
