/// Everything that decides what a run computes and keeps, apart from how many ranks compute it.
///
/// The initial values are the defaults: a small character model of the generated kinematics corpus. The names in the
/// file, what each may hold and which may change on resume are listed once, in `RunConfiguration.settings`.
package struct RunConfiguration: Sendable, Equatable {
    package var data = Data()
    package var model = Model()
    package var training = Training()
    package var exchange = Exchange()
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
        /// The Elman cell's nonlinearity; the other cells have their own.
        package var activation = Activation.tanh
        package var layers = 2
        /// Size `E` of a token's vector.
        package var embedding = 128
        /// Size `H` of each layer's state.
        package var hidden = 256
        /// Probability that a value between two layers is dropped in training.
        package var dropout = 0.0
        /// The output layer uses the embedding's matrix (Press and Wolf 2017); needs `embedding == hidden`.
        package var tied = false
        /// Weights start uniformly distributed in `-initialRange ... initialRange`.
        package var initialRange = 0.1
        /// The same for the embedding alone; nil: as the other weights. PyTorch's embeddings start with a standard
        /// deviation of 1, which is a range of 1.73.
        package var initialEmbeddingRange: Double?
    }

    package enum Cell: String, SettingChoice {
        case elman
        case lstm
        /// Cho et al. 2014: the reset gate acts on the state before the matrix product.
        case gru
        /// As PyTorch and cuDNN: the reset gate acts on the product.
        case gruResetAfter = "gru_reset_after"
    }

    package enum Activation: String, SettingChoice { case tanh, sigmoid, relu }

    package struct Training: Sendable, Equatable {
        /// Number `S` of streams: the batch of the whole job, whatever the number of ranks.
        package var streams = 32
        /// Steps `T` per chunk of truncated back-propagation.
        package var unroll = 64
        /// Draws each chunk's length around `unroll` (Merity et al. 2018, section 5), the same on all ranks.
        package var randomUnroll = false
        package var epochs = 10
        /// Training ends at this step, whatever `epochs` says; nil means by epochs.
        package var steps: Int?
        package var loss = Loss.perToken
        package var clip = Clip()
        package var optimizer = Optimizer()
        package var schedule = Schedule()
        package var seed: UInt64 = 1
        /// Steps between comparisons of the copies of the parameters on different machines; 0 means
        /// only before each save.
        package var verifyEverySteps = 1000
        /// Shards `K` of the streams whose gradients are computed separately and summed in a fixed order, so that weights are
        /// the same bytes for every number of ranks that divides it; nil: faster, the same but for rounding.
        package var reproducibleShards: Int?
    }

    /// The loss that is differentiated. Published learning rates and clip thresholds assume one or the other.
    package enum Loss: String, SettingChoice {
        /// Mean over all tokens of the step, as PyTorch.
        case perToken = "per_token"
        /// Sum over the chunk's time, mean over the streams: Zaremba et al. 2014.
        case perStream = "per_stream"
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
        package var name = OptimizerName.adam
        package var learningRate = 0.002
        package var momentum = 0.9
        package var nesterov = false
        package var beta1 = 0.9
        package var beta2 = 0.999
        package var epsilon = 1e-8
        package var weightDecay = 0.0
    }

    package enum OptimizerName: String, SettingChoice { case sgd, momentum, adagrad, adam, adamw }

    /// The learning rate over time. It never falls below `minimum`.
    package struct Schedule: Sendable, Equatable {
        package var name = ScheduleName.decay
        package var factor = 0.85
        package var afterEpoch = 1
        /// Validations without improvement that `plateau` tolerates.
        package var patience = 0
        package var warmupSteps = 0
        package var minimum = 0.0
    }

    package enum ScheduleName: String, SettingChoice {
        case constant
        /// In epoch `e` (the first is 1): `learningRate * factor^max(0, e - afterEpoch)`.
        case decay
        /// Multiplied by `factor` when validation has not improved for more than `patience` validations in a row.
        case plateau
        /// Linear from 0 over `warmupSteps`, then half a cosine down to `minimum` at the last step.
        case cosine
    }

    /// How gradients are sent between machines; on one machine, this has no effect.
    package struct Exchange: Sendable, Equatable {
        /// Whether each layer's gradients are sent as soon as they are complete, while the backward pass continues.
        package var overlap = true
        /// Whether only those rows of an untied embedding are sent that a step has read.
        package var sparse = true
        package var wire = Wire.float32
    }

    /// The format in which gradients are sent; they are always summed in single precision.
    package enum Wire: String, SettingChoice {
        case float32
        /// Half the bytes, 8 bits of precision.
        case bfloat16
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
    }

    package struct Metrics: Sendable, Equatable {
        package var everySteps = 10
        /// Whether to write event files for TensorBoard as well.
        package var tensorboard = true
        /// Tokens of the text that the model writes after each validation; 0 for none.
        package var sampleLength = 200
    }

    package struct Watchdog: Sendable, Equatable {
        /// The job ends after this many seconds without progress on any rank; 0 means that it waits forever.
        package var seconds = 300.0
    }
}
