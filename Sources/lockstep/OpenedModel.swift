import Checkpoints
import Configuration
import Corpus
import Diagnostics
import Files
import Recurrent
import Training

/// A checkpoint with its model and vocabulary in memory, for evaluate, generate and score.
struct OpenedModel {
    let checkpoint: LoadedCheckpoint
    let configuration: ModelConfiguration
    let parameters: Arena
    let vocabulary: Vocabulary

    /// - Parameters:
    ///   - path: a checkpoint or run folder.
    ///   - announcing: print notes (an unusable best checkpoint, say); on one rank only.
    init(_ path: String, announcing: Bool = true) throws {
        checkpoint = try CheckpointStore.resolve(Folder.withoutSlash(path)) { if announcing { Failure.say("note: \($0)") } }
        (configuration, parameters) = try ModelFile.load(checkpoint)
        vocabulary = try Vocabulary(contentsOf: checkpoint.vocabularyPath)
        guard vocabulary.count == configuration.vocabulary else {
            throw OtherVocabulary(
                file: checkpoint.vocabularyPath, expected: "\(configuration.vocabulary) tokens",
                found: "\(vocabulary.count) tokens")
        }
    }

    /// Where the training data was, from the configuration in the manifest.
    func dataFolder() throws -> String {
        let manifest = "\(checkpoint.folder)/manifest.json"
        let folder = try RunConfiguration.load(yaml: checkpoint.manifest.configuration, name: manifest).data.path
        guard Folder.isFolder(folder) else { throw DataNotThere(folder: folder) }
        return folder
    }

    /// Ids mean the same words only with the same vocabulary.
    func require(_ dataset: Dataset) throws {
        guard dataset.vocabulary.hash == checkpoint.manifest.vocabularyHash else {
            throw OtherVocabulary(
                file: dataset.folder, expected: checkpoint.manifest.vocabularyHash, found: dataset.vocabulary.hash)
        }
    }
}

/// Data prepared with another vocabulary than the model's.
struct OtherVocabulary: DiagnosedError {
    let file: String
    let expected: String
    let found: String
    var remedy = "use the dataset that the model was trained on, or evaluate a text file with --text"

    var kind: FailureKind { .data }
    var diagnosis: Diagnosis {
        Diagnosis(
            "the data's vocabulary is not the checkpoint's", file: file, expected: expected, found: found, remedy: remedy)
    }
}

/// The dataset folder that a configuration names, seen from another working directory perhaps.
struct DataNotThere: DiagnosedError {
    let folder: String

    var kind: FailureKind { .data }
    var diagnosis: Diagnosis {
        Diagnosis(
            "the data that the model was trained on is not there", file: folder,
            remedy: "say where it is with --data FOLDER, or evaluate a text file with --text")
    }
}

/// Text that was in memory when it turned out not to fit the vocabulary, with the place it came from.
struct UnreadableText: DiagnosedError {
    let file: String
    var line: Int?
    let cause: TextError

    var kind: FailureKind { cause.kind }
    var diagnosis: Diagnosis {
        var diagnosis = cause.diagnosis
        diagnosis.file = file
        diagnosis.location = [line.map { "line \($0)" }, diagnosis.location].compactMap { $0 }.joined(separator: ", ")
        return diagnosis
    }
}
