/// Everything that decides what a run computes and keeps, apart from how many ranks compute it.
///
/// The initial values are the defaults: a small character model of the generated kinematics corpus. The names in the
/// file, what each may hold and which may change on resume are listed once, in `RunConfiguration.settings`.
public struct RunConfiguration: Sendable, Equatable {
    public var data = Data()
    public var model = Model()
    public var training = Training()
    public var exchange = Exchange()
    public var checkpoint = Checkpoint()
    public var validation = Validation()
    public var metrics = Metrics()
    public var watchdog = Watchdog()

    public init() {}

    public struct Data: Sendable, Equatable {
        /// The dataset folder that `lockstep prepare` made.
        public var path = "data/kinematics"
    }

    public struct Model: Sendable, Equatable {
        public var cell = Cell.lstm
        /// The Elman cell's nonlinearity; the other cells have their own.
        public var activation = Activation.tanh
        public var layers = 2
        /// Size `E` of a token's vector.
        public var embedding = 128
        /// Size `H` of each layer's state.
        public var hidden = 256
        /// Probability that a value between two layers is dropped in training.
        public var dropout = 0.0
        /// The output layer uses the embedding's matrix (Press and Wolf 2017); needs `embedding == hidden`.
        public var tied = false
        /// Weights start uniformly distributed in `-initialRange ... initialRange`.
        public var initialRange = 0.1
        /// The same for the embedding alone; nil: as the other weights. PyTorch's embeddings start with a standard
        /// deviation of 1, which is a range of 1.73.
        public var initialEmbeddingRange: Double?
    }

    public enum Cell: String, SettingChoice {
        case elman
        case lstm
        /// Cho et al. 2014: the reset gate acts on the state before the matrix product.
        case gru
        /// As PyTorch and cuDNN: the reset gate acts on the product.
        case gruResetAfter = "gru_reset_after"
    }

    public enum Activation: String, SettingChoice { case tanh, sigmoid, relu }

    public struct Training: Sendable, Equatable {
        /// Number `S` of streams: the batch of the whole job, whatever the number of ranks.
        public var streams = 32
        /// Steps `T` per chunk of truncated back-propagation.
        public var unroll = 64
        /// Draws each chunk's length around `unroll` (Merity et al. 2018, section 5), the same on all ranks.
        public var randomUnroll = false
        public var epochs = 10
        /// Training ends at this step, whatever `epochs` says; nil means by epochs.
        public var steps: Int?
        public var loss = Loss.perToken
        public var clip = Clip()
        public var optimizer = Optimizer()
        public var schedule = Schedule()
        public var seed: UInt64 = 1
        /// Steps between comparisons of the copies of the parameters on different machines; 0 means
        /// only before each save.
        public var verifyEverySteps = 1000
        /// Shards `K` of the streams whose gradients are computed separately and summed in a fixed order, so that weights are
        /// the same bytes for every number of ranks that divides it; nil: faster, the same but for rounding.
        public var reproducibleShards: Int?
    }

    /// The loss that is differentiated. Published learning rates and clip thresholds assume one or the other.
    public enum Loss: String, SettingChoice {
        /// Mean over all tokens of the step, as PyTorch.
        case perToken = "per_token"
        /// Sum over the chunk's time, mean over the streams: Zaremba et al. 2014.
        case perStream = "per_stream"
    }

    /// At most one of the two; neither means no clipping. A file's or an override's `clip` replaces the whole of it,
    /// so that `clip: {value: 1}` does not keep the default norm.
    public struct Clip: Sendable, Equatable {
        /// Largest L2 norm of the whole gradient.
        public var norm: Double? = 1
        /// Largest absolute value of one component.
        public var value: Double?
    }

    public struct Optimizer: Sendable, Equatable {
        public var name = OptimizerName.adam
        public var learningRate = 0.002
        public var momentum = 0.9
        public var nesterov = false
        public var beta1 = 0.9
        public var beta2 = 0.999
        public var epsilon = 1e-8
        public var weightDecay = 0.0
    }

    public enum OptimizerName: String, SettingChoice { case sgd, momentum, adagrad, adam, adamw }

    /// The learning rate over time. It never falls below `minimum`.
    public struct Schedule: Sendable, Equatable {
        public var name = ScheduleName.decay
        public var factor = 0.85
        public var afterEpoch = 1
        /// Validations without improvement that `plateau` tolerates.
        public var patience = 0
        public var warmupSteps = 0
        public var minimum = 0.0
    }

    public enum ScheduleName: String, SettingChoice {
        case constant
        /// In epoch `e` (the first is 1): `learningRate * factor^max(0, e - afterEpoch)`.
        case decay
        /// Multiplied by `factor` when validation has not improved for more than `patience` validations in a row.
        case plateau
        /// Linear from 0 over `warmupSteps`, then half a cosine down to `minimum` at the last step.
        case cosine
    }

    /// How gradients are sent between machines; on one machine, this has no effect.
    public struct Exchange: Sendable, Equatable {
        /// Whether each layer's gradients are sent as soon as they are complete, while the backward pass continues.
        public var overlap = true
        /// Whether only those rows of an untied embedding are sent that a step has read.
        public var sparse = true
        public var wire = Wire.float32
    }

    /// The format in which gradients are sent; they are always summed in single precision.
    public enum Wire: String, SettingChoice {
        case float32
        /// Half the bytes, 8 bits of precision.
        case bfloat16
    }

    /// A checkpoint is always written at the end as well.
    public struct Checkpoint: Sendable, Equatable {
        /// 0 means never by steps.
        public var everySteps = 0
        /// 0 means never by time.
        public var everyMinutes = 10.0
        /// How many checkpoints are kept, in addition to the best.
        public var keep = 3
    }

    public struct Validation: Sendable, Equatable {
        /// 0 means never by steps.
        public var everySteps = 0
        public var everyEpoch = true
        public var streams = 10
    }

    public struct Metrics: Sendable, Equatable {
        public var everySteps = 10
        /// Whether to write event files for TensorBoard as well.
        public var tensorboard = true
        /// Tokens of the text that the model writes after each validation; 0 for none.
        public var sampleLength = 200
    }

    public struct Watchdog: Sendable, Equatable {
        /// The job ends after this many seconds without progress on any rank; 0 means that it waits forever.
        public var seconds = 300.0
    }
}
