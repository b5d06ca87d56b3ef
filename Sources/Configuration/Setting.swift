import Recurrent

/// One key of the configuration: its place in the file and in `RunConfiguration`, its permitted values and its meaning.
struct Setting: Sendable {
    /// `training.clip.norm` is `["training", "clip", "norm"]`.
    let path: [String]
    /// The permitted values, for messages: "a whole number from 1 to 64".
    let expected: String
    /// Decides the shape of tensors, or which token is trained from which state: a run cannot resume with another value.
    let isStructural: Bool
    /// Text in quotes; anything else as plain scalar.
    let isFreeText: Bool
    /// The unit of a number, for `docs/configuration.md`; may be empty.
    let unit: String
    /// The meaning, for `docs/configuration.md`, as Markdown.
    let meaning: String

    let scalar: @Sendable (RunConfiguration) -> String
    let isValid: @Sendable (RunConfiguration) -> Bool
    /// Returns false and changes nothing if the scalar is of another type or out of range.
    let assign: @Sendable (_ scalar: String, _ isPlain: Bool, inout RunConfiguration) -> Bool
    let encode: @Sendable (RunConfiguration, inout KeyedEncodingContainer<SettingKey>) throws -> Void
    let decode: @Sendable (KeyedDecodingContainer<SettingKey>, inout RunConfiguration) throws -> Void

    init<Value>(
        _ dotted: String, _ member: WritableKeyPath<RunConfiguration, Value> & Sendable, _ domain: Domain<Value>,
        structural: Bool = false, unit: String = "", _ meaning: String
    ) {
        path = dotted.split(separator: ".").map(String.init)
        expected = domain.description
        isStructural = structural
        isFreeText = Value.self == String.self
        self.unit = unit
        self.meaning = meaning
        let key = SettingKey(path.last!)

        scalar = { $0[keyPath: member].scalar }
        isValid = { domain.contains($0[keyPath: member]) }
        assign = { scalar, isPlain, configuration in
            guard let value = Value(scalar: scalar, isPlain: isPlain), domain.contains(value) else { return false }
            configuration[keyPath: member] = value
            return true
        }
        encode = { try $1.encode($0[keyPath: member], forKey: key) }
        decode = { $1[keyPath: member] = try $0.decode(Value.self, forKey: key) }
    }

    var dotted: String { path.joined(separator: ".") }
}

