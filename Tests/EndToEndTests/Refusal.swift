import Foundation
import Testing

/// One mistake of a user, and how it is answered.
struct Refusal: Sendable, CustomTestStringConvertible {
    let name: String
    let arguments: [String]
    let status: Int32
    /// What the one line must contain.
    let fragments: [String]
    /// Done to the folder before.
    let preparation: @Sendable (Sandbox) throws -> Void

    var testDescription: String { name }

    init(
        _ name: String, _ arguments: [String], _ status: Int32, _ fragments: [String],
        preparation: @escaping @Sendable (Sandbox) throws -> Void = { _ in }
    ) {
        self.name = name
        self.arguments = arguments
        self.status = status
        self.fragments = fragments
        self.preparation = preparation
    }

    /// The refusal of `train` with a setting.
    static func setting(_ setting: String, _ status: Int32, _ fragments: [String]) -> Refusal {
        Refusal("--set \(setting)", ["train", "--data", "corpus", "--run", "new", "--set", setting], status, fragments)
    }

    /// The refusal of `train` with a configuration file.
    static func file(_ name: String, _ text: String, _ fragments: [String]) -> Refusal {
        Refusal(
            name, ["train", "--config", "bad.yaml", "--data", "corpus", "--run", "new"], 64, ["bad.yaml"] + fragments
        ) {
            _ = try $0.write(text, to: "bad.yaml")
        }
    }

    /// A folder with copies `corpus` and `run` of the shared ones, and a text called `file`.
    func sandbox() throws -> Sandbox {
        let sandbox = try Sandbox()
        try FileManager.default.copyItem(atPath: Shared.corpus, toPath: sandbox.path("corpus"))
        try FileManager.default.copyItem(atPath: Shared.run, toPath: sandbox.path("run"))
        _ = try sandbox.write("Anything but a folder, a checkpoint or a dataset.\n", to: "file")
        try preparation(sandbox)
        return sandbox
    }

    static func named(_ name: String) throws -> Refusal {
        let all = commandLines + settings + configurations + datasets + checkpoints
        return try #require(all.first { $0.name == name })
    }

    private static let newest = "run/checkpoints/step-000000400"

    // MARK: The table

    static let commandLines = [
        Refusal("unknown subcommand", ["trian"], 64, ["trian", "did you mean 'train'"]),
        Refusal("help for an unknown subcommand", ["help", "scroe"], 64, ["scroe", "did you mean 'score'"]),
        Refusal("unknown option", ["train", "--bogus"], 64, ["--bogus"]),
        Refusal("option without its value", ["train", "--config"], 64, ["--config"]),
        Refusal("missing option", ["evaluate"], 64, ["--checkpoint"]),
        Refusal(
            "resume and init-from", ["train", "--resume", "auto", "--init-from", "run"], 64,
            ["--resume", "--init-from"]),
        Refusal("streams 0", ["evaluate", "--checkpoint", "run", "--streams", "0"], 64, ["--streams", "0"]),
        Refusal(
            "data and text", ["evaluate", "--checkpoint", "run", "--data", "corpus", "--text", "file"], 64,
            ["--data", "--text"]),
        Refusal("unknown split", ["evaluate", "--checkpoint", "run", "--split", "dev"], 64, ["dev", "valid"]),
        Refusal("length 0", ["generate", "--checkpoint", "run", "--length", "0"], 64, ["--length"]),
        Refusal(
            "negative temperature", ["generate", "--checkpoint", "run", "--temperature=-1"], 64,
            ["--temperature", "-1"]),
        Refusal(
            "temperature NaN", ["generate", "--checkpoint", "run", "--temperature", "nan"], 64,
            ["--temperature", "nan"]),
        Refusal("top-k 0", ["generate", "--checkpoint", "run", "--top-k", "0"], 64, ["--top-k"]),
        Refusal("top-p 1.5", ["generate", "--checkpoint", "run", "--top-p", "1.5"], 64, ["--top-p", "1.5"]),
        Refusal(
            "interactive with prompt", ["generate", "--checkpoint", "run", "--interactive", "--prompt", "A"], 64,
            ["--interactive", "--prompt"]),
        Refusal("carried state alone", ["generate", "--checkpoint", "run", "--carry-state"], 64, ["--interactive"]),
        Refusal("k 0", ["complete", "--checkpoint", "run", "-k", "0", "A"], 64, ["--k", "0"]),
        Refusal("unknown format", ["score", "--checkpoint", "run", "--format", "csv"], 64, ["csv", "moses"]),
        Refusal("unknown base", ["score", "--checkpoint", "run", "--log-base", "3"], 64, ["3", "10"]),
        Refusal(
            "a foreign character to complete", ["complete", "--checkpoint", "run", "A \u{2603}"], 64,
            ["U+2603", "character 3"]),
        Refusal("seed not a number", ["generate", "--checkpoint", "run", "--seed", "x"], 64, ["--seed", "x"]),
        Refusal(
            "no problems", ["prepare", "--sample", "kinematics", "--problems", "0", "--output", "new"], 64,
            ["--problems", "0"]),
        Refusal(
            "tokens without vocabulary", ["prepare", "--tokens", "--input", "file", "--output", "new"], 64,
            ["--tokens", "--vocabulary"]),
        Refusal(
            "tokens with level",
            ["prepare", "--tokens", "--vocabulary", "v", "--level", "char", "--input", "file", "--output", "new"], 64,
            ["--tokens", "--level"]),
        Refusal(
            "another program's JSON as vocabulary",
            ["prepare", "--tokens", "--vocabulary", "tokenizer.json", "--input", "file", "--output", "new"], 64,
            ["tokenizer.json", "one per line"]
        ) { _ = try $0.write("{\"model\": {}}", to: "tokenizer.json") },
        Refusal("pieces from text", ["prepare", "--input", "f", "--level", "piece", "--output", "new"], 64, ["piece"]),
        Refusal("no level", ["prepare", "--input", "file", "--output", "new"], 64, ["--level"]),
        Refusal(
            "dataset exists", ["prepare", "--input", "file", "--level", "char", "--output", "corpus"], 64,
            ["corpus", "--overwrite"]),
    ]

