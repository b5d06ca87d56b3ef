import Configuration
import Foundation
import Testing

@Suite struct CodingTests {
    /// Differs from the defaults in every key, with values that are hard to write.
    static let unusual: RunConfiguration = {
        var it = RunConfiguration()
        it.data.path = "a \"b\"\n: #c\\ null é🙂 {" + String(repeating: "long ", count: 40)
        it.model.cell = .window
        it.model.activation = .sigmoid
        it.model.window = 5
        it.model.normalization = .layer
        it.model.layers = 3
        it.model.embedding = 7
        it.model.hidden = [7, 7, 7]
        it.model.connections = .residual
        it.model.dropout = 0.1 + 0.2
        it.model.dropouts.embedding = 0.25
        it.model.dropouts.input = 0
        it.model.dropouts.hidden = 1e-3
        it.model.dropouts.output = 0.5
        it.model.dropouts.locked = true
        it.model.tied = true
        it.model.initialRange = 1e-30
        it.model.initialEmbeddingRange = 1.73
        it.training.streams = 65536
        it.training.unroll = 1
        it.training.randomUnroll = true
        it.training.lineEnd = .reset
        it.training.epochs = 1
        it.training.steps = 1_000_000_000_000
        it.training.loss = .perStream
        it.training.activationPenalty = 2
        it.training.slownessPenalty = 1
        it.training.clip.norm = nil
        it.training.clip.value = 0.25
        it.training.optimizer.name = .momentum
        it.training.optimizer.learningRate = 20
        it.training.optimizer.momentum = 0
        it.training.optimizer.nesterov = true
        it.training.optimizer.beta1 = 0.123456789012345678
        it.training.optimizer.beta2 = 0.5
        it.training.optimizer.epsilon = 1.5e-38
        it.training.optimizer.weightDecay = 1e22
        it.training.optimizer.nonMonotoneInterval = 0
        it.training.schedule.name = .cosine
        it.training.schedule.factor = 1
        it.training.schedule.afterEpoch = 0
        it.training.schedule.patience = 2
        it.training.schedule.warmupSteps = 100
        it.training.schedule.minimum = 1e-5
        it.training.seed = .max
        it.training.verifyEverySteps = 0
        it.exchange.overlap = false
        it.exchange.sparse = false
        it.exchange.wire = .bfloat16
        it.exchange.split = .units
        it.exchange.team = .ranks(4)
        it.training.reproducibleShards = 64
        it.checkpoint.everySteps = 1
        it.checkpoint.everyMinutes = 0.5
        it.checkpoint.keep = 1
        it.validation.everySteps = 3
        it.validation.everyEpoch = false
        it.validation.streams = 1
        it.metrics.everySteps = 1
        it.metrics.tensorboard = false
        it.metrics.sampleLength = 0
        it.metrics.gradientFlowEverySteps = 7
        it.watchdog.seconds = 0
        return it
    }()

    @Test func theUnusualConfigurationDiffersInEveryKey() throws {
        try Self.unusual.validate()
        let all = RunConfiguration().values.map(\.path)
        // No model has every setting: gates and peepholes are the LSTM's, the order is that of n-grams, a window has no recurrent weights, and a
        // model of the next token reads in one direction.
        let ofOtherCells = ["model.order", "model.gates", "model.peepholes", "model.weight_drop", "model.bidirectional"] + Self.ofOtherHeads
        #expect(Self.unusual.differences(from: RunConfiguration()).map(\.path) == all.filter { !ofOtherCells.contains($0) })
    }

    /// Tied weights have a full softmax, are not frozen, and predict tokens.
    private static let ofOtherHeads = [
        "model.freeze_embedding", "model.softmax.name", "model.softmax.cutoffs", "model.softmax.divisor", "model.softmax.loss",
        "model.softmax.samples", "model.softmax.power", "model.output", "model.pooling", "training.batching", "validation.best",
    ]

    static let adaptive: RunConfiguration = {
        var it = RunConfiguration()
        it.model.softmax.name = .adaptive
        it.model.softmax.cutoffs = [1, 20, 4_000]
        it.model.softmax.divisor = 1.5
        return it
    }()

    static let sampled: RunConfiguration = {
        var it = RunConfiguration()
        it.model.tied = true
        it.model.hidden = 128
        it.model.softmax.name = .sampled
        it.model.softmax.loss = .nce
        it.model.softmax.samples = 1
        it.model.softmax.power = 0
        return it
    }()

    static let classifier: RunConfiguration = {
        var it = RunConfiguration()
        it.model.output = .label
        it.model.pooling = .mean
        it.training.batching = .sentences
        it.validation.best = .accuracy
        return it
    }()

    static let gateless: RunConfiguration = {
        var it = RunConfiguration()
        it.model.gates = []
        it.model.peepholes = .diagonal
        it.model.freezeEmbedding = true
        it.model.weightDrop = 0.5
        return it
    }()

    @Test(arguments: [RunConfiguration(), unusual, gateless, adaptive, sampled, classifier]) func yamlReadsBackEqual(_ configuration: RunConfiguration) throws {
        #expect(try load(configuration.yaml) == configuration)
    }

