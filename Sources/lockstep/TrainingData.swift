import Checkpoints
import Collectives
import Configuration
import Corpus
import Diagnostics

/// A dataset as a run reads it, the same on all ranks.
struct TrainingData {
    let dataset: Dataset
    let training: TokenStore
    /// nil if the dataset has no such part.
    let validation: TokenStore?

    /// Collective.
    /// - Parameters:
    ///   - recipe: a file that may say how to make the dataset.
    ///   - checkpoint: that of the resumed run, whose data these must be.
    init(
        folder: String, recipe: String?, continuing checkpoint: LoadedCheckpoint?, _ communicator: any Communicator
    ) throws {
        (dataset, training, validation) = try communicator.together("opening the dataset") {
            let dataset = try Dataset(folder: folder, recipe: recipe)
            return (
                dataset, try dataset.tokens(of: .train),
                dataset.splits.contains(.valid) ? try dataset.tokens(of: .valid) : nil
            )
        }
        try communicator.agree(on: dataset.hash, named: "the dataset's SHA-256", kind: .data)
        guard let checkpoint else { return }
        try communicator.together("comparing the dataset with the checkpoint's") { [dataset] in
            try TrainingData.compare(dataset, with: checkpoint)
        }
    }

    private static func compare(_ dataset: Dataset, with checkpoint: LoadedCheckpoint) throws {
        let remedy = "use the dataset with which the run started, or start a new run, with --init-from \(checkpoint.folder.shellWord) to keep the weights"
        guard dataset.vocabulary.hash == checkpoint.manifest.vocabularyHash else {
            throw OtherVocabulary(
                file: dataset.folder, expected: checkpoint.manifest.vocabularyHash,
                found: dataset.vocabulary.hash, remedy: remedy)
        }
        // The best checkpoint and the plateau schedule compare losses of one text. A part that the run had not is no change.
        for (file, part) in [("train.npy", "training"), ("valid.npy", "validation")] {
            let (then, now) = (checkpoint.manifest.datasetFiles[file], dataset.hashes[file])
            guard then != now, part == "training" || then != nil else { continue }
            throw UsageError(
                "a resumed run cannot change its \(part) data", location: "\(dataset.folder)/\(file)",
                expected: "SHA-256 \(then ?? "unknown")", found: now ?? "no such part", remedy: remedy)
        }
    }
}