    static let settings = [
        setting("trainig.streams=3", 64, ["'trainig'", "did you mean 'training'"]),
        setting("model.hiden=3", 64, ["'model.hiden'", "did you mean 'model.hidden'"]),
        setting("training.streams=many", 64, ["training.streams", "whole number", "found many"]),
        setting("training.streams=99999999999999999999", 64, ["training.streams", "99999999999999999999"]),
        setting("training.optimizer.learning_rate=-1", 64, ["learning_rate", "above 0", "found -1"]),
        setting("training.optimizer.learning_rate=.nan", 64, ["learning_rate", "above 0"]),
        setting("training.clip.norm=0", 64, ["training.clip.norm", "above 0"]),
        setting("training.clip={norm: 1, value: 1}", 64, ["training.clip", "norm or value"]),
        setting("model.hidden=0", 64, ["model.hidden", "from 1", "found 0"]),
        setting("training.unroll=0", 64, ["training.unroll", "from 1", "found 0"]),
        setting("model.cell=transformer", 64, ["model.cell", "lstm", "found transformer"]),
        setting("model.dropout=1", 64, ["model.dropout", "found 1"]),
        setting("model.tied=true", 64, ["model.tied", "model.embedding", "model.hidden"]),
        setting("streams", 64, ["--set", "'streams'", "key.path=value"]),
        setting("training.streams=40000", 65, ["train.npy", "more than 40000", "found 35659", "lower training.streams to at most 35658"]),
        setting("validation.streams=5000", 65, ["valid.npy", "more than 5000", "found 4710", "lower validation.streams to at most 4709"]),
        setting("model={layers: 64, embedding: 65536, hidden: 65536}", 64, ["more memory", "GiB", "model.hidden"]),
    ]

