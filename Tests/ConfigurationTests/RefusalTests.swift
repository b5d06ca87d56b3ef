import Configuration
import Diagnostics
import Testing

/// Every way to get a configuration wrong gives one line that says where and what to do.
@Suite struct RefusalTests {
    @Test(arguments: [
        // Unknown keys: a typo, the wrong section, a misspelt section, nothing near, a dotted key.
        (
            "model:\n  hiden: 5\n",
            "config.yaml, line 2, column 3: unknown key 'model.hiden'; did you mean 'model.hidden'?"
        ),
        (
            "training: {hiden: 5}",
            "config.yaml, line 1, column 12: unknown key 'training.hiden'; did you mean 'model.hidden'?"
        ),
        (
            "training:\n  learning_rate: 1\n",
            "config.yaml, line 2, column 3: unknown key 'training.learning_rate'; did you mean 'training.optimizer.learning_rate'?"
        ),
        (
            "mdl:\n  hidden: 5\n",
            "config.yaml, line 1, column 1: unknown key 'mdl.hidden'; did you mean 'model.hidden'?"
        ),
        (
            "training: {scheduler: {name: cosine}}",
            "config.yaml, line 1, column 12: unknown key 'training.scheduler'; did you mean 'training.schedule'?"
        ),
        (
            "colour: blue",
            "config.yaml, line 1, column 1: unknown key 'colour'; valid keys here: data, model, training, exchange, checkpoint, validation, metrics, watchdog"
        ),
        (
            "training.clip.norm: 1",
            "config.yaml, line 1, column 1: unknown key 'training.clip.norm'; valid keys here: data, model, training, exchange, checkpoint, validation, metrics, watchdog"
        ),
        (
            "<<: {model: {hidden: 5}}",
            "config.yaml, line 1, column 1: unknown key '<<.model.hidden'; did you mean 'model.hidden'?"
        ),

        // Wrong types.
        (
            "model:\n  hidden: wide\n",
            "config.yaml, line 2, column 11: model.hidden cannot have this value; expected a whole number from 1 to 65536, or a list of them, one for each layer, found wide"
        ),
        (
            "model: {hidden: \"5\"}",
            "config.yaml, line 1, column 17: model.hidden cannot have this value; expected a whole number from 1 to 65536, or a list of them, one for each layer, found \"5\""
        ),
        (
            "model: {hidden: 1.5}",
            "config.yaml, line 1, column 17: model.hidden cannot have this value; expected a whole number from 1 to 65536, or a list of them, one for each layer, found 1.5"
        ),
        (
            "model: {gates: [input, reset]}",
            "config.yaml, line 1, column 16: model.gates cannot have this value; expected a list of input, forget or output, each at most once, as in [input, forget], found [input, reset]"
        ),
        (
            "model: {gates: [input, input]}",
            "config.yaml, line 1, column 16: model.gates cannot have this value; expected a list of input, forget or output, each at most once, as in [input, forget], found [input, input]"
        ),
        (
            "model: {gates: input}",
            "config.yaml, line 1, column 16: model.gates cannot have this value; expected a list of input, forget or output, each at most once, as in [input, forget], found input"
        ),
        (
            "model: {hidden: [1, two]}",
            "config.yaml, line 1, column 17: model.hidden cannot have this value; expected a whole number from 1 to 65536, or a list of them, one for each layer, found [1, two]"
        ),
        (
            "model: {softmax: {name: adaptive, cutoffs: [20, 10]}}",
            "config.yaml, line 1, column 44: model.softmax.cutoffs cannot have this value; expected auto, or a list of at most 16 ids from 1 on, each above the one before, as in [2000, 10000], found [20, 10]"
        ),
        (
            "model: {softmax: {name: adaptive, cutoffs: [0, 10]}}",
            "config.yaml, line 1, column 44: model.softmax.cutoffs cannot have this value; expected auto, or a list of at most 16 ids from 1 on, each above the one before, as in [2000, 10000], found [0, 10]"
        ),
        (
            "model: {softmax: {divisor: 0.5}}",
            "config.yaml, line 1, column 28: model.softmax.divisor cannot have this value; expected a number from 1 to 65536, found 0.5"
        ),
        (
            "model: {softmax: adaptive}",
            "config.yaml, line 1, column 18: model.softmax cannot have this value; expected keys with values (name, cutoffs, divisor, loss, samples, power), found adaptive"
        ),
        (
            "model: {tied: 1}",
            "config.yaml, line 1, column 15: model.tied cannot have this value; expected true or false, found 1"
        ),
        (
            "model: {cell: LSTM2}",
            "config.yaml, line 1, column 15: model.cell cannot have this value; expected elman, lstm, gru, gru_reset_after, window or ngram, found LSTM2"
        ),
        (
            "model: {normalization: batch}",
            "config.yaml, line 1, column 24: model.normalization cannot have this value; expected none or layer, found batch"
        ),
        (
            "training: {clip: 5}",
            "config.yaml, line 1, column 18: training.clip cannot have this value; expected keys with values (norm, value), found 5"
        ),
        (
            "data: {path: }",
            "config.yaml, line 1, column 14: data.path cannot have this value; expected a path, found nothing"
        ),
        (
            "data: {path: \"a\\uFEFFb\"}",
            "config.yaml, line 1, column 14: data.path cannot have this value; expected a path, found \"a\\u{FEFF}b\""
        ),
        (
            "data: {path: \"a\\0b\"}",
            "config.yaml, line 1, column 14: data.path cannot have this value; expected a path, found \"a?b\""
        ),
        (
            "just text",
            "config.yaml, line 1, column 1: the configuration cannot have this value; expected keys with values (data, model, training, exchange, checkpoint, validation, metrics, watchdog), found just text"
        ),
        (
            "[1, 2]: 3",
            "config.yaml, line 1, column 1: the configuration cannot have this value; expected names as keys, found [1, 2]"
        ),

        // Syntax.
        (
            "model:\n  hidden: [1, 2\n",
            "config.yaml, line 3, column 1: not valid YAML: while parsing a flow sequence: did not find expected ',' or ']'"
        ),
        (
            "model:\n\thidden: 1\n",
            "config.yaml, line 2, column 1: not valid YAML: while scanning for the next token: found character that cannot start any token"
        ),
        (
            "model: {hidden: 1}\n---\nmodel: {hidden: 2}\n",
            "config.yaml, line 2, column 1: not valid YAML: expected a single document in the stream: but found another document"
        ),
        ("model:\n  hidden: 1\u{1}\n", "config.yaml, line 2: not valid YAML: control characters are not allowed"),
        (
            "model:\n  hidden: 1\n  layers: 1\n  hidden: 2\n",
            "config.yaml, line 2, column 3: key 'hidden' is given more than once; keep one of them"
        ),
        (
            "model: &m\n  hidden: 1\ntraining: *m\n",
            "config.yaml, line 1, column 8: YAML anchors (&name) are not supported; write the value out where it is needed"
        ),
        ("model: *m\n", "config.yaml, line 1, column 8: not valid YAML: found undefined alias"),
    ])
    func refusedWithPlaceAndRemedy(_ text: String, _ line: String) {
        #expect(refusal(text) == line)
    }

