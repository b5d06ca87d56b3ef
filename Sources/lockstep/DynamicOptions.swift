import ArgumentParser
import Diagnostics
import Inference

/// Dynamic evaluation. The defaults are those of the authors' program.
struct DynamicOptions: ParsableArguments {
    static let settings = DynamicSettings(rate: 5e-5, decay: 0.002, epsilon: 2e-5, unroll: 5)

    @Flag(name: .customLong("dynamic"), help: "Dynamic evaluation: the network keeps learning from the text that it predicts.")
    var isDynamic = false

    @Option(name: .customLong("dynamic-rate"), parsing: .unconditional, help: ArgumentHelp("How far a step of dynamic evaluation goes. (default: 5e-05)", valueName: "x"))
    var rate: Double?

    @Option(name: .customLong("dynamic-decay"), parsing: .unconditional, help: ArgumentHelp("How fast the weights return to the trained ones, from 0, not at all. (default: 0.002)", valueName: "x"))
    var decay: Double?

    @Option(name: .customLong("dynamic-epsilon"), parsing: .unconditional, help: ArgumentHelp("Added to each gradient's root mean square before dividing by it. (default: 2e-05)", valueName: "x"))
    var epsilon: Double?

    @Option(name: .customLong("dynamic-unroll"), parsing: .unconditional, help: ArgumentHelp("Tokens after which the weights change. (default: 5)", valueName: "n"))
    var unroll: Int?

    /// Nil without `--dynamic`.
    /// - Throws: `UsageError`.
    func settings() throws -> DynamicSettings? {
        let standard = DynamicOptions.settings
        let numbers = [("--dynamic-rate", rate), ("--dynamic-decay", decay), ("--dynamic-epsilon", epsilon)]
        guard isDynamic else {
            let given = numbers.first { $0.1 != nil }?.0 ?? (unroll == nil ? nil : "--dynamic-unroll")
            guard let given else { return nil }
            throw UsageError("a setting of dynamic evaluation without it", location: given, remedy: "add --dynamic, or leave \(given) out")
        }
        for (name, value) in numbers {
            guard let value else { continue }
            let isPossible = value.isFinite && value <= 1e6 && (name == "--dynamic-decay" ? value >= 0 : value > 0)
            guard isPossible else {
                throw UsageError(
                    "not a setting of dynamic evaluation", location: name, expected: name == "--dynamic-decay" ? "0 to 1e6" : "above 0, to 1e6",
                    found: "\(value)", remedy: "start from the default; lockstep help evaluate shows it")
            }
        }
        if let unroll, !(1...10_000).contains(unroll) {
            throw UsageError(
                "not a number of tokens to learn from at a time", location: "--dynamic-unroll", expected: "1 to 10000", found: "\(unroll)",
                remedy: "5 is usual for words, 20 for characters")
        }
        return DynamicSettings(
            rate: rate ?? standard.rate, decay: decay ?? standard.decay, epsilon: epsilon ?? standard.epsilon, unroll: unroll ?? standard.unroll)
    }
}
