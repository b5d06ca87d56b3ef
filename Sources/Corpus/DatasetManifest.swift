/// `dataset.json`: what a dataset folder contains and where it came from. Written last. File names are fixed and never read
/// from here, so that a hostile folder cannot point outside itself.
package struct DatasetManifest: Codable, Equatable, Sendable {
    package struct VocabularyRecord: Codable, Equatable, Sendable {
        /// Number of tokens, V.
        package var size: Int
        /// `Vocabulary.hash`.
        package var hash: String
        /// Size and checksum of `vocabulary.json`.
        package var bytes: Int
        package var sha256: String
    }

    package struct SplitRecord: Codable, Equatable, Sendable {
        package var tokens: Int
        /// How many of them are `<unk>`.
        package var unknown: Int
        /// Size and checksum of the `.npy` file.
        package var bytes: Int
        package var sha256: String
        /// Nil for a text without targets of its own.
        package var sequences: SequencesRecord?

        /// The rate of `<unk>`, such as "5.342 %".
        package var unknownShare: String {
            let thousandths = Int((Double(unknown) / Double(max(tokens, 1)) * 100_000).rounded())
            return "\(thousandths / 1000).\(String(1000 + thousandths % 1000).dropFirst()) %"
        }
    }

    /// The sequences of a split and their targets.
    package struct SequencesRecord: Codable, Equatable, Sendable {
        package var count: Int
        /// Tokens of the longest.
        package var longest: Int
        /// Tokens that have a target.
        package var predictions: Int
        package var targets: FileRecord
        package var starts: FileRecord
    }

    /// Size and checksum of a file.
    package struct FileRecord: Codable, Equatable, Sendable {
        package var bytes: Int
        package var sha256: String
    }

    package struct LabelsRecord: Codable, Equatable, Sendable {
        package var count: Int
        /// `Labels.hash`.
        package var hash: String
    }

    package struct InputRecord: Codable, Equatable, Sendable {
        /// The path as given.
        package var path: String
        package var bytes: Int
        package var sha256: String
    }

    package internal(set) var format = DatasetManifest.formatName
    package internal(set) var version = 1
    package var level: TokenLevel
    package var vocabulary: VocabularyRecord
    package var splits: [Split: SplitRecord]
    package var inputs: [InputRecord]
    /// The options with which the dataset was made.
    package var options: [String: String]
    /// What the targets are; nil for a text whose targets are its next tokens.
    package var task: SequenceTask?
    /// Nil where targets are no labels.
    package var labels: LabelsRecord?
    /// Nil for tokens.
    package var values: ValuesRecord?

    /// Numbers in place of tokens.
    package struct ValuesRecord: Codable, Equatable, Sendable {
        /// D, of each row of inputs.
        package var inputs: Int
        /// K, of each row of targets; nil where these are labels.
        package var targets: Int?
    }

    /// The file that a split's tokens, or the numbers in place of them, are in.
    func readFileName(of split: Split) -> String {
        values == nil ? DatasetManifest.fileName(of: split) : DatasetManifest.inputsFileName(of: split)
    }

    static let formatName = "lockstep dataset"
    static let fileName = "dataset.json"
    package static let vocabularyFileName = "vocabulary.json"
    static func fileName(of split: Split) -> String { "\(split.rawValue).npy" }
    /// Of a dataset of numbers, in place of tokens.
    static func inputsFileName(of split: Split) -> String { "\(split.rawValue).inputs.npy" }
    static func targetsFileName(of split: Split) -> String { "\(split.rawValue).targets.npy" }
    static func sequencesFileName(of split: Split) -> String { "\(split.rawValue).sequences.npy" }
    package static let labelsFileName = "labels.json"
    /// The texts kept with a generated dataset.
    static func textFileName(of split: Split) -> String { "\(split.rawValue).txt" }

    /// All files that a dataset folder may contain.
    static let fileNames = Set(
        [fileName, vocabularyFileName, labelsFileName]
            + Split.allCases.flatMap { [fileName(of: $0), textFileName(of: $0), inputsFileName(of: $0), targetsFileName(of: $0), sequencesFileName(of: $0)] })
}
