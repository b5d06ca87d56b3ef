import Checkpoints
import Configuration
import Diagnostics
import Glibc
import Inference
import Reporting

extension Inspection {
    /// The text for people; names from files are made printable.
    var text: String {
        switch self {
        case .dataset(let path, let dataset): "Dataset \(path)\n\n" + dataset.text
        case .run(let path, let checkpoints, let sketch):
            "Run \(path)\n\n" + (sketch.map { $0.text + "\n\n" } ?? "")
                + (checkpoints.isEmpty ? "no checkpoint yet" : CheckpointSummary.table(checkpoints, sketch?.model.measure ?? .tokens))
        case .checkpoint(let path, let manifest, let model, let state):
            """
            Checkpoint \(path)

            \(manifest.text(model))

            model
            \(TensorSummary.table(model))

            state
            \(TensorSummary.table(state))
            """
        case .arpa(let path, let sketch): "ARPA file \(path)\n\n" + sketch.text
        case .tensors(let path, let tensors, let metadata, let model):
            "Safetensors \(path)\n\n" + (model.map { $0.text + "\n\n" } ?? "") + TensorSummary.table(tensors)
                + metadata.filter { model == nil || $0.key != ModelSummary.metadataKey }.sorted { $0.key < $1.key }.map { "\n\nmetadata  \($0.key.printable): \($0.value.printable)" }.joined()
        }
    }
}

extension DatasetSummary {
    fileprivate var text: String {
        // The usual splits in reading order, then any others.
        let order = ["train", "valid", "test"]
        let names = order.filter { splits[$0] != nil } + splits.keys.filter { !order.contains($0) }.sorted()
        let rows = names.map { name in
            let split = splits[name]!
            let share = split.tokens == 0 ? 0 : 100 * Double(split.unknown) / Double(split.tokens)
            let unknown = [Formatting.count(split.unknown), "\(Formatting.fixed(share, decimals: 2)) %"]
            return [name.printable, Formatting.count(split.tokens)] + (values == nil ? unknown : [])
        }
        let sequences = names.map { name -> [String] in
            guard task != nil, let own = splits[name]?.sequences else { return [] }
            return [own.count, own.longest, own.predictions].map { Formatting.count($0) }
        }
        let heading = ["split"] + (values == nil ? ["tokens", "<unk>", "share"] : ["rows"]) + (task == nil ? [] : ["sequences", "longest", "targets"])
        return """
            \(values.map { "a row has \($0.inputs) numbers" } ?? "a token is a \(level.printable); the vocabulary has \(Formatting.count(vocabulary.size))")\(targets)\(origin)

            \(table([heading] + zip(rows, sequences).map { $0 + $1 }, textColumns: [0]))
            """
    }
}

extension DatasetSummary {
    private var targets: String {
        let number = Formatting.count(labels?.count ?? 0)
        return switch task {
        case nil: ""
        case "tags": "\neach \(values == nil ? "token" : "row") has one of \(number) labels"
        case "class": "\neach sequence has one of \(number) labels"
        case "values": "\n\(values?.targets == 1 ? "1 number is" : "\(values?.targets ?? 0) numbers are") predicted"
        default: "\neach sequence is a condition and its continuation, which is predicted"
        }
    }

    private var origin: String {
        let files = options?["sample"] != nil ? "" : (inputs ?? []).map(\.path.printable).joined(separator: ", ")
        let settings = (options ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key.printable) \($0.value.printable)" }.joined(separator: ", ")
        return (files.isEmpty ? "" : "\nmade from \(files)") + (settings.isEmpty ? "" : "\nwith \(settings)")
    }
}

extension RunSketch {
    fileprivate var text: String {
        let end =
            switch ending?.code {
            case 0: "done, step \(ending!.step)"
            case FailureKind.inputOutput.rawValue: "ended by the watchdog, step \(ending!.step)"
            case FailureKind.stopped.rawValue: "stopped on request, step \(ending!.step)"
            default: "running, or killed: no end is recorded"
            }
        return table([["model", model.text], ["data", data.printable], ["state", end]], textColumns: [0, 1])
    }
}

extension ModelSummary {
    var text: String {
        if let order { return "\(order)-gram, vocabulary \(Formatting.count(vocabularySize))" }
        let sizes = hiddenSizes.map { "(\($0.map(String.init).joined(separator: ", ")))" } ?? "\(hidden)"
        let inputs = options?["values"].map { "rows of \($0) numbers".printable } ?? "vocabulary \(Formatting.count(vocabularySize))"
        return "\(cell.printable) \(layers) x \(sizes), embedding \(embedding), \(inputs)\(tied ? ", tied" : "")\(optionsText)\(lineEnd.map { ", line ends \($0.rule.printable)" } ?? "")"
    }

    /// As in ", gates forget, peepholes diagonal".
    private var optionsText: String {
        (options ?? [:]).filter { $0.key != "values" }.sorted { $0.key < $1.key }.map { ", \($0.key) \($0.value.isEmpty ? "none" : $0.value)".printable }.joined()
    }
}

