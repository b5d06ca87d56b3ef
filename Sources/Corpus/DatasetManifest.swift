/// `dataset.json`: what a dataset folder contains and where it came from. Written last. File names are fixed and never read
/// from here, so that a hostile folder cannot point outside itself.
public struct DatasetManifest: Codable, Equatable, Sendable {
    public struct VocabularyRecord: Codable, Equatable, Sendable {
        /// Number of tokens, V.
        public var size: Int
        /// `Vocabulary.hash`.
        public var hash: String
        /// Size and checksum of `vocabulary.json`.
        public var bytes: Int
        public var sha256: String
    }

    public struct SplitRecord: Codable, Equatable, Sendable {
        public var tokens: Int
        /// How many of them are `<unk>`.
        public var unknown: Int
        /// Size and checksum of the `.npy` file.
        public var bytes: Int
        public var sha256: String

        /// The rate of `<unk>`, such as "5.342 %".
        public var unknownShare: String {
            let thousandths = Int((Double(unknown) / Double(max(tokens, 1)) * 100_000).rounded())
            return "\(thousandths / 1000).\(String(1000 + thousandths % 1000).dropFirst()) %"
        }
    }

    public struct InputRecord: Codable, Equatable, Sendable {
        /// The path as given.
        public var path: String
        public var bytes: Int
        public var sha256: String
    }

    public internal(set) var format = DatasetManifest.formatName
    public internal(set) var version = 1
    public var level: TokenLevel
    public var vocabulary: VocabularyRecord
    public var splits: [Split: SplitRecord]
    public var inputs: [InputRecord]
    /// The options with which the dataset was made.
    public var options: [String: String]

    static let formatName = "lockstep dataset"
    static let fileName = "dataset.json"
    public static let vocabularyFileName = "vocabulary.json"
    static func fileName(of split: Split) -> String { "\(split.rawValue).npy" }
    /// The texts kept with a generated dataset.
    static func textFileName(of split: Split) -> String { "\(split.rawValue).txt" }

    /// All files that a dataset folder may contain.
    static let fileNames = Set(
        [fileName, vocabularyFileName] + Split.allCases.flatMap { [fileName(of: $0), textFileName(of: $0)] })
}
