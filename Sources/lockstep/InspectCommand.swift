import ArgumentParser
import Checkpoints
import Files

struct InspectCommand: TaskCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Show what a dataset, run or checkpoint folder, or a safetensors or ARPA file, contains.",
        discussion: """
            Verifies datasets and checkpoints. Whatever is damaged is named with the reason, and the exit code is 65. For \
            each tensor it shows the smallest and largest value, the mean, the root mean square, and how many elements \
            are NaN or infinite.

            Examples:
              lockstep inspect data/kinematics
              lockstep inspect runs/quickstart
              lockstep inspect runs/quickstart/checkpoints/step-000002330
              lockstep inspect weights.safetensors --vocabulary data/news
            """)

    @Argument(help: ArgumentHelp("Dataset, run or checkpoint folder, or .safetensors or ARPA file.", valueName: "path"), completion: .file())
    var path: String

    @Option(help: ArgumentHelp("Whether this vocabulary (a dataset, run or checkpoint folder, a vocabulary.json, or a text file with a token a line) fits a .safetensors file.", valueName: "path"), completion: .file())
    var vocabulary: String?

    @OptionGroup var shape: ShapeOptions

    @Flag(help: "One JSON object on stdout.")
    var json = false

    func run() throws {
        if Folder.isFolder(path), vocabulary != nil || shape.cell != nil || shape.activation != nil || shape.connections != nil {
            throw UsageError("--vocabulary, --cell, --activation and --connections are for a .safetensors file", location: path, remedy: "leave them out")
        }
        let inspection = try Inspection(of: Folder.withoutSlash(path), shape, vocabulary: vocabulary)
        print(json ? try JSONText.page(inspection) : inspection.text)
        try inspection.requireSound()
    }
}