    static let configurations = [
        Refusal("missing configuration", ["train", "--config", "nowhere.yaml"], 64, ["nowhere.yaml", "No such file"]),
        Refusal("folder as configuration", ["train", "--config", "corpus"], 64, ["corpus"]),
        file("unknown key", "training:\n  streems: 4\n", ["line 2", "'training.streems'", "'training.streams'"]),
        file("wrong type", "model: {hidden: wide}\n", ["line 1", "model.hidden", "whole number", "found wide"]),
        file("list for a number", "model:\n  embedding: [1, 2]\n", ["model.embedding", "line 2"]),
        file("not YAML", "model: {hidden: 3\n", ["not valid YAML"]),
        file("duplicate key", "model:\n  hidden: 3\n  hidden: 4\n", ["hidden", "more than once"]),
        Refusal("not text", ["train", "--config", "corpus/train.npy"], 64, ["corpus/train.npy"]),
    ]

    static let datasets = [
        Refusal("missing dataset", ["train", "--data", "nowhere", "--run", "new"], 65, ["nowhere", "no such dataset", "lockstep prepare"]),
        Refusal(
            "not a dataset", ["train", "--data", "run", "--run", "new"], 65,
            ["run", "dataset.json", "lockstep prepare"]),
        Refusal("file as dataset", ["train", "--data", "file", "--run", "new"], 65, ["file"]),
        Refusal("truncated dataset", ["train", "--data", "corpus", "--run", "new"], 65, ["corpus/train.npy"]) {
            try truncate($0.path("corpus/train.npy"))
        },
        Refusal("changed vocabulary", ["train", "--data", "corpus", "--run", "new"], 65, ["vocabulary"]) { sandbox in
            let path = sandbox.path("corpus/vocabulary.json")
            let text = try String(contentsOfFile: path, encoding: .utf8)
            try text.replacing("\"q\"", with: "\"~\"").write(toFile: path, atomically: true, encoding: .utf8)
        },
        Refusal(
            "token outside the vocabulary", ["train", "--data", "corpus", "--run", "new"], 65,
            ["corpus/train.npy", "57"]
        ) { sandbox in
            let path = sandbox.path("corpus/train.npy")
            var bytes = try Data(contentsOf: URL(filePath: path))
            bytes[bytes.count - 1] = 0xFF
            try bytes.write(to: URL(filePath: path))
        },
        Refusal(
            "missing split", ["evaluate", "--checkpoint", "run", "--data", "two", "--split", "test"], 65,
            ["two", "no test split"]
        ) {
            try $0.succeed([
                "prepare", "--train", "corpus/train.txt", "--valid", "corpus/valid.txt", "--level", "char", "--output",
                "two",
            ])
        },
        Refusal(
            "another vocabulary to evaluate", ["evaluate", "--checkpoint", "run", "--data", "other"], 65,
            ["other", "vocabulary"], preparation: prepareOther),
        Refusal(
            "another vocabulary to resume", ["train", "--run", "run", "--resume", "auto", "--data", "other"], 65,
            ["other", "vocabulary"], preparation: prepareOther),
        Refusal(
            "a foreign file for another vocabulary",
            ["train", "--data", "other", "--run", "new", "--init-from", "weights.safetensors"], 65,
            ["other", "57 tokens", "weights.safetensors"]
        ) {
            try prepareOther($0)
            try FileManager.default.copyItem(
                atPath: $0.path("\(newest)/model.safetensors"), toPath: $0.path("weights.safetensors"))
        },
        Refusal(
            "a changed split", ["evaluate", "--checkpoint", "run", "--data", "corpus"], 65, ["corpus/valid.npy", "SHA-256"]
        ) { try flipBit(of: $0.path("corpus/valid.npy")) },
        Refusal(
            "a text of one character", ["prepare", "--input", "one", "--level", "char", "--output", "new"], 65,
            ["too short for a train part; give more text"]
        ) { _ = try $0.write("a", to: "one") },
        Refusal(
            "text with a foreign character", ["evaluate", "--checkpoint", "run", "--text", "snow"], 65,
            ["snow", "U+2603", "byte 2"]
        ) {
            _ = try $0.write("A \u{2603}\n", to: "snow")
        },
        Refusal(
            "empty text", ["evaluate", "--checkpoint", "run", "--text", "/dev/null"], 65,
            ["/dev/null", "not a text"]),
        Refusal(
            "missing text", ["evaluate", "--checkpoint", "run", "--text", "nowhere"], 65, ["nowhere", "No such file"]),
        Refusal("missing lines", ["score", "--checkpoint", "run", "nowhere"], 65, ["nowhere", "No such file"]),
        Refusal(
            "ids above the vocabulary",
            ["prepare", "--tokens", "--input", "corpus/train.npy", "--vocabulary", "few.txt", "--output", "new"], 65,
            ["corpus/train.npy", "token ", "byte ", "below 2"]
        ) { sandbox in _ = try sandbox.write("a\nb\n", to: "few.txt") },
        Refusal(
            "missing input", ["prepare", "--input", "nowhere", "--level", "char", "--output", "new"], 65,
            ["nowhere", "No such file"]),
        Refusal(
            "input not UTF-8", ["prepare", "--input", "corpus/train.npy", "--level", "char", "--output", "new"], 65,
            ["corpus/train.npy", "UTF-8", "byte 0"]),
    ]