    @Test(arguments: [
        (
            "training.clip.nrom=5",
            "--set training.clip.nrom=5: unknown key 'training.clip.nrom'; did you mean 'training.clip.norm'?"
        ),
        ("mdl.hidden=5", "--set mdl.hidden=5: unknown key 'mdl.hidden'; did you mean 'model.hidden'?"),
        (
            "training.unroll=0",
            "--set training.unroll=0: training.unroll cannot have this value; expected a whole number from 1 to 65536, found 0"
        ),
        (
            "training.unroll=",
            "--set training.unroll=: training.unroll cannot have this value; expected a whole number from 1 to 65536, found nothing"
        ),
        (
            "training.unroll={a: &b 1, c: *b}",
            "--set training.unroll={a: &b 1, c: *b}: YAML anchors (&name) are not supported; write the value out where it is needed"
        ),
        (
            "training.unroll=[",
            "--set training.unroll=[: not valid YAML: while parsing a flow node: did not find expected node content"
        ),
        ("training.unroll", "--set: not a setting: 'training.unroll'; expected key.path=value"),
        (
            "=5",
            "--set =5: unknown key ''; valid keys here: data, model, training, exchange, checkpoint, validation, metrics, watchdog"
        ),
        (
            "model.hidden.size.of.it=5",
            "--set model.hidden.size.of.it=5: model.hidden cannot have this value; expected a whole number from 1 to 65536, or a list of them, one for each layer, found keys with values"
        ),
    ])
    func overrideRefused(_ override: String, _ line: String) {
        #expect(refusal("", overrides: [override]) == line)
    }

