/// The measurements of `lockstep bench`: seconds, bytes, and operations per second, unless a name says otherwise.
package struct BenchmarkReport: Codable, Sendable {
    package var program: String
    package var hardware: Hardware
    package var model: Model
    package var step: Step
    package var phases: [PhaseTime]
    package var ranks: [Rank]
    /// The rank whose own work takes longest.
    package var slowestRank: Int
    /// Nil for one rank, and if only steps were measured; the following values are then empty or nil.
    package var exchange: Exchange?
    package var scaling: [Scaling]
    package var inference: Inference?
    /// Of a machine with several ranks, whose model allows both.
    package var splits: Splits?

    package struct Hardware: Codable, Sendable {
        /// The processor of rank 0's machine; cores and cache are that machine's too.
        package var processor: String
        package var cores: Int
        package var lastCacheBytes: Int
        package var ranks: Int
        /// The number of machines between which the gradient is sent.
        package var machines: Int
        package var threadsPerRank: Int
        /// The library that computes the products.
        package var products: String
        /// Floating-point operations per second of one core in fused multiply-adds, sampled between the steps on all ranks at
        /// once: median of each rank, mean over ranks.
        package var peakPerCore: Double
        /// The same in a product whose operands stay in the second-level cache.
        package var cachedProductPerCore: Double
        /// Bytes per second of one rank, all ranks at once: mean over ranks.
        package var readBandwidth: Double
        package var triadBandwidth: Double
    }

    package struct Model: Codable, Sendable {
        package var cell: String
        package var layers: Int
        package var embedding: Int
        /// Of the lowest layer.
        package var hidden: Int
        /// Of each layer, where they differ.
        package var hiddenSizes: [Int]?
        /// Nil for none.
        package var connections: String?
        package var vocabulary: Int
        package var tied: Bool
        package var dropouts: Dropouts
        package var parameters: Int
        package var optimizer: String
        /// S and T.
        package var streams: Int
        package var unroll: Int
        /// What the ranks of a machine share out, `streams` or `units`.
        package var split: String
    }

    /// Rates by site.
    package struct Dropouts: Codable, Sendable {
        package var embedding: Double
        package var input: Double
        package var hidden: Double
        package var output: Double
    }

    /// All ranks together.
    package struct Step: Codable, Sendable {
        package var measured: Int
        package var tokens: Int
        package var medianSeconds: Double
        package var bestSeconds: Double
        package var meanSeconds: Double
        package var tokensPerSecond: Double
        /// Operations of all products; see `ProductCount`.
        package var productOperations: Int
        package var operationsPerSecond: Double
        /// Operations by what all cores could do right before and after the step: the median over the steps.
        package var shareOfPeak: Double
        /// The same, of what they do in a product that stays in the second-level cache.
        package var shareOfCachedProduct: Double
        /// If all cores did nothing but this step's products, at their peak.
        package var tokensPerSecondAtPeak: Double
        /// Sum of the medians of the two phases, divided by the median step.
        package var shareOfExchangeAndUpdate: Double
        /// Allocations of the rank with the most; nil if they cannot be counted.
        package var allocationsPerStep: Double?
        package var allocatedBytesPerStep: Double?
        /// The part of them made by lockstep itself; the others are MPI's.
        package var ownAllocationsPerStep: Double?
        /// Memory of the rank with the most.
        package var peakMemoryBytes: Int?
        /// From the start of the processes to the first step.
        package var secondsToFirstStep: Double?
        /// Rank 0 with its own streams while the others are idle; nil for one rank.
        package var medianSecondsAlone: Double?
        package var bestSecondsAlone: Double?
        /// The step of rank 0 alone divided by the step of all, both medians or both best times: 1 if more ranks cost nothing.
        package var efficiency: Double?
        package var efficiencyOfBest: Double?
    }

    package struct PhaseTime: Codable, Sendable {
        package var name: String
        /// Medians over the steps, averaged over the ranks.
        package var medianSeconds: Double
        /// The mean over steps and ranks; these add up to the mean of the ranks' `meanStepSeconds`.
        package var meanSeconds: Double
        /// Operations of all ranks.
        package var productOperations: Int
        /// Operations per second of one rank; nil, like the share, for a phase without products.
        package var operationsPerSecond: Double?
        /// As the step's: the median over the steps, mean over the ranks.
        package var shareOfPeak: Double?
    }

    package struct Rank: Codable, Sendable {
        package var rank: Int
        package var host: String
        package var streams: Int
        /// Seconds of whole steps, measured by a separate clock.
        package var meanStepSeconds: Double
        /// Medians over the steps: everything but waiting and exchange; waiting for others; exchange.
        package var computeSeconds: Double
        package var waitSeconds: Double
        package var exchangeSeconds: Double
        package var peakPerCore: Double
        package var peakMemoryBytes: Int?
        package var allocationsPerStep: Double?
    }

    /// Sums over machines by messages; if there is only one machine, over its ranks.
    package struct Exchange: Codable, Sendable {
        package var gradientBytes: Int
        /// Bytes that a step really sums: without the rows of an untied embedding that no token touches.
        package var sentBytes: Int
        /// Whether the steps above exchange through shared memory instead.
        package var stepsShareMemory: Bool
        package var sums: [Sum]
        package var model: AllReduceModel
        package var check: Check

        package struct Sum: Codable, Sendable {
            package var bytes: Int
            package var seconds: Double
            package var modelSeconds: Double
        }

        /// A step with messages, predicted and measured. The prediction is the step of rank 0 alone (or of its machine, if there are
        /// several) plus the model's exchange. Both are best times.
        package struct Check: Codable, Sendable {
            package var predictedSeconds: Double
            package var measuredSeconds: Double
            /// Predicted divided by measured, minus 1.
            package var error: Double
        }
    }

    /// The same work on every machine, the gradient summed between the machines, without overlap.
    package struct Scaling: Codable, Sendable {
        /// "measured", or the assumption.
        package var link: String
        package var model: AllReduceModel
        /// Seconds of a step of one machine, without exchange between machines.
        package var machineSeconds: Double
        package var points: [Point]

        package struct Point: Codable, Sendable {
            package var machines: Int
            /// The largest number of bytes that a machine sends.
            package var sentBytes: Int
            package var exchangeSeconds: Double
            package var stepSeconds: Double
            /// Tokens per second per machine, as a share of those of a single machine.
            package var efficiency: Double
        }
    }

    /// One stream on one rank.
    package struct Inference: Codable, Sendable {
        /// Bytes of the weights of all products, which each single token needs once.
        package var weightBytes: Int
        /// Bytes per second at which rank 0 alone reads that many bytes repeatedly, from a cache if they fit into one, else from memory.
        package var weightBandwidth: Double
        /// Tokens per second if the weights are read once for each token.
        package var boundTokensPerSecond: Double
        package var evaluationTokensPerSecond: Double
        package var evaluationShare: Double
        package var generationTokensPerSecond: Double
        package var generationShare: Double
    }
}
