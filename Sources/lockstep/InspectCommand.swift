import ArgumentParser
import Checkpoints
import Corpus
import Files
import Inference

struct InspectCommand: TaskCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Show what a dataset, run or checkpoint folder, or a safetensors or ARPA file, contains.",
        discussion: """
            Verifies datasets and checkpoints. Whatever is damaged is named with the reason, and the exit code is 65. For \
            each tensor it shows the smallest and largest value, the mean, the root mean square, and how many elements \
            are NaN or infinite.

            --nearest and --analogies look at a model's word vectors, the rows of its embedding, instead. --gradient-flow \
            measures how far back a network's gradient reaches.

            Examples:
              lockstep inspect data/kinematics
              lockstep inspect runs/quickstart
              lockstep inspect runs/quickstart/checkpoints/step-000002330
              lockstep inspect weights.safetensors --vocabulary data/news
              lockstep inspect runs/news --nearest king --nearest 'king - man + woman'
              lockstep inspect runs/news --analogies questions-words.txt
              lockstep inspect runs/news --gradient-flow --data data/news
            """)

    @Argument(help: ArgumentHelp("Dataset, run or checkpoint folder, or .safetensors or ARPA file.", valueName: "path"), completion: .file())
    var path: String

    @Option(help: ArgumentHelp("Whether this vocabulary (a dataset, run or checkpoint folder, a vocabulary.json, or a text file with a token a line) fits a .safetensors file.", valueName: "path"), completion: .file())
    var vocabulary: String?

    @OptionGroup var shape: ShapeOptions

    @Option(help: ArgumentHelp("Show the tokens whose vectors are closest to this one's, or to a sum of several; may be repeated.", valueName: "words"))
    var nearest: [String] = []

    @Option(help: ArgumentHelp("How many tokens --nearest shows.", valueName: "count"))
    var neighbours = 10

    @Option(help: ArgumentHelp("Answer the questions of this file, in the format of word2vec's questions-words.txt, and count.", valueName: "file"), completion: .file())
    var analogies: String?

    @Flag(help: "Measure how the gradient of the loss at one position shrinks or grows on its way back from token to token; of a run, lockstep report then draws it.")
    var gradientFlow = false

    @Option(help: ArgumentHelp("The dataset that --gradient-flow reads. (default: the data of the run)", valueName: "folder"), completion: .directory)
    var data: String?

    @Option(help: ArgumentHelp("The part that --gradient-flow reads: train, valid or test. (default: valid, or train without one)", valueName: "split"))
    var split: Split?

    @Option(help: ArgumentHelp("How many tokens back --gradient-flow looks. (default: training.unroll of the run)", valueName: "count"))
    var lags: Int?

    @Option(help: ArgumentHelp("Of how many positions --gradient-flow measures the loss.", valueName: "count"))
    var positions = GradientFlowProbe.positions

    @Flag(help: "One JSON object on stdout.")
    var json = false

    func validate() throws {
        guard gradientFlow || data == nil && split == nil && lags == nil && positions == GradientFlowProbe.positions else {
            throw ValidationError("--data, --split, --lags and --positions are for --gradient-flow")
        }
        guard !gradientFlow || nearest.isEmpty && analogies == nil else {
            throw ValidationError("--gradient-flow excludes --nearest and --analogies")
        }
        guard (1...65536).contains(lags ?? 1) else { throw ValidationError("--lags must be from 1 to 65536") }
        guard (1...65536).contains(positions) else { throw ValidationError("--positions must be from 1 to 65536") }
        guard (1...10_000).contains(neighbours) else { throw ValidationError("--neighbours must be from 1 to 10000") }
    }

    func run() throws {
        if gradientFlow {
            let flow = try GradientFlowInspection(
                ModelOptions(of: path, vocabulary: vocabulary, shape), data: data, split: split, lags: lags, positions: positions)
            return print(json ? try JSONText.page(flow) : flow.text)
        }
        if !nearest.isEmpty || analogies != nil {
            let vectors = try VectorInspection(
                ModelOptions(of: path, vocabulary: vocabulary, shape), queries: nearest, count: neighbours, analogies: analogies)
            return print(json ? try JSONText.page(vectors) : vectors.text)
        }
        if Folder.isFolder(path), vocabulary != nil || shape.cell != nil || shape.activation != nil || shape.connections != nil {
            throw UsageError("--vocabulary, --cell, --activation and --connections are for a .safetensors file", location: path, remedy: "leave them out")
        }
        let inspection = try Inspection(of: Folder.withoutSlash(path), shape, vocabulary: vocabulary)
        print(json ? try JSONText.page(inspection) : inspection.text)
        try inspection.requireSound()
    }
}