    @Test(arguments: [
        ("training.optimizer.learning_rate", ["0", "-1", ".nan", "nan", ".inf", "1e999", "-.inf", "1e300", "3.5e38", "1e-50"], "a number above 0 (from 1.2e-38 to 3.4e38)"),
        ("training.streams", ["0", "-1", "65537", "99999999999999999999", "1e3"], "a whole number from 1 to 65536"),
        ("training.unroll", ["0", "-1", "65537"], "a whole number from 1 to 65536"),
        ("training.epochs", ["0", "-1"], "a whole number from 1 to 1000000"),
        ("training.steps", ["0", "-1"], "a whole number from 1 to 1000000000000, or null"),
        ("model.layers", ["0", "-1", "65"], "a whole number from 1 to 64"),
        ("model.embedding", ["0", "-1", "65537"], "a whole number from 1 to 65536"),
        (
            "model.hidden", ["0", "-1", "65537", "9223372036854775807", "[10, 0]", "[65537]", "[]", "[1.5, 2]"],
            "a whole number from 1 to 65536, or a list of them, one for each layer"
        ),
        ("model.dropouts.embedding", ["1", "-0.1"], "a number of at least 0 and below 1"),
        ("model.dropouts.output", ["1", "-0.1"], "a number of at least 0 and below 1, or null"),
        ("model.dropouts.locked", ["1", "0.5", "null"], "true or false"),
        ("model.weight_drop", ["1", "-0.1", "null", "1e-50"], "a number of at least 0 and below 1"),
        ("training.activation_penalty", ["-1", "nan", "null", "1e39"], "a number of at least 0 (0, or from 1.2e-38 to 3.4e38)"),
        ("training.slowness_penalty", ["-0.5", "inf", "1e-40"], "a number of at least 0 (0, or from 1.2e-38 to 3.4e38)"),
        ("model.connections", ["skip", "null"], "none, residual, highway or dense"),
        ("model.dropout", ["-0.1", "1", "1.5", "nan"], "a number of at least 0 and below 1"),
        ("model.initial_range", ["0", "-0.1", "1e300", "1e-50"], "a number above 0 (from 1.2e-38 to 3.4e38)"),
        ("training.clip.norm", ["0", "-1", "1e300", "1e-50"], "a number above 0 (from 1.2e-38 to 3.4e38), or null"),
        ("training.clip.value", ["0", "-1", "1e300", "1e-50"], "a number above 0 (from 1.2e-38 to 3.4e38), or null"),
        ("training.optimizer.momentum", ["1", "-0.1", "0.9999999999", "1e-50"], "a number of at least 0 and below 1"),
        ("training.optimizer.beta1", ["1", "-0.1", "0.9999999999", "1e-50"], "a number of at least 0 and below 1"),
        ("training.optimizer.beta2", ["1", "-0.1", "0.9999999999", "1e-50"], "a number of at least 0 and below 1"),
        ("training.optimizer.epsilon", ["0", "-1", "1e300", "1e-50"], "a number above 0 (from 1.2e-38 to 3.4e38)"),
        ("training.optimizer.weight_decay", ["-1", "1e999", "1e39", "1e-50"], "a number of at least 0 (0, or from 1.2e-38 to 3.4e38)"),
        ("training.optimizer.nonmonotone_interval", ["-1", "1.5", "1000001", "null"], "a whole number from 0 to 1000000"),
        ("training.schedule.factor", ["0", "1.1", "-1"], "a number above 0 and at most 1"),
        ("training.schedule.after_epoch", ["-1"], "a whole number from 0 to 1000000"),
        ("training.schedule.patience", ["-1"], "a whole number from 0 to 1000000"),
        ("training.schedule.warmup_steps", ["-1"], "a whole number from 0 to 1000000000000"),
        ("training.schedule.minimum", ["-1", "1e300"], "a number of at least 0 (0, or from 1.2e-38 to 3.4e38)"),
        ("training.seed", ["-1", "18446744073709551616"], "a whole number from 0 to 18446744073709551615"),
        ("training.verify_every_steps", ["-1"], "a whole number from 0 to 1000000000000"),
        ("training.reproducible_shards", ["0", "-1", "65537", "all"], "a whole number from 1 to 65536, or null"),
        ("checkpoint.every_steps", ["-1"], "a whole number from 0 to 1000000000000"),
        ("checkpoint.every_minutes", ["-1", "1e999", "1e300"], "a number from 0 to 1000000"),
        ("checkpoint.keep", ["0", "-1"], "a whole number from 1 to 1000000"),
        ("validation.every_steps", ["-1"], "a whole number from 0 to 1000000000000"),
        ("validation.streams", ["0", "-1"], "a whole number from 1 to 65536"),
        ("metrics.every_steps", ["0", "-1"], "a whole number from 1 to 1000000000000"),
        ("metrics.sample_length", ["-1", "100001"], "a whole number from 0 to 100000"),
        ("metrics.gradient_flow_every_steps", ["-1"], "a whole number from 0 to 1000000000000"),
        ("watchdog.seconds", ["-1", ".nan", "1e21", "1e-308"], "0, or a number from 0.1 to 1000000000"),
    ])
    func outOfRange(_ path: String, _ values: [String], _ expected: String) {
        for value in values {
            let line = "--set \(path)=\(value): \(path) cannot have this value; expected \(expected), found \(value)"
            #expect(refusal("", overrides: ["\(path)=\(value)"]) == line)
        }
    }