extension RunConfiguration {
    /// Every key, in the order of the file. The upper bounds keep products of sizes (`T * S * 4H * L` floats in
    /// bytes) within 64 bits.
    static let settings: [Setting] = [
        Setting(
            "data.path", \.data.path, .path,
            "The dataset folder that `lockstep prepare` made, relative to the folder in which lockstep is started. `--data FOLDER` sets it too."),

        Setting(
            "model.cell", \.model.kind, .any, structural: true,
            "The recurrent cell. `gru` applies the reset gate before the matrix product (Cho et al. 2014), `gru_reset_after` after it (PyTorch, cuDNN). `window` is no recurrence: it reads the last `model.window` inputs (Bengio et al. 2003). [Formulas](mathematics.md). `ngram` is no network but an [n-gram model](mathematics.md#n-gram-models): of the other keys it uses `model.order`, `data.path`, `metrics.tensorboard` and `watchdog.seconds`, and it names those that it ignores."),
        Setting(
            "model.order", \.model.order, .from(1, to: 16), structural: true, unit: "tokens",
            "For `ngram` only: the length of the longest n-grams."),
        Setting(
            "model.activation", \.model.activation, .any, structural: true,
            "The nonlinearity of `elman` and `window`. The other cells have their own and accept only `tanh`."),
        Setting(
            "model.window", \.model.window, .nullOr(.from(ModelConfiguration.windows.lowerBound, to: ModelConfiguration.windows.upperBound)), structural: true, unit: "inputs",
            "For `window`, which needs it: the number of inputs that each step reads, its own and those before it. For the first layer these are tokens, for others the outputs of the layer below."),
        Setting(
            "model.normalization", \.model.normalization, .any, structural: true,
            "`layer`: layer normalisation of each layer's pre-activations, and of an LSTM's cell state on its way out, with gains that start at 1 (Ba et al. 2016). [Formulas](mathematics.md#layer-normalisation)."),
        Setting(
            "model.gates", \.model.gates, .any, structural: true,
            "The gates of `lstm`. One that is left out is 1, as in the ladder from a gateless network to all gates (Greff et al. 2017)."),
        Setting(
            "model.peepholes", \.model.peepholes, .any, structural: true,
            "Whether the gates of `lstm` see the cell state of their own unit (`diagonal`; Gers and Schmidhuber 2000)."),
        Setting(
            "model.layers", \.model.layers, .from(1, to: 64), structural: true, "The number of recurrent layers."),
        Setting("model.embedding", \.model.embedding, .from(1, to: 65536), structural: true, unit: "values", "Size E of a token's vector."),
        Setting(
            "model.hidden", \.model.hidden, .from(1, to: 65536), structural: true, unit: "values",
            "Size H of each layer's state. With a list, as in `[1150, 1150, 400]`, layers differ; the last one may then have the size that `model.tied` needs (Merity et al. 2018)."),
        Setting(
            "model.connections", \.model.connections, .any, structural: true,
            "What the layers above read of a layer with input x and output h. `none`: h. `residual`: x + h. `highway`: t h + (1 - t) x with a gate t of its own (Srivastava et al. 2015). `dense`: [x; h], so that each layer and the output layer read everything below (Huang et al. 2017). `residual` and `highway` need `model.embedding` equal to every `model.hidden`. [Formulas](mathematics.md#connections-around-layers)."),
        Setting(
            "model.bidirectional", \.model.bidirectional, .any, structural: true,
            "Whether each layer reads in both directions: beside it, a second one of the same size reads every sequence from its end, and the layers above read the 2H values of both (Schuster and Paliwal 1997). Not for models that predict the next token, which would see it. `residual` and `highway` then need `model.embedding` equal to twice every `model.hidden`. [Formulas](mathematics.md#both-directions)."),
        Setting(
            "model.dropout", \.model.dropout, .belowOne, unit: "probability",
            "The probability that training drops a value of the embedding's output or of a layer's output: the short form of `input`, `hidden` and `output` of `model.dropouts`. Values passed from step to step are never dropped; `model.weight_drop` drops weights there. Rounded to a multiple of 2^-16."),
        Setting(
            "model.dropouts.embedding", \.model.dropouts.embedding, .belowOne, unit: "probability",
            "The probability that a step drops a word: its whole vector, wherever it is read (Gal and Ghahramani 2016). `model.dropout` does not set it."),
        Setting(
            "model.dropouts.input", \.model.dropouts.input, .nullOr(.belowOne), unit: "probability",
            "Of the values of the embedding's output, which the lowest layer reads; null: `model.dropout`."),
        Setting(
            "model.dropouts.hidden", \.model.dropouts.hidden, .nullOr(.belowOne), unit: "probability",
            "Of the values that one layer passes to the next; null: `model.dropout`."),
        Setting(
            "model.dropouts.output", \.model.dropouts.output, .nullOr(.belowOne), unit: "probability",
            "Of the values that the output layer reads; null: `model.dropout`."),
        Setting(
            "model.dropouts.locked", \.model.dropouts.locked, .any,
            "Locked (variational) dropout: the masks of `input`, `hidden` and `output` are drawn once for each stream in a step and are the same at all its time steps (Gal and Ghahramani 2016; Merity et al. 2018). false: each time step has its own."),
        Setting(
            "model.weight_drop", \.model.weightDrop, .belowOne, unit: "probability",
            "The probability that a step drops a weight of the recurrent matrix of each layer, `rnn.weight_hh_l0` and so on: DropConnect on the state that is passed from step to step, the same for all streams and time steps (Merity et al. 2018; 0.5 there). Rounded to a multiple of 2^-16. Not for `window`, which has no such matrix."),
        Setting(
            "model.tied", \.model.tied, .any, structural: true,
            "The output layer uses the embedding as its weights (Press and Wolf 2017). Needs `model.embedding` equal to `model.hidden`, or to the last of its list."),
        Setting(
            "model.freeze_embedding", \.model.freezeEmbedding, .any,
            "The embedding keeps its values: it has no gradient, is not sent and not updated. For vectors from `--init-embeddings` or `--init-from`. Not together with `model.tied`."),
        Setting(
            "model.softmax.name", \.model.softmax.name, .any, structural: true,
            "How the output layer gives probabilities to the tokens. `full`: one product with every token's weights. `adaptive`: the frequent tokens first, the others in tails with narrower weights, which are computed only where they are needed (Grave et al. 2017): for large vocabularies, whose ids `lockstep prepare` orders by frequency. Not together with `model.tied`. [Formulas](mathematics.md#adaptive-softmax). `sampled`: training computes the targets and a few noise tokens only, and validation all tokens; the model is then one with a full softmax. [Formulas](mathematics.md#sampled-training)."),
        Setting(
            "model.softmax.cutoffs", \.model.softmax.cutoffs, .ascending, structural: true, unit: "ids",
            "For `adaptive`: the first id of each tail. With `[2000, 10000]` the head has the ids below 2000, the first tail those from 2000 to 9999, the second the rest. `auto`: [the cheapest for the training text](mathematics.md#adaptive-softmax) in which no frequent token has a narrow vector."),
        Setting(
            "model.softmax.divisor", \.model.softmax.divisor, .from(1, to: 65536), structural: true,
            "For `adaptive`: the first tail's vectors have H / divisor values, the second's H / divisor^2, and so on, rounded down; at least 1. PyTorch's `div_value`."),
        Setting(
            "model.softmax.loss", \.model.softmax.loss, .any,
            "For `sampled`: what takes the place of the cross-entropy: `blackout` (Ji et al. 2016), `nce` (noise-contrastive estimation) or `softmax` (among the target and the samples). It is also the loss in the records of training; validation has the cross-entropy."),
        Setting(
            "model.softmax.samples", \.model.softmax.samples, .from(1, to: 1_000_000), unit: "tokens",
            "For `sampled`: the number of noise tokens of a step, which all of its predictions share."),
        Setting(
            "model.softmax.power", \.model.softmax.power, .upTo(1),
            "For `sampled`: noise is drawn in proportion to each token's count in the training text to this power. 0: all tokens that occur alike."),
        Setting(
            "model.output", \.model.output, .any, structural: true,
            "What the model predicts: `next`, the next token; `tags`, a label for each token; `class`, a label for each sequence; `values`, numbers, with the mean squared error as loss. All but `next` need [data that have such targets](data.md#texts-with-labels), and `training.batching: sentences`."),
        Setting(
            "model.pooling", \.model.pooling, .any, structural: true,
            "For `class`: what the output layer reads of a sequence: the uppermost layer's `last` vector, the `mean` of all, or the `max` of each component. [Formulas](mathematics.md#whole-sequences)."),
        Setting(
            "model.initial_range", \.model.initialRange, .positive,
            "Weights start uniformly distributed between minus and plus this value; biases start at 0, except the output bias of `model.softmax.loss: nce`, which starts at the [logarithm of the noise](mathematics.md#sampled-training)."),
        Setting(
            "model.initial_embedding_range", \.model.initialEmbeddingRange, .nullOr(.positive),
            "The same for the embedding alone; null: the same as for the other weights. 1.73 gives a standard deviation of 1, as PyTorch's embeddings have."),

        Setting(
            "training.streams", \.training.streams, .from(1, to: 65536), structural: true, unit: "streams",
            "S, the batch of the whole job. The training text is cut into S contiguous pieces, which are read in parallel. At least the number of ranks; a multiple of it divides the work evenly."),
        Setting(
            "training.batching", \.training.batching, .any, structural: true,
            "`streams`: chunks of `training.streams` long pieces of the text. `sentences`: `training.streams` whole sequences in each step, the lines of a text or [what the data say](data.md#texts-with-labels), in an order drawn from the seed for every epoch, those of similar length together. Each starts from the zero state, and `training.unroll` has no meaning."),
        Setting(
            "training.unroll", \.training.unroll, .from(1, to: 65536), unit: "tokens",
            "T, the length of a chunk. Each update reads T tokens of every stream, and gradients reach back at most T tokens."),
        Setting(
            "training.random_unroll", \.training.randomUnroll, .any,
            "Draw the length of each chunk at random around `training.unroll`, and scale its learning rate by length / unroll (Merity et al. 2018)."),
        Setting(
            "training.line_end", \.training.lineEnd, .any, structural: true,
            "What happens where a line ends: `carry`, nothing; `cut`, the state is carried on but no gradient passes; `reset`, every line starts from the zero state, in evaluation and generation too. For texts whose lines are sentences. A line ends with `<eos>` or a newline; the dataset's vocabulary must have one. [Formulas](mathematics.md#truncated-back-propagation-through-time)."),
        Setting("training.epochs", \.training.epochs, .from(1, to: 1_000_000), unit: "epochs", "Passes over the training text."),
        Setting(
            "training.steps", \.training.steps, .nullOr(.from(1, to: 1_000_000_000_000)), unit: "steps",
            "End at this step, whatever `training.epochs` says; null: end after `training.epochs`."),
        Setting(
            "training.loss", \.training.loss, .any,
            "The loss that is differentiated: `per_token`, the mean over all tokens of a step (PyTorch), or `per_stream`, the sum over the time steps of a chunk and mean over streams (Zaremba et al. 2014). Published learning rates and clip norms assume one of them; see [the mathematics](mathematics.md#from-sums-to-a-step)."),
        Setting(
            "training.activation_penalty", \.training.activationPenalty, .notNegative,
            "alpha: this times the mean square of what the output layer reads, after dropout, is added to the loss that is differentiated (Merity et al. 2018; 2 there). Reported losses are without it. [Formulas](mathematics.md#penalties-on-activations)."),
        Setting(
            "training.slowness_penalty", \.training.slownessPenalty, .notNegative,
            "beta: this times the mean square of the change of the uppermost layer's output from step to step, before dropout, is added to the loss that is differentiated (Merity et al. 2018; 1 there)."),
        Setting(
            "training.clip.norm", \.training.clip.norm, .nullOr(.positive),
            "The largest gradient norm over all parameters: a gradient with a larger norm is scaled down to it. Not together with `value`."),
        Setting(
            "training.clip.value", \.training.clip.value, .nullOr(.positive),
            "The largest component of a gradient: every component is limited to between minus and plus this value."),
        Setting(
            "training.optimizer.name", \.training.optimizer.name, .any, structural: true,
            "The rule that turns gradients into updates, as torch.optim defines it. `nt_asgd` is `sgd` until a validation is worse than the best of those more than `nonmonotone_interval` validations ago; from then on the model that is validated and saved is the average of the weights of all later steps (Merity et al. 2018). It needs validations, and is meant for the schedule `constant`. [Formulas](mathematics.md#optimizers)."),
        Setting(
            "training.optimizer.learning_rate", \.training.optimizer.learningRate, .positive,
            "The learning rate from which the schedule starts."),
        Setting(
            "training.optimizer.momentum", \.training.optimizer.momentum, .belowOne,
            "For `momentum`: the share of the velocity that is kept from step to step."),
        Setting("training.optimizer.nesterov", \.training.optimizer.nesterov, .any, "For `momentum` only: Nesterov's form."),
        Setting("training.optimizer.beta1", \.training.optimizer.beta1, .belowOne, "For `adam` and `adamw`: decay of the mean of gradients."),
        Setting("training.optimizer.beta2", \.training.optimizer.beta2, .belowOne, "For `adam` and `adamw`: decay of the mean of squared gradients."),
        Setting(
            "training.optimizer.epsilon", \.training.optimizer.epsilon, .positive,
            "For `adagrad`, `adam` and `adamw`: added to the denominator."),
        Setting(
            "training.optimizer.weight_decay", \.training.optimizer.weightDecay, .notNegative,
            "This times the weights is added to the gradient; for `adamw`, it is applied to the weights directly."),
        Setting(
            "training.optimizer.nonmonotone_interval", \.training.optimizer.nonMonotoneInterval, .from(0, to: 1_000_000),
            unit: "validations",
            "For `nt_asgd`: the number n of latest validations that a validation is not compared with."),
        Setting(
            "training.schedule.name", \.training.schedule.name, .any,
            "The learning rate over time. `plateau` needs a validation part in the dataset and validations during the run. [Formulas](mathematics.md#learning-rate)."),
        Setting(
            "training.schedule.factor", \.training.schedule.factor, .upToOne,
            "For `decay`: multiplies the rate after every epoch from `after_epoch` on. For `plateau`: multiplies it when validation does not improve."),
        Setting(
            "training.schedule.after_epoch", \.training.schedule.afterEpoch, .from(0, to: 1_000_000), unit: "epochs",
            "For `decay`: the epochs trained at the full rate."),
        Setting(
            "training.schedule.patience", \.training.schedule.patience, .from(0, to: 1_000_000), unit: "validations",
            "For `plateau`: the number of validations in a row without improvement that leave the rate unchanged."),
        Setting(
            "training.schedule.warmup_steps", \.training.schedule.warmupSteps, .from(0, to: 1_000_000_000_000),
            unit: "steps", "For `cosine` only: steps over which the rate rises to its full value."),
        Setting(
            "training.schedule.minimum", \.training.schedule.minimum, .notNegative,
            "After the warm-up, the rate never falls below this. At most the learning rate."),
        Setting(
            "training.seed", \.training.seed, .any, structural: true,
            "Decides initial weights, dropout and random lengths of chunks."),
        Setting(
            "training.verify_every_steps", \.training.verifyEverySteps, .from(0, to: 1_000_000_000_000), unit: "steps",
            "How often ranks on different machines compare their copies of the parameters; 0: only before each save."),
        Setting(
            "training.reproducible_shards", \.training.reproducibleShards, .nullOr(.from(1, to: 65536)), unit: "shards",
            "Train in this number of shards, which must divide `training.streams` and be a multiple of the number of ranks, or where these share units of the number of teams. Any such number then gives the same bytes, at a cost; null: off. [More](exactness.md)."),

        Setting(
            "exchange.overlap", \.exchange.overlap, .any,
            "Between machines, send each layer's gradients as soon as they are complete, during the backward pass; false: send all at its end. Results are the same. [More](scaling.md#between-machines)."),
        Setting(
            "exchange.sparse", \.exchange.sparse, .any,
            "Between machines, send only those rows of an untied embedding that were read, only those tails of an adaptive softmax that the step's targets lie in, and in sampled training only the output rows of targets and samples; false: send all. Results are the same."),
        Setting(
            "exchange.wire", \.exchange.wire, .any,
            "The format in which gradients are sent between machines; `bfloat16` sends half the bytes, rounded to 8 bits of precision. Sums are computed in single precision."),

        Setting(
            "exchange.split", \.exchange.split, .any,
            "What the ranks of a machine share out: `streams`, so that each trains some of them; `units`, so that all train the machine's streams together, each some hidden units and tokens of every layer; `auto`: as the shapes say. [More](scaling.md#streams-or-units)."),
        Setting(
            "exchange.team", \.exchange.team, .any,
            "Where ranks share units: which ranks of a machine do so together. `machine`: all; `cache`: those whose processors share a last-level cache, for which ranks have to be bound; a number: that number of neighbouring ranks, or all where there are fewer. The teams of a machine have streams of their own. [More](scaling.md#teams-smaller-than-a-machine)."),

        Setting(
            "checkpoint.every_steps", \.checkpoint.everySteps, .from(0, to: 1_000_000_000_000), unit: "steps",
            "How often to save; 0: not by steps. A checkpoint is always written after each best validation and at the end."),
        Setting(
            "checkpoint.every_minutes", \.checkpoint.everyMinutes, .upTo(1_000_000), unit: "minutes",
            "How often to save; 0: not by time."),
        Setting(
            "checkpoint.keep", \.checkpoint.keep, .from(1, to: 1_000_000), unit: "checkpoints",
            "How many of the newest checkpoints are kept, in addition to the best."),

        Setting(
            "validation.every_steps", \.validation.everySteps, .from(0, to: 1_000_000_000_000), unit: "steps",
            "How often to evaluate the validation part; 0: not by steps."),
        Setting(
            "validation.every_epoch", \.validation.everyEpoch, .any, "Evaluate it at the end of each epoch."),
        Setting(
            "validation.streams", \.validation.streams, .from(1, to: 65536), unit: "streams",
            "The number of pieces that are read in parallel. More pieces are faster; the loss differs slightly."),
        Setting(
            "validation.best", \.validation.best, .any,
            "What decides which checkpoint is the best, and whether validation has improved for the schedule `plateau`: the lowest `loss`, or for models that predict labels the highest `accuracy`."),

        Setting(
            "metrics.every_steps", \.metrics.everySteps, .from(1, to: 1_000_000_000_000), unit: "steps",
            "How often a record is written to `metrics.jsonl`."),
        Setting(
            "metrics.tensorboard", \.metrics.tensorboard, .any,
            "Write event files for TensorBoard as well, to `RUN/tensorboard`."),
        Setting(
            "metrics.sample_length", \.metrics.sampleLength, .from(0, to: 100_000), unit: "tokens",
            "Length of the sample that the model writes after each validation, for `lockstep report`; 0: no samples."),
        Setting(
            "metrics.gradient_flow_every_steps", \.metrics.gradientFlowEverySteps, .from(0, to: 1_000_000_000_000), unit: "steps",
            "How often to measure how far back the gradient reaches, at 128 positions of the validation part (or of the training part) and up to `training.unroll` tokens back; also before the first step and after the last. 0: never. Changes nothing that is trained. For models that predict the next token. [More](gradient-flow.md)."),

        Setting(
            "watchdog.seconds", \.watchdog.seconds, .zeroOr(from: 0.1, to: 1_000_000_000), unit: "seconds",
            "The job ends with code 74 if no rank makes progress for this long; 0: it waits forever. Must be longer than any step or save."),
    ]
}

/// A name within one level of the file.
struct SettingKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(_ name: String) { stringValue = name }
    init?(stringValue: String) { self.init(stringValue) }
    init?(intValue: Int) { nil }
}
