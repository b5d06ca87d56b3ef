import Diagnostics

/// What can be wrong with a checkpoint folder or a run folder.
package enum CheckpointError: DiagnosedError, Equatable {
    case notACheckpoint(path: String, missing: String)
    case unreadableManifest(file: String, reason: String)
    case otherFormat(file: String, found: Int, supported: ClosedRange<Int>)
    /// A file that the manifest lists is missing, or is a link or pipe.
    case missingFile(path: String)
    case wrongSize(path: String, expected: Int, found: Int)
    case damagedTensor(file: String, tensor: String, expected: String, found: String)
    /// A change outside the tensors: in the header, the vocabulary or the manifest.
    case damagedFile(path: String, expected: String, found: String)
    /// The dataset's vocabulary is no longer the one with which the training started.
    case otherVocabulary(path: String, expected: String, found: String)
    /// NaN or infinity among the tensor's values.
    case notFinite(file: String, tensor: String)
    /// There are checkpoints, or there should be, but none can be used.
    case noneUsable(folder: String, reasons: [String])
    case noCheckpointYet(folder: String)
    case invalidPointer(path: String)
    case inUse(folder: String, holder: String)

    /// The lock may soon be free again, so this is not a usage error.
    package var kind: FailureKind { if case .inUse = self { .inputOutput } else { .data } }

    package var diagnosis: Diagnosis {
        switch self {
        case .notACheckpoint(let path, let missing):
            Diagnosis(
                "not a checkpoint: no \(missing) in it", file: path,
                remedy: "pass a run folder or one of its checkpoints/step-... folders")
        case .unreadableManifest(let file, let reason):
            Diagnosis("unreadable manifest: \(reason)", file: file, remedy: "use another checkpoint")
        case .otherFormat(let file, let found, let supported):
            Diagnosis(
                "this program cannot read the checkpoint's format", file: file,
                expected: "version \(supported.lowerBound) to \(supported.upperBound)", found: "\(found)",
                remedy: found > supported.upperBound ? "use a newer lockstep" : "use another checkpoint")
        case .missingFile(let path):
            Diagnosis("missing from the checkpoint, or not a regular file", file: path, remedy: "use another checkpoint")
        case .wrongSize(let path, let expected, let found):
            Diagnosis(
                found < expected ? "truncated" : "longer than when it was saved", file: path,
                expected: "\(expected) bytes", found: "\(found)", remedy: "use another checkpoint")
        case .damagedTensor(let file, let tensor, let expected, let found):
            Diagnosis(
                "the tensor's data has changed since it was saved", file: file, location: tensor.printable,
                expected: "SHA-256 \(expected.printable)", found: found, remedy: "use another checkpoint")
        case .damagedFile(let path, let expected, let found):
            Diagnosis(
                "the file has changed since it was saved", file: path, expected: "SHA-256 \(expected.printable)",
                found: found, remedy: "use another checkpoint")
        case .otherVocabulary(let path, let expected, let found):
            Diagnosis(
                "the vocabulary has changed since the training started", file: path, expected: "SHA-256 \(expected)",
                found: found, remedy: "put the dataset back as it was")
        case .notFinite(let file, let tensor):
            Diagnosis(
                "the tensor holds values that are not finite: the run had diverged when it was saved", file: file,
                location: tensor.printable, found: "NaN or infinity", remedy: "use an earlier checkpoint, with a lower learning rate")
        case .noneUsable(let folder, let reasons):
            Diagnosis(
                "no usable checkpoint: \(reasons.joined(separator: " | "))", file: folder,
                remedy: "repair or move these folders away; nothing was overwritten")
        case .noCheckpointYet(let folder):
            Diagnosis("the run has no checkpoint yet", file: folder, remedy: "train first, or pass another folder")
        case .invalidPointer(let path):
            Diagnosis(
                "does not hold the name of a checkpoint", file: path, expected: "step- and at least nine digits",
                remedy: "remove the file")
        case .inUse(let folder, let holder):
            Diagnosis(
                "another job is training in this run folder", file: folder, found: "process \(holder.printable)",
                remedy: "wait for it to end, or choose another run folder")
        }
    }
}