extension CheckpointSummary {
    /// - Parameter measure: what the losses measure.
    fileprivate static func table(_ checkpoints: [CheckpointSummary], _ measure: LossMeasure) -> String {
        let rows = checkpoints.map { checkpoint in
            let pointers = [checkpoint.latest ? "latest" : nil, checkpoint.best ? "best" : nil].compactMap { $0 }
            let loss = checkpoint.validationLoss
            let beside: String? = loss.flatMap(measure.perplexity).map(Formatting.perplexity) ?? loss.flatMap(measure.root).map(short)
            var row: [String] = [checkpoint.name, checkpoint.epoch.map { "\($0)" } ?? "-", loss.map(short) ?? "-"]
            if measure != .labels { row.append(beside ?? "-") }
            row += [checkpoint.bytes.map(Formatting.bytes) ?? "-", pointers.joined(separator: ", "), checkpoint.damage ?? "valid"]
            return row
        }
        let losses =
            switch measure {
            case .tokens: ["validation loss", "perplexity"]
            case .labels: ["validation loss"]
            case .values: ["mean squared error", "root"]
            }
        let heading = ["checkpoint", "epochs done"] + losses + ["size", "pointers", "state"]
        return lockstep.table([heading] + rows, textColumns: [0, heading.count - 2, heading.count - 1])
    }
}

extension Manifest {
    fileprivate func text(_ tensors: [TensorSummary]) -> String {
        // Tied weights are in the file under both names.
        let own = tensors.filter { !(model.tied && $0.name == "decoder.weight") }
        let parameters = own.reduce(0) { $0 + $1.shape.reduce(1, *) }
        let ngrams = (1...16).compactMap { n in tensors.first { $0.name == "ngram.\(n).log_probability" }?.shape.first }
        let measure = model.measure
        func loss(_ value: Double, _ accuracy: Double? = nil) -> String {
            if let root = measure.root(value) { return "\(measure.unit) \(short(value)), root \(short(root))" }
            let beside = accuracy.map { "accuracy \(Formatting.fixed(100 * $0, decimals: 2)) %" }
                ?? measure.perplexity(value).map { "perplexity \(Formatting.perplexity($0))" }
            return (["\(short(value)) \(measure.unit)"] + [beside].compactMap(\.self)).joined(separator: ", ")
        }
        let isOfSentences = (try? RunConfiguration.load(yaml: configuration, name: ""))?.training.batching == .sentences
        var rows = [
            ["saved", "\(created.printable) by lockstep \(programVersion.printable) on \(ranks) rank\(ranks == 1 ? "" : "s")"],
            [
                "model",
                "\(model.text): \(kind == Manifest.ngram ? NGramSketch.text(ngrams) : "\(Formatting.count(parameters)) parameters")",
            ],
            [
                "trained",
                "step \(step): \(epoch) epoch\(epoch == 1 ? "" : "s") and \(Formatting.count(offset)) \(isOfSentences ? "batches" : "tokens per stream") of the next, "
                    + "\(Formatting.count(tokens)) \(measure.noun) in all"
                    + (schedule["elapsed_seconds"].map { ", in \(Formatting.duration(seconds: $0))" } ?? ""),
            ],
        ]
        if let validationLoss { rows.append(["validation", loss(validationLoss)]) }
        if let best { rows.append(["best so far", "\(loss(best.validationLoss, best.accuracy)), at step \(best.step)"]) }
        if let averaging {
            let average = averaging.start.map { step > $0 ? "the model is the average of the weights after steps \($0 + 1) to \(step); the state has the last of them" : "begins with the next step" }
            let count = averaging.validationLosses.count
            rows.append(["averaging", average ?? "has not begun, after \(count) validation\(count == 1 ? "" : "s")"])
        }
        let counters = schedule.filter { $0.key != "elapsed_seconds" && $0.value != 0 }.sorted { $0.key < $1.key }
        if !counters.isEmpty {
            rows.append(["counters", counters.map { "\($0.key.printable) \(short($0.value))" }.joined(separator: ", ")])
        }
        for origin in origins ?? [] {
            let left = origin.left.isEmpty ? "" : ", without \(origin.left.keys.sorted().map(\.printable).joined(separator: ", "))"
            rows.append(["started from", "\(origin.path.printable) (\(origin.option.printable))\(left)"])
        }
        rows.append(["seed", "\(seed)"])
        rows.append(["vocabulary", "SHA-256 \(vocabularyHash.printable)"])
        return table(rows, textColumns: [0, 1])
    }
}

extension TensorSummary {
    fileprivate static func table(_ tensors: [TensorSummary]) -> String {
        let rows = tensors.map { tensor in
            let numbers = tensor.statistics
            // A file may state any number of dimensions.
            let shape = tensor.shape.map(String.init).joined(separator: " x ").printable
            return [
                tensor.name.printable, tensor.dtype, shape.isEmpty ? "scalar" : shape, short(numbers.minimum),
                short(numbers.maximum), short(numbers.mean), short(numbers.rootMeanSquare), "\(numbers.notFinite)",
            ]
        }
        let heading = ["tensor", "dtype", "shape", "min", "max", "mean", "rms", "not finite"]
        return lockstep.table([heading] + rows, textColumns: [0, 1, 2])
    }
}

/// Five significant digits.
private func short(_ value: Double) -> String {
    var buffer = [CChar](repeating: 0, count: 32)
    _ = withVaList([value]) { vsnprintf(&buffer, buffer.count, "%.5g", $0) }
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