    @Test(arguments: ["null", "~", " ", "- a", "&b", "x &y", "12", "true", "\\x26"]) func anyPathReadsBackEqual(
        _ path: String
    ) throws {
        var configuration = RunConfiguration()
        configuration.data.path = path
        #expect(try load(configuration.yaml) == configuration)
    }

    @Test func yamlHoldsEveryKeyInOrder() {
        #expect(
            RunConfiguration().yaml == """
                data:
                  path: "data/kinematics"
                model:
                  cell: lstm
                  order: 5
                  activation: tanh
                  window: null
                  normalization: none
                  gates: [input, forget, output]
                  peepholes: none
                  layers: 2
                  embedding: 128
                  hidden: 256
                  connections: none
                  bidirectional: false
                  dropout: 0
                  dropouts:
                    embedding: 0
                    input: null
                    hidden: null
                    output: null
                    locked: false
                  weight_drop: 0
                  tied: false
                  freeze_embedding: false
                  softmax:
                    name: full
                    cutoffs: auto
                    divisor: 4
                    loss: blackout
                    samples: 500
                    power: 0.5
                  output: next
                  pooling: last
                  initial_range: 0.1
                  initial_embedding_range: null
                training:
                  streams: 32
                  batching: streams
                  unroll: 64
                  random_unroll: false
                  line_end: carry
                  epochs: 10
                  steps: null
                  loss: per_token
                  activation_penalty: 0
                  slowness_penalty: 0
                  clip:
                    norm: 1
                    value: null
                  optimizer:
                    name: adam
                    learning_rate: 0.002
                    momentum: 0.9
                    nesterov: false
                    beta1: 0.9
                    beta2: 0.999
                    epsilon: 1e-08
                    weight_decay: 0
                    nonmonotone_interval: 5
                  schedule:
                    name: decay
                    factor: 0.85
                    after_epoch: 1
                    patience: 0
                    warmup_steps: 0
                    minimum: 0
                  seed: 1
                  verify_every_steps: 1000
                  reproducible_shards: null
                exchange:
                  overlap: true
                  sparse: true
                  wire: float32
                  split: streams
                  team: machine
                checkpoint:
                  every_steps: 0
                  every_minutes: 10
                  keep: 3
                validation:
                  every_steps: 0
                  every_epoch: true
                  streams: 10
                  best: loss
                metrics:
                  every_steps: 10
                  tensorboard: true
                  sample_length: 200
                  gradient_flow_every_steps: 0
                watchdog:
                  seconds: 300

                """)
    }

    @Test(arguments: [RunConfiguration(), unusual, adaptive, sampled, classifier]) func jsonReadsBackEqual(_ configuration: RunConfiguration) throws {
        let json = try JSONEncoder().encode(configuration)
        #expect(try JSONDecoder().decode(RunConfiguration.self, from: json) == configuration)
    }

    @Test func jsonHasTheNestingAndNamesOfTheFile() throws {
        let json = try JSONSerialization.jsonObject(with: JSONEncoder().encode(RunConfiguration())) as? [String: Any]
        let training = json?["training"] as? [String: Any]
        let optimizer = training?["optimizer"] as? [String: Any]
        #expect(training?["unroll"] as? Int == 64)
        #expect(optimizer?["learning_rate"] as? Double == 0.002)
        #expect((json?["model"] as? [String: Any])?.count == 22)
    }

    @Test func jsonWithoutAKeyTakesTheDefault() throws {
        let json = Data(#"{"model": {"hidden": 9}}"#.utf8)
        var expected = RunConfiguration()
        expected.model.hidden = 9
        #expect(try JSONDecoder().decode(RunConfiguration.self, from: json) == expected)
    }

    @Test(arguments: [#"{"model": {"hidden": 0}}"#, #"{"model": {"hidden": "9"}}"#, #"{"model": 3}"#])
    func jsonOutOfRangeIsRefused(_ json: String) {
        #expect(throws: (any Error).self) { try JSONDecoder().decode(RunConfiguration.self, from: Data(json.utf8)) }
    }

    @Test func differencesNameWhatCannotChangeOnResume() {
        let old = RunConfiguration()
        var new = old
        #expect(new.differences(from: old).isEmpty)
        new.training.optimizer.learningRate = 0.5
        new.training.clip.norm = nil
        new.model.hidden = 99
        let differences = new.differences(from: old)
        #expect(differences.map(\.path) == ["model.hidden", "training.clip.norm", "training.optimizer.learning_rate"])
        #expect(differences.map(\.old) == ["256", "1", "0.002"])
        #expect(differences.map(\.new) == ["99", "null", "0.5"])
        #expect(differences.map(\.isStructural) == [true, false, false])
    }

    @Test func structuralKeys() {
        let structural = Self.unusual.differences(from: RunConfiguration()).filter(\.isStructural).map(\.path)
        #expect(
            structural == [
                "model.cell", "model.activation", "model.window", "model.normalization", "model.layers", "model.embedding",
                "model.hidden", "model.connections", "model.tied",
                "training.streams", "training.line_end", "training.optimizer.name", "training.seed",
            ])
    }
}
