import Checkpoints
import Corpus
import Files

extension Labels {
    /// The labels of a dataset, run or checkpoint folder; nil if it has none.
    /// - Throws: `FileError`, `JSONFileError`, `LabelsError`, `CheckpointError`.
    static func open(_ path: String) throws -> Labels? {
        let path = Folder.withoutSlash(path)
        guard Folder.isFolder(path) else { return nil }
        let file = "\(path)/\(DatasetManifest.labelsFileName)"
        if Folder.exists(file) { return try Labels(contentsOf: file) }
        guard Folder.exists("\(path)/manifest.json") || Folder.exists("\(path)/checkpoints"),
            let names = try CheckpointStore.resolve(path, note: { _ in }).manifest.model.labels
        else { return nil }
        return Labels(names, counts: names.map { _ in 0 })
    }
}
