import ArgumentParser
import Diagnostics

/// Other models that a command mixes into its model.
struct MixtureOptions: ParsableArguments {
    @Option(name: .customLong("mix"), help: ArgumentHelp("Mix in the probabilities of another model of the same vocabulary: a run or checkpoint folder, an ARPA file, or with --vocabulary a .safetensors file. May be given several times.", valueName: "path"), completion: .file())
    var paths: [String] = []

    @Option(name: .customLong("weight"), parsing: .unconditionalSingleValue, help: ArgumentHelp("The weight of each --mix model, above 0 and together below 1, in their order; --checkpoint has the rest. Or auto: the weights that make the validation part of the data most probable. (default: auto)", valueName: "x|auto"))
    var given: [String] = []

    /// The weights given for the models of `--mix`; nil for auto.
    /// - Throws: `UsageError`.
    func weights() throws -> [Double]? {
        guard !given.isEmpty else { return nil }
        guard !paths.isEmpty else {
            throw UsageError("a weight without a model to mix in", location: "--weight", remedy: "name the model with --mix, or leave --weight out")
        }
        if given == ["auto"] { return nil }
        guard given.count == paths.count else {
            throw UsageError(
                "not one weight for each --mix", location: "--weight", expected: "\(paths.count)", found: given.joined(separator: ", "),
                remedy: "give auto, or a weight for each --mix in their order; --checkpoint has what is left of 1")
        }
        let weights = try given.map { text in
            guard let weight = Double(text), weight > 0, weight < 1 else {
                throw UsageError(
                    "not the weight of a model in a mixture", location: "--weight", expected: "a number above 0 and below 1, or auto",
                    found: text, remedy: "a model of weight 0 is not mixed in, and one of weight 1 is alone: name only that one")
            }
            return weight
        }
        guard weights.reduce(0, +) < 1 else {
            throw UsageError(
                "the weights of the --mix models leave nothing to --checkpoint", location: "--weight", expected: "a sum below 1",
                found: given.joined(separator: " + "), remedy: "lower them: --checkpoint has what is left of 1")
        }
        return weights
    }

    /// What ranks must agree on.
    var identity: [(name: String, value: String)] { [("--mix", paths.joined(separator: " ")), ("--weight", given.joined(separator: " "))] }
}
