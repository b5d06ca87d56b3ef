import Checkpoints
import Collectives
import Configuration
import Corpus
import Diagnostics
import Training

/// A dataset as a run reads it, the same on all ranks.
struct TrainingData {
    let dataset: Dataset
    let training: TokenStore
    /// nil if the dataset has no such part.
    let validation: TokenStore?
    /// Nil for a run on streams.
    let sequences: TrainingSequences?

    /// Collective.
    /// - Parameters:
    ///   - configuration: says how the data are read.
    ///   - recipe: a file that may say how to make the dataset.
    ///   - checkpoint: that of the resumed run, whose data these must be.
    init(
        _ configuration: RunConfiguration, recipe: String?, continuing checkpoint: LoadedCheckpoint?, _ communicator: any Communicator
    ) throws {
        (dataset, training, validation, sequences) = try communicator.together("opening the dataset") {
            let dataset = try Dataset(folder: configuration.data.path, recipe: recipe)
            return (
                dataset, try dataset.tokens(of: .train),
                dataset.splits.contains(.valid) ? try dataset.tokens(of: .valid) : nil,
                try TrainingSequences(dataset, configuration)
            )
        }
        try communicator.agree(on: dataset.hash, named: "the dataset's SHA-256", kind: .data)
        guard let checkpoint else { return }
        try communicator.together("comparing the dataset with the checkpoint's") { [dataset] in
            try TrainingData.compare(dataset, with: checkpoint)
        }
    }

    private static func compare(_ dataset: Dataset, with checkpoint: LoadedCheckpoint) throws {
        let remedy = "use the dataset with which the run started, or start a new run"
            + (checkpoint.initFrom.map { ", with \($0) to keep the weights" } ?? "")
        guard dataset.vocabulary.hash == checkpoint.manifest.vocabularyHash else {
            throw OtherVocabulary(
                file: dataset.folder, expected: checkpoint.manifest.vocabularyHash,
                found: dataset.vocabulary.hash, remedy: remedy)
        }
        if let labels = checkpoint.manifest.model.labels, labels != dataset.labels?.names {
            throw UsageError(
                "a resumed run cannot change its labels", location: "\(dataset.folder)/\(DatasetManifest.labelsFileName)",
                expected: "the \(labels.count) of the checkpoint", found: "\(dataset.labels?.count ?? 0), not all of them the same", remedy: remedy)
        }
        // The best checkpoint and the plateau schedule compare losses of one text. A part that the run had not is no change.
        let parts = [("train", "training"), ("valid", "validation")]
        for (file, part) in parts.flatMap({ part in ["", ".inputs", ".targets", ".sequences"].map { ("\(part.0)\($0).npy", part.1) } }) {
            let (then, now) = (checkpoint.manifest.datasetFiles[file], dataset.hashes[file])
            guard then != now, part == "training" || then != nil else { continue }
            throw UsageError(
                "a resumed run cannot change its \(part) data", location: "\(dataset.folder)/\(file)",
                expected: "SHA-256 \(then ?? "unknown")", found: now ?? "no such part", remedy: remedy)
        }
    }
}
