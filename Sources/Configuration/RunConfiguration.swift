import Collectives
import Optimization
import Recurrent

/// Everything that decides what a run computes and keeps, apart from how many ranks compute it.
///
/// The initial values are the defaults: a small character model of the generated kinematics corpus. The names in the
/// file, what each may hold and which may change on resume are listed once, in `RunConfiguration.settings`.
package struct RunConfiguration: Sendable, Equatable {
    package var data = Data()
    package var model = Model()
    package var training = Training()
    package var exchange = ExchangePlan()
    package var checkpoint = Checkpoint()
    package var validation = Validation()
    package var metrics = Metrics()
    package var watchdog = Watchdog()

    package init() {}

    package struct Data: Sendable, Equatable {
        /// The dataset folder that `lockstep prepare` made.
        package var path = "data/kinematics"
    }

    package struct Model: Sendable, Equatable {
        package var cell = Cell.lstm
        /// An n-gram model, which has no cell: `kind` says both.
        package var isNGram = false
        /// The length of an n-gram model's longest n-grams.
        package var order = 5
        /// The nonlinearity of `elman` and `window`; the other cells have their own.
        package var activation = Activation.tanh
        /// LSTM only: a missing gate is 1.
        package var gates = Set(Gate.allCases)
        /// LSTM only.
        package var peepholes = Peepholes.none
        /// Inputs that a step of `window` reads; nil for the other cells.
        package var window: Int?
        /// What is normalised within a layer.
        package var normalization = Normalization.none
        package var layers = 2
        /// Size `E` of a token's vector.
        package var embedding = 128
        /// Size `H` of each layer's state.
        package var hidden: LayerSizes = 256
        /// How each layer's output is connected with its input.
        package var connections = Connections.none
        /// Whether each layer reads in both directions, with H values for each.
        package var bidirectional = false
        /// Probability that a value between two layers is dropped in training: the short form of `dropouts`.
        package var dropout = 0.0
        package var dropouts = Dropouts()
        /// Probability that a recurrent weight is dropped in a step.
        package var weightDrop = 0.0
        /// The embedding keeps its initial values.
        package var freezeEmbedding = false
        /// The output layer uses the embedding's matrix (Press and Wolf 2017); needs the embedding's width at the top.
        package var tied = false
        package var softmax = Softmax()
        /// What the head predicts.
        package var output = OutputKind.next
        /// Of a sequence's vectors, for `output` class.
        package var pooling = Pooling.last
        /// Weights start uniformly distributed in `-initialRange ... initialRange`.
        package var initialRange = ModelConfiguration.defaultRange
        /// The same for the embedding alone; nil: as the other weights. PyTorch's embeddings start with a standard
        /// deviation of 1, which is a range of 1.73.
        package var initialEmbeddingRange: Double?
    }

    /// How the output layer gives probabilities to the tokens.
    package struct Softmax: Sendable, Equatable {
        package var name = SoftmaxName.full
        /// Adaptive: the first id of each tail.
        package var cutoffs = Cutoffs.auto
        /// Adaptive: by how much each tail is narrower than the one before.
        package var divisor = 4.0
        /// Sampled: what is differentiated.
        package var loss = SampledSoftmax.Loss.blackout
        /// Sampled: noise tokens of a step.
        package var samples = 500
        /// Sampled: of the counts, in proportion to which noise is drawn.
        package var power = 0.5
    }

    /// Dropout by site; nil: `Model.dropout`.
    package struct Dropouts: Sendable, Equatable {
        /// Of whole words.
        package var embedding = 0.0
        package var input: Double?
        package var hidden: Double?
        package var output: Double?
        /// Whether a mask is the same at all times of a step.
        package var locked = false
    }

    package struct Training: Sendable, Equatable {
        /// Number `S` of streams: the batch of the whole job, whatever the number of ranks.
        package var streams = 32
        /// What a batch is made of: chunks of streams, or whole sequences.
        package var batching = Batching.streams
        /// Steps `T` per chunk of truncated back-propagation.
        package var unroll = 64
        /// Draws each chunk's length around `unroll` (Merity et al. 2018, section 5), the same on all ranks.
        package var randomUnroll = false
        /// What happens to the state of a stream after a token that ends a line.
        package var lineEnd = LineEnd.Rule.carry
        package var epochs = 10
        /// Training ends at this step, whatever `epochs` says; nil means by epochs.
        package var steps: Int?
        package var loss = LossConvention.perToken
        /// Of the squares of the uppermost layer's output.
        package var activationPenalty = 0.0
        /// Of the squares of its changes from step to step.
        package var slownessPenalty = 0.0
        package var clip = Clip()
        package var optimizer = Optimizer()
        package var schedule = LearningRateSchedule.Rule()
        package var seed: UInt64 = 1
        /// Steps between comparisons of the copies of the parameters on different machines; 0 means
        /// only before each save.
        package var verifyEverySteps = 1000
        /// Shards `K` of the streams whose gradients are computed separately and summed in a fixed order, so that weights are
        /// the same bytes for every number of ranks that divides it; nil: faster, the same but for rounding.
        package var reproducibleShards: Int?
    }

    /// At most one of the two; neither means no clipping. A file's or an override's `clip` replaces the whole of it,
    /// so that `clip: {value: 1}` does not keep the default norm.
    package struct Clip: Sendable, Equatable {
        /// Largest L2 norm of the whole gradient.
        package var norm: Double? = 1
        /// Largest absolute value of one component.
        package var value: Double?
    }

    package struct Optimizer: Sendable, Equatable {
        package var name = OptimizerRule.Name.adam
        package var learningRate = 0.002
        package var momentum = OptimizerRule.Default.momentum
        package var nesterov = false
        package var beta1 = OptimizerRule.Default.beta1
        package var beta2 = OptimizerRule.Default.beta2
        package var epsilon = OptimizerRule.Default.epsilon
        package var weightDecay = 0.0
        /// Of `nt_asgd`.
        package var nonMonotoneInterval = OptimizerRule.Default.nonMonotoneInterval
    }

    /// A checkpoint is always written at the end as well.
    package struct Checkpoint: Sendable, Equatable {
        /// 0 means never by steps.
        package var everySteps = 0
        /// 0 means never by time.
        package var everyMinutes = 10.0
        /// How many checkpoints are kept, in addition to the best.
        package var keep = 3
    }

    package struct Validation: Sendable, Equatable {
        /// 0 means never by steps.
        package var everySteps = 0
        package var everyEpoch = true
        package var streams = 10
        /// What decides which checkpoint is the best.
        package var best = BestModel.loss
    }

    package struct Metrics: Sendable, Equatable {
        package var everySteps = 10
        /// Whether to write event files for TensorBoard as well.
        package var tensorboard = true
        /// Tokens of the text that the model writes after each validation; 0 for none.
        package var sampleLength = 200
        /// 0 for never.
        package var gradientFlowEverySteps = 0
    }

    package struct Watchdog: Sendable, Equatable {
        /// The job ends after this many seconds without progress on any rank; 0 means that it waits forever.
        package var seconds = 300.0
    }
}
