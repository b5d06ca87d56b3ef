import Collectives
import Corpus
import Diagnostics
import Files

/// A part of a dataset from which something was learned for an evaluation, for its certificate.
struct DatasetPart: Encodable {
    let data: String
    let split: String
    let dataSha256: String

    /// Collective. Opens a part.
    /// - Parameters:
    ///   - data: the dataset; nil for one that a model was trained on.
    ///   - models: of one vocabulary.
    ///   - purpose: what it is for, as in "find the weights".
    ///   - remedy: what to do without it.
    /// - Throws: `CollectiveFailure`.
    static func open(
        _ split: Split, of data: String?, for models: [OpenedModel], to purpose: String, remedy: String, _ communicator: any Communicator
    ) throws -> (text: TokenStore, DatasetPart) {
        let name = split == .valid ? "validation" : split == .train ? "training" : "test"
        let (text, part) = try communicator.together("opening the \(name) part") {
            guard let folder = data.map(Folder.withoutSlash) ?? models.lazy.compactMap({ try? $0.dataFolder() }).first else {
                throw UsageError(
                    "the data that the model was trained on are not there, with the \(name) part to \(purpose)", location: models[0].path,
                    remedy: "\(remedy), or name the data of evaluate with --data")
            }
            let dataset = try Dataset(folder: folder)
            try models[0].require(dataset)
            guard dataset.splits.contains(split) else {
                throw UsageError("the dataset has no \(name) part to \(purpose)", location: dataset.folder, remedy: remedy)
            }
            try dataset.verifyChecksum(of: split)
            let hash = dataset.manifest.splits[split]?.sha256 ?? ""
            return (try dataset.tokens(of: split), DatasetPart(data: dataset.folder.legible, split: split.rawValue, dataSha256: hash))
        }
        try communicator.agree(on: part.dataSha256, named: "the \(name) part's SHA-256", kind: .data)
        return (text, part)
    }
}
