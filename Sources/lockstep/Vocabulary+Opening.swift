import Checkpoints
import Corpus
import Diagnostics
import Files

extension Vocabulary {
    /// The vocabulary of what `path` names: a dataset, checkpoint or run folder, a `vocabulary.json`, or a text file with a
    /// token a line in the order of the ids.
    /// - Throws: `UsageError` for a folder without a vocabulary, or another program's JSON; `FileError`, `CheckpointError`,
    ///   `JSONFileError`, `VocabularyError`, `TokenListError`.
    static func open(_ path: String, note: @escaping @Sendable (String) -> Void) throws -> Vocabulary {
        let path = Folder.withoutSlash(path)
        if Folder.isFolder(path) {
            if Folder.exists("\(path)/vocabulary.json") { return try Vocabulary(contentsOf: "\(path)/vocabulary.json") }
            guard Folder.exists("\(path)/checkpoints") else {
                throw UsageError(
                    "the folder has no vocabulary", location: path,
                    remedy: "give a dataset, run or checkpoint folder, a vocabulary.json, or a text file with a token a line")
            }
            return try Vocabulary(contentsOf: CheckpointStore.resolve(path, note: note).vocabularyPath)
        }
        guard path.hasSuffix(".json") else { return try Vocabulary(listIn: path) }
        do {
            return try Vocabulary(contentsOf: path)
        } catch is JSONFileError {
            // Other programs have vocabularies in JSON, too.
            throw UsageError(
                "not a vocabulary.json of lockstep", location: path,
                remedy: "write the other program's tokens to a text file, one per line in the order of their ids")
        }
    }
}
