import Diagnostics

/// Why a dataset cannot be made.
package enum PrepareError: DiagnosedError, Equatable {
    case emptyInput(path: String)
    case notAFile(path: String)
    case inputChanged(path: String)
    case emptySplit(Split)
    case noTargets(Split)
    case longSequence(Split, row: Int)
    case symbolsMissing(Split)
    case vocabularyTooSmall(size: Int, smallest: Int)
    case outputExists(folder: String)
    case outputNotEmpty(folder: String)
    case outputHasOtherFiles(folder: String, name: String)

    package var kind: FailureKind {
        switch self {
        case .emptyInput, .notAFile, .inputChanged, .emptySplit, .noTargets, .longSequence, .symbolsMissing: .data
        case .vocabularyTooSmall, .outputExists, .outputNotEmpty, .outputHasOtherFiles: .usage
        }
    }

    package var diagnosis: Diagnosis {
        switch self {
        case .emptyInput(let path): Diagnosis("the file is empty", file: path, remedy: "check the path")
        case .notAFile(let path):
            Diagnosis(
                "not a regular file, as token ids must be in", file: path, remedy: "save the ids to a file with numpy.save and give that")
        case .inputChanged(let path):
            Diagnosis("the file changed while it was read", file: path, remedy: "run prepare again")
        case .emptySplit(let split):
            Diagnosis(
                "the text is too short for a \(split.rawValue) part",
                remedy: split == .train
                    ? "give more text, or with --split, where one text is divided, a larger share of it to train on"
                    : "give more text, or leave the part out; --split gives it 0 percent")
        case .noTargets(let split):
            Diagnosis(
                "the \(split.rawValue) part has no targets: nothing would be predicted", expected: "a row or sequence with a target",
                found: "none", remedy: "check the columns or the array that should have them, or leave the part out")
        case .longSequence(let split, let row):
            Diagnosis(
                "a sequence of the \(split.rawValue) part is too long", location: "row \(row)",
                expected: "at most \(SequenceParser.longestSequence) rows from its start",
                remedy: "cut it with --length, or put blank lines between sequences")
        case .symbolsMissing(let split):
            Diagnosis(
                "the \(split.rawValue) part has characters or bytes that the vocabulary, which has no <unk>, lacks",
                remedy: "prepare it without --vocabulary, or leave them out of the text")
        case .vocabularyTooSmall(let size, let smallest):
            Diagnosis(
                "the vocabulary must have room for its special tokens and one more", location: "--vocabulary-size",
                expected: "at least \(smallest)", found: "\(size)")
        case .outputExists(let folder):
            Diagnosis(
                "there is already a dataset here", file: folder,
                remedy: "give --overwrite to replace it, or another --output")
        case .outputNotEmpty(let folder):
            Diagnosis(
                "the folder is not empty and not a dataset", file: folder, remedy: "choose another --output")
        case .outputHasOtherFiles(let folder, let name):
            Diagnosis(
                "the dataset folder also contains \(name), which would be lost", file: folder,
                remedy: "move it away or choose another --output")
        }
    }
}
