import Checkpoints
import Diagnostics

/// What a checkpoint holds, by its manifest's `kind`, and how it is opened.
package enum ModelFormat: String, CaseIterable {
    /// A recurrent network: parameters in `model.safetensors`.
    case recurrent
    /// Counts of n-grams, as probabilities: `NGramFile`.
    case ngram

    /// - Throws: `ModelFileError.unknown` for a kind of a later version.
    package init(of checkpoint: LoadedCheckpoint) throws {
        guard let format = ModelFormat(rawValue: checkpoint.manifest.kind) else {
            throw ModelFileError.unknown(
                what: "kind of model", file: checkpoint.folder, found: checkpoint.manifest.kind,
                known: ModelFormat.allCases.map(\.rawValue))
        }
        self = format
    }

    /// The model of a checkpoint.
    /// - Throws: `ModelFileError`, `NGramModelError`, `SafetensorsError`.
    package static func open(_ checkpoint: LoadedCheckpoint) throws -> any TokenPredictor {
        switch try ModelFormat(of: checkpoint) {
        case .recurrent:
            let (configuration, parameters) = try ModelFile.load(checkpoint)
            return RecurrentPredictor(configuration, parameters: parameters)
        case .ngram: return NGramPredictor(try NGramFile.load(checkpoint))
        }
    }
}
