/// What `lockstep bench` has measured: seconds, bytes, and operations a second, unless a name says otherwise.
public struct BenchmarkReport: Codable, Sendable {
    public var program: String
    public var hardware: Hardware
    public var model: Model
    public var step: Step
    public var phases: [Phase]
    public var ranks: [Rank]
    /// The rank whose own work takes longest.
    public var slowestRank: Int
    /// Nil for one rank and when only steps were measured, as what follows is empty or nil then.
    public var exchange: Exchange?
    public var scaling: [Scaling]
    public var inference: Inference?

    public struct Hardware: Codable, Sendable {
        /// Of rank 0's machine, as are cores and cache.
        public var processor: String
        public var cores: Int
        public var lastCacheBytes: Int
        public var ranks: Int
        /// Between which the gradient is sent.
        public var machines: Int
        public var threadsPerRank: Int
        /// What computes the products.
        public var products: String
        /// Floating-point operations a second of one core in fused multiply-adds, sampled between the steps on all ranks at
        /// once: median of each rank, mean over ranks.
        public var peakPerCore: Double
        /// The same in a product whose operands stay in the second-level cache.
        public var cachedProductPerCore: Double
        /// Bytes a second of one rank, all ranks at once: mean over ranks.
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
        /// Of all products, see `ProductCount`.
        public var productOperations: Int
        public var operationsPerSecond: Double
        /// Operations by what all cores could do right before and after the step: the median over the steps.
        public var shareOfPeak: Double
        /// The same, of what they do in a product that stays in the second-level cache.
        public var shareOfCachedProduct: Double
        /// If all cores did nothing but this step's products, at their peak.
        public var tokensPerSecondAtPeak: Double
        /// Medians of the two phases together, by the step's.
        public var shareOfExchangeAndUpdate: Double
        /// Of the rank with the most; nil where they cannot be counted.
        public var allocationsPerStep: Double?
        public var allocatedBytesPerStep: Double?
        /// Of those, by lockstep itself; the others are MPI's.
        public var ownAllocationsPerStep: Double?
        /// Of the rank with the most.
        public var peakMemoryBytes: Int?
        /// From the start of the processes to the first step.
        public var secondsToFirstStep: Double?
        /// Rank 0 with its own streams while the others rest; nil for one rank.
        public var medianSecondsAlone: Double?
        public var bestSecondsAlone: Double?
        /// The step alone by the step of all, both medians or both the best: 1 when more ranks cost nothing.
        public var efficiency: Double?
        public var efficiencyOfBest: Double?
    }

    public struct Phase: Codable, Sendable {
        public var name: String
        /// Medians over the steps, of which the mean over the ranks.
        public var medianSeconds: Double
        /// The mean over steps and ranks; these add up to the mean of the ranks' `meanStepSeconds`.
        public var meanSeconds: Double
        /// Of all ranks.
        public var productOperations: Int
        /// Of one rank; nil for a phase without products, as is the share.
        public var operationsPerSecond: Double?
        /// As the step's: the median over the steps, mean over the ranks.
        public var shareOfPeak: Double?
    }

    public struct Rank: Codable, Sendable {
        public var rank: Int
        public var host: String
        public var streams: Int
        /// Of whole steps, by a clock of their own.
        public var meanStepSeconds: Double
        /// Medians over the steps: all but waiting and exchange; waiting for others; exchange.
        public var computeSeconds: Double
        public var waitSeconds: Double
        public var exchangeSeconds: Double
        public var peakPerCore: Double
        public var peakMemoryBytes: Int?
        public var allocationsPerStep: Double?
    }

    /// Sums over machines by messages; where there is only one, over its ranks.
    public struct Exchange: Codable, Sendable {
        public var gradientBytes: Int
        /// What a step sums in fact: without the rows of an untied embedding that no token touches.
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

        /// A step by messages: that of rank 0 alone (of its machine, where there are several) plus the model's exchange,
        /// and what it really takes. Both the best of their kind.
        public struct Check: Codable, Sendable {
            public var predictedSeconds: Double
            public var measuredSeconds: Double
            /// Predicted by measured, less 1.
            public var error: Double
        }
    }

    /// The same work on every node, the gradient summed between the nodes, nothing overlapped.
    public struct Scaling: Codable, Sendable {
        /// "measured", or the assumption.
        public var link: String
        public var model: AllReduceModel
        /// Of one node, without exchange between nodes.
        public var nodeSeconds: Double
        public var nodes: [Point]

        public struct Point: Codable, Sendable {
            public var nodes: Int
            /// Of each node, at most.
            public var sentBytes: Int
            public var exchangeSeconds: Double
            public var stepSeconds: Double
            /// Tokens a second by node, as a share of one node's alone.
            public var efficiency: Double
        }
    }

    /// One stream on one rank.
    public struct Inference: Codable, Sendable {
        /// Weights of all products, which a token by itself needs once.
        public var weightBytes: Int
        /// Of reading as many bytes again and again, on rank 0 alone: from the cache they fit in, or from memory.
        public var weightBandwidth: Double
        /// One token for each time the weights are read.
        public var boundTokensPerSecond: Double
        public var evaluationTokensPerSecond: Double
        public var evaluationShare: Double
        public var generationTokensPerSecond: Double
        public var generationShare: Double
    }
}
