import ArgumentParser
import Diagnostics
import Inference

/// A neural cache around the network of `--checkpoint`.
struct CacheOptions: ParsableArguments {
    /// What is used of theta and weight if they are not given.
    static let theta = 0.3
    static let weight = 0.1

    @Option(name: .customLong("cache"), parsing: .unconditional, help: ArgumentHelp("Also predict from a cache of the last N positions: words that followed similar hidden vectors come again.", valueName: "n"))
    var positions: Int?

    @Option(name: .customLong("cache-theta"), parsing: .unconditional, help: ArgumentHelp("How much similar positions count more than others; 0: all the same. (default: \(CacheOptions.theta))", valueName: "x"))
    var theta: Double?

    @Option(name: .customLong("cache-weight"), parsing: .unconditional, help: ArgumentHelp("The weight of the cache, above 0 and below 1; the model has the rest. (default: \(CacheOptions.weight))", valueName: "x"))
    var weight: Double?

    /// Nil without `--cache`.
    /// - Throws: `UsageError`.
    func settings() throws -> CacheSettings? {
        func refuse(_ name: String, _ what: String, _ expected: String, _ found: String) -> UsageError {
            UsageError(what, location: name, expected: expected, found: found, remedy: "evaluate --cache-tune finds what suits the validation part")
        }
        guard let positions else {
            guard let name = theta != nil ? "--cache-theta" : weight != nil ? "--cache-weight" : nil else { return nil }
            throw UsageError("a setting of a cache without a cache", location: name, remedy: "say how many positions it has, as in --cache 2000, or leave \(name) out")
        }
        guard (1...1_000_000_000).contains(positions) else {
            throw refuse("--cache", "not a number of positions", "1 to 1000000000", "\(positions)")
        }
        if let theta, !(theta >= 0 && theta <= 1e6) {
            throw refuse("--cache-theta", "not a factor of similarity", "a number from 0 to 1e6", "\(theta)")
        }
        if let weight, !(weight > 0 && weight < 1) {
            throw refuse("--cache-weight", "not the weight of a cache", "a number above 0 and below 1", "\(weight)")
        }
        return CacheSettings(positions: positions, theta: theta ?? CacheOptions.theta, weight: weight ?? CacheOptions.weight)
    }

    /// What ranks must agree on.
    var identity: [(name: String, value: String)] {
        [
            ("--cache", positions.map(String.init) ?? ""), ("--cache-theta", theta.map { "\($0)" } ?? ""),
            ("--cache-weight", weight.map { "\($0)" } ?? ""),
        ]
    }
}
