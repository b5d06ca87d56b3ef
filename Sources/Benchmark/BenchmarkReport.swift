/// The measurements of `lockstep bench`: seconds, bytes, and operations per second, unless a name says otherwise.
public struct BenchmarkReport: Codable, Sendable {
    public var program: String
    public var hardware: Hardware
    public var model: Model
    public var step: Step
    public var phases: [Phase]
    public var ranks: [Rank]
    /// The rank whose own work takes longest.
    public var slowestRank: Int
    /// Nil for one rank, and if only steps were measured; the following values are then empty or nil.
    public var exchange: Exchange?
    public var scaling: [Scaling]
    public var inference: Inference?

    public struct Hardware: Codable, Sendable {
        /// The processor of rank 0's machine; cores and cache are that machine's too.
        public var processor: String
        public var cores: Int
        public var lastCacheBytes: Int
        public var ranks: Int
        /// The number of machines between which the gradient is sent.
        public var machines: Int
        public var threadsPerRank: Int
        /// The library that computes the products.
        public var products: String
        /// Floating-point operations per second of one core in fused multiply-adds, sampled between the steps on all ranks at
        /// once: median of each rank, mean over ranks.
        public var peakPerCore: Double
        /// The same in a product whose operands stay in the second-level cache.
        public var cachedProductPerCore: Double
        /// Bytes per second of one rank, all ranks at once: mean over ranks.
        public var readBandwidth: Double
        public var triadBandwidth: Double
    }

    public struct Model: Codable, Sendable {
        public var cell: String
        public var layers: Int
        public var embedding: Int
        public var hidden: Int
        public var vocabulary: Int
        public var tied: Bool
        public var dropout: Double
        public var parameters: Int
        public var optimizer: String
        /// S and T.
        public var streams: Int
        public var unroll: Int
    }

    /// All ranks together.
    public struct Step: Codable, Sendable {
        public var measured: Int
        public var tokens: Int
        public var medianSeconds: Double
        public var bestSeconds: Double
        public var meanSeconds: Double
        public var tokensPerSecond: Double
        /// Operations of all products; see `ProductCount`.
        public var productOperations: Int
        public var operationsPerSecond: Double
        /// Operations by what all cores could do right before and after the step: the median over the steps.
        public var shareOfPeak: Double
        /// The same, of what they do in a product that stays in the second-level cache.
        public var shareOfCachedProduct: Double
        /// If all cores did nothing but this step's products, at their peak.
        public var tokensPerSecondAtPeak: Double
        /// Sum of the medians of the two phases, divided by the median step.
        public var shareOfExchangeAndUpdate: Double
        /// Allocations of the rank with the most; nil if they cannot be counted.
        public var allocationsPerStep: Double?
        public var allocatedBytesPerStep: Double?
        /// The part of them made by lockstep itself; the others are MPI's.
        public var ownAllocationsPerStep: Double?
        /// Memory of the rank with the most.
        public var peakMemoryBytes: Int?
        /// From the start of the processes to the first step.
        public var secondsToFirstStep: Double?
        /// Rank 0 with its own streams while the others are idle; nil for one rank.
        public var medianSecondsAlone: Double?
        public var bestSecondsAlone: Double?
        /// The step of rank 0 alone divided by the step of all, both medians or both best times: 1 if more ranks cost nothing.
        public var efficiency: Double?
        public var efficiencyOfBest: Double?
    }

    public struct Phase: Codable, Sendable {
        public var name: String
        /// Medians over the steps, averaged over the ranks.
        public var medianSeconds: Double
        /// The mean over steps and ranks; these add up to the mean of the ranks' `meanStepSeconds`.
        public var meanSeconds: Double
        /// Operations of all ranks.
        public var productOperations: Int
        /// Operations per second of one rank; nil, like the share, for a phase without products.
        public var operationsPerSecond: Double?
        /// As the step's: the median over the steps, mean over the ranks.
        public var shareOfPeak: Double?
    }

    public struct Rank: Codable, Sendable {
        public var rank: Int
        public var host: String
        public var streams: Int
        /// Seconds of whole steps, measured by a separate clock.
        public var meanStepSeconds: Double
        /// Medians over the steps: everything but waiting and exchange; waiting for others; exchange.
        public var computeSeconds: Double
        public var waitSeconds: Double
        public var exchangeSeconds: Double
        public var peakPerCore: Double
        public var peakMemoryBytes: Int?
        public var allocationsPerStep: Double?
    }

    /// Sums over machines by messages; if there is only one machine, over its ranks.
    public struct Exchange: Codable, Sendable {
        public var gradientBytes: Int
        /// Bytes that a step really sums: without the rows of an untied embedding that no token touches.
        public var sentBytes: Int
        /// Whether the steps above exchange through shared memory instead.
        public var stepsShareMemory: Bool
        public var sums: [Sum]
        public var model: AllReduceModel
        public var check: Check

        public struct Sum: Codable, Sendable {
            public var bytes: Int
            public var seconds: Double
            public var modelSeconds: Double
        }

        /// A step with messages, predicted and measured. The prediction is the step of rank 0 alone (or of its machine, if there are
        /// several) plus the model's exchange. Both are best times.
        public struct Check: Codable, Sendable {
            public var predictedSeconds: Double
            public var measuredSeconds: Double
            /// Predicted divided by measured, minus 1.
            public var error: Double
        }
    }

    /// The same work on every node, the gradient summed between the nodes, without overlap.
    public struct Scaling: Codable, Sendable {
        /// "measured", or the assumption.
        public var link: String
        public var model: AllReduceModel
        /// Seconds of a step of one node, without exchange between nodes.
        public var nodeSeconds: Double
        public var nodes: [Point]

        public struct Point: Codable, Sendable {
            public var nodes: Int
            /// The largest number of bytes that a node sends.
            public var sentBytes: Int
            public var exchangeSeconds: Double
            public var stepSeconds: Double
            /// Tokens per second per node, as a share of those of a single node.
            public var efficiency: Double
        }
    }

    /// One stream on one rank.
    public struct Inference: Codable, Sendable {
        /// Bytes of the weights of all products, which each single token needs once.
        public var weightBytes: Int
        /// Bytes per second at which rank 0 alone reads that many bytes repeatedly, from a cache if they fit into one, else from memory.
        public var weightBandwidth: Double
        /// Tokens per second if the weights are read once for each token.
        public var boundTokensPerSecond: Double
        public var evaluationTokensPerSecond: Double
        public var evaluationShare: Double
        public var generationTokensPerSecond: Double
        public var generationShare: Double
    }
}