    static let checkpoints = [
        Refusal("missing checkpoint", ["evaluate", "--checkpoint", "nowhere"], 65, ["nowhere", "No such file"]),
        Refusal("dataset as checkpoint", ["generate", "--checkpoint", "corpus"], 65, ["corpus", "not a checkpoint"]),
        Refusal("file as checkpoint", ["score", "--checkpoint", "file"], 65, ["file", "not a safetensors file"]),
        Refusal("nothing to inspect", ["inspect", "nowhere"], 65, ["nowhere", "No such file"]),
        Refusal("inspecting any folder", ["inspect", "."], 65, ["neither a dataset, a run nor a checkpoint"]),
        Refusal(
            "run with checkpoints", ["train", "--data", "corpus", "--run", "run"], 64,
            ["run", "step 400", "--resume auto"]),
        Refusal("resume what is no checkpoint", ["train", "--resume", "corpus"], 65, ["corpus", "not a checkpoint"]),
        Refusal(
            "resume another model", ["train", "--run", "run", "--resume", "auto", "--set", "model.hidden=25"], 64,
            ["model.hidden", "24", "25", "--init-from"]),
        Refusal("truncated model", ["evaluate", "--checkpoint", newest], 65, ["model.safetensors", "truncated"]) {
            try truncate($0.path("\(newest)/model.safetensors"))
        },
        Refusal("truncated state", ["train", "--resume", newest], 65, ["state.safetensors", "truncated"]) {
            try truncate($0.path("\(newest)/state.safetensors"))
        },
        Refusal("flipped bit", ["evaluate", "--checkpoint", newest], 65, ["model.safetensors", "decoder.bias"]) {
            try flipBit(of: $0.path("\(newest)/model.safetensors"))
        },
        Refusal("truncated manifest", ["evaluate", "--checkpoint", newest], 65, ["manifest"]) {
            try truncate($0.path("\(newest)/manifest.json"), by: 40)
        },
        Refusal(
            "all checkpoints damaged", ["train", "--run", "run", "--resume", "auto"], 65,
            ["no usable checkpoint", "step-000000200", "step-000000400"]
        ) {
            for step in [200, 400] { try flipBit(of: "\($0.checkpoint("run", step: step))/state.safetensors") }
        },
        Refusal(
            "weights of another shape",
            [
                "train", "--data", "corpus", "--run", "new", "--init-from", "run", "--set",
                "model={layers: 1, embedding: 9, hidden: 25}",
            ], 65, ["model.safetensors", "can take none of these weights", "rnn.weight_ih_l0", "[100, 9]", "[96, 8]"]),
        Refusal(
            "weights from nowhere", ["train", "--data", "corpus", "--run", "new", "--init-from", "nowhere"], 65,
            ["nowhere", "No such file"]),
        Refusal(
            "weights not safetensors",
            ["train", "--data", "corpus", "--run", "new", "--init-from", "corpus/train.npy"], 65,
            ["corpus/train.npy", "safetensors"]),
        Refusal("run below a file", ["train", "--data", "corpus", "--run", "file/run"], 74, ["file"]),
    ]

    /// Other characters, in another order.
    @Sendable private static func prepareOther(_ sandbox: Sandbox) throws {
        _ = try sandbox.write(
            String(repeating: "The quick brown fox jumps over the lazy dog.\n", count: 200), to: "other.txt")
        try sandbox.succeed(["prepare", "--input", "other.txt", "--level", "char", "--output", "other"])
    }
}
