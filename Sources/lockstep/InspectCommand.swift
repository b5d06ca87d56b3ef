import ArgumentParser
import Checkpoints
import Files
import FoundationEssentials

struct InspectCommand: TaskCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Tell what a dataset, run or checkpoint folder, or a safetensors file, holds.",
        discussion: """
            Checkpoints are verified: a damaged one is named with its reason. Of each tensor the smallest and largest \
            value, the mean and the root mean square are shown, and how many elements are NaN or infinite.

            Examples:
              lockstep inspect data/kinematics
              lockstep inspect runs/quickstart
              lockstep inspect runs/quickstart/checkpoints/step-000002330
              lockstep inspect weights.safetensors --json
            """)

    @Argument(help: ArgumentHelp("Dataset, run or checkpoint folder, or .safetensors file.", valueName: "path"), completion: .file())
    var path: String

    @Flag(help: "Print one JSON object instead of text.")
    var json = false

    func run() throws {
        let inspection = try Inspection(of: Folder.withoutSlash(path))
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
            encoder.nonConformingFloatEncodingStrategy = .convertToString(
                positiveInfinity: "infinity", negativeInfinity: "-infinity", nan: "nan")
            print(String(decoding: try encoder.encode(inspection), as: UTF8.self))
        } else {
            print(inspection.text)
        }
    }
}