    /// A configuration made in code is checked too.
    @Test(arguments: [0.0, -1, .nan, .infinity]) func validateRefuses(_ rate: Double) throws {
        var configuration = RunConfiguration()
        configuration.training.optimizer.learningRate = rate
        let error = #expect(throws: ConfigurationError.self) { try configuration.validate() }
        #expect(
            error?.description.hasPrefix(
                "training.optimizer.learning_rate cannot have this value; expected a number above 0") == true)
    }

    @Test func missingFileIsTheUsersMistake() {
        let error = #expect(throws: ConfigurationError.self) {
            _ = try RunConfiguration.load(file: "no/such file.yaml")
        }
        #expect(error?.kind == .usage)
        #expect(error?.description == "no/such file.yaml: cannot open: No such file or directory; check the path")
    }

    @Test func folderInsteadOfAFile() {
        let error = #expect(throws: ConfigurationError.self) { _ = try RunConfiguration.load(file: "/") }
        #expect(error?.description == "/: cannot read: Is a directory; check the path")
    }

    @Test func bytesThatAreNotText() {
        #expect(refusal(bytes: Array("model:".utf8) + [0xFF]) == "config.yaml, byte 6: not UTF-8 text; check the path")
        #expect(refusal(bytes: [0xC3]) == "config.yaml, byte 0: not UTF-8 text; check the path")
    }
}
