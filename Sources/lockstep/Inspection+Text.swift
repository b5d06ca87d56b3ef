import Checkpoints
import Glibc

extension Inspection {
    /// For people; names from files are made harmless.
    var text: String {
        switch self {
        case .dataset(let path, let dataset): "Dataset \(path)\n\n" + dataset.text
        case .run(let path, let checkpoints):
            "Run \(path)\n\n" + (checkpoints.isEmpty ? "no checkpoint yet" : CheckpointSummary.table(checkpoints))
        case .checkpoint(let path, let manifest, let model, let state):
            """
            Checkpoint \(path)

            \(manifest.text)

            model
            \(TensorSummary.table(model))

            state
            \(TensorSummary.table(state))
            """
        case .tensors(let path, let tensors, let metadata):
            "Safetensors \(path)\n\n" + TensorSummary.table(tensors)
                + metadata.sorted { $0.key < $1.key }.map { "\n\($0.key.printable)  \($0.value.printable)" }.joined()
        }
    }
}

extension DatasetSummary {
    fileprivate var text: String {
        // Reading order of the usual splits, should there be others.
        let order = ["train", "valid", "test"]
        let names = order.filter { splits[$0] != nil } + splits.keys.filter { !order.contains($0) }.sorted()
        let rows = names.map { [$0.printable, "\(splits[$0]!.tokens)", "\(splits[$0]!.unknown)"] }
        return """
            level       \(level.printable)
            vocabulary  \(vocabulary.size)

            \(table([["split", "tokens", "unknown"]] + rows, textColumns: [0]))
            """
    }
}

extension CheckpointSummary {
    fileprivate static func table(_ checkpoints: [CheckpointSummary]) -> String {
        let rows = checkpoints.map { checkpoint in
            let pointers = [checkpoint.latest ? "latest" : nil, checkpoint.best ? "best" : nil].compactMap { $0 }
            return [
                checkpoint.name, checkpoint.epoch.map { "\($0)" } ?? "-", checkpoint.validationLoss.map(short) ?? "-",
                checkpoint.bytes.map { "\($0)" } ?? "-", pointers.joined(separator: ", "), checkpoint.damage ?? "valid",
            ]
        }
        let heading = ["checkpoint", "epochs done", "validation loss", "bytes", "pointers", "state"]
        return lockstep.table([heading] + rows, textColumns: [0, 4, 5])
    }
}

extension Manifest {
    fileprivate var text: String {
        var rows = [
            ["saved", "\(created.printable) by lockstep \(programVersion.printable), ranks \(ranks)"],
            [
                "model",
                "\(model.cell.printable), layers \(model.layers), embedding \(model.embedding), hidden \(model.hidden), "
                    + "vocabulary \(model.vocabularySize)\(model.tied ? ", tied" : "")",
            ],
            ["position", "step \(step), epoch \(epoch), offset \(offset), tokens \(tokens)"],
        ]
        if let validationLoss { rows.append(["validation", "\(short(validationLoss)) nats per token"]) }
        if let best { rows.append(["best", "\(short(best.validationLoss)) nats per token at step \(best.step)"]) }
        let schedule = schedule.sorted { $0.key < $1.key }.map { "\($0.key.printable) \(short($0.value))" }
        rows.append(["schedule", schedule.joined(separator: ", ")])
        rows.append(["seed", "\(seed)"])
        rows.append(["vocabulary", vocabularyHash.printable])
        return table(rows, textColumns: [0, 1])
    }
}

extension TensorSummary {
    fileprivate static func table(_ tensors: [TensorSummary]) -> String {
        let rows = tensors.map { tensor in
            let numbers = tensor.statistics
            // Dimensions are the file's word: as many as it likes.
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
