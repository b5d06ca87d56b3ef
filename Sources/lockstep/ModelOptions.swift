import ArgumentParser
import Files
import NGram
import Recurrent

/// Which model a command opens.
struct ModelOptions: ParsableArguments {
    @Option(help: ArgumentHelp("A checkpoint folder, or a run folder: then its best checkpoint, else the latest; an ARPA file, which may be gzip; or with --vocabulary a .safetensors file with PyTorch's names.", valueName: "path"), completion: .file())
    var checkpoint: String

    @Option(help: ArgumentHelp("The vocabulary of a .safetensors file: a dataset, run or checkpoint folder, a vocabulary.json, or a text file with a token a line in the order of the ids.", valueName: "path"), completion: .file())
    var vocabulary: String?

    @OptionGroup var shape: ShapeOptions

    init() {}

    /// Of a command that names its model in another way.
    init(of checkpoint: String, vocabulary: String?, _ shape: ShapeOptions) {
        self.checkpoint = checkpoint
        self.vocabulary = vocabulary
        self.shape = shape
    }

    /// - Throws: `UsageError` if an option for files of weights is given.
    func refuseFileOptions() throws {
        let given = [
            ("--vocabulary", vocabulary != nil), ("--cell", shape.cell != nil), ("--activation", shape.activation != nil),
            ("--connections", shape.connections != nil),
        ]
        guard let (name, _) = given.first(where: \.1) else { return }
        throw UsageError(
            "\(name) is for a .safetensors file; a checkpoint folder and an ARPA file say it themselves", location: checkpoint,
            remedy: "leave it out")
    }
}

/// What the shapes in a .safetensors file do not tell.
struct ShapeOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The cell of a .safetensors file whose shapes fit several (gru, gru_reset_after).", valueName: "cell"))
    var cell: Cell?

    @Option(help: ArgumentHelp("The activation of an elman or window cell in another program's .safetensors file. (default: tanh)", valueName: "name"))
    var activation: Activation?

    @Option(help: ArgumentHelp("The connections around the layers in another program's .safetensors file, if residual; the others show.", valueName: "name"))
    var connections: Connections?
}

extension Cell: ExpressibleByArgument {}
extension Activation: ExpressibleByArgument {}
extension Connections: ExpressibleByArgument {}
