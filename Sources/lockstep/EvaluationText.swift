import Collectives
import Corpus
import Diagnostics
import Files

/// The tokens to score and where they came from.
struct EvaluationText {
    let tokens: TokenStore
    let path: String
    /// Nil for a text.
    let split: Split?
    let hash: String
    /// How many of them are `<unk>`.
    let unknown: Int

    /// What ranks that read it must agree on.
    var identity: [(name: String, value: String)] { [("the data's SHA-256", hash)] }

    /// A text is not read beyond this many bytes.
    private static let longestText = 1 << 32

    /// Collective. A dataset is opened by every rank, a text read by rank 0 and sent to the others: a pipe can be read only
    /// once, and they then have the same.
    /// - Throws: `CollectiveFailure`.
    init(data: String?, text: String?, split: Split, model: OpenedModel, _ communicator: any Communicator) throws {
        if let text {
            let encoded = try EvaluationText.share(text, vocabulary: model.vocabulary, communicator)
            tokens = encoded.tokens
            path = encoded.tokens.path
            self.split = nil
            hash = encoded.sha256
            unknown = encoded.unknown
        } else {
            let dataset = try communicator.together("opening the dataset") {
                let dataset = try Dataset(folder: data.map(Folder.withoutSlash) ?? model.dataFolder())
                try model.require(dataset)
                try dataset.verifyChecksum(of: split)
                return (folder: dataset.folder, tokens: try dataset.tokens(of: split), record: dataset.manifest.splits[split])
            }
            tokens = dataset.tokens
            path = dataset.folder
            self.split = split
            hash = dataset.record?.sha256 ?? ""
            unknown = dataset.record?.unknown ?? 0
        }
    }

    private static func share(
        _ text: String, vocabulary: Vocabulary, _ communicator: any Communicator
    ) throws -> EncodedText {
        let isFirst = communicator.rank == 0
        let own = try communicator.together("reading the text") {
            isFirst ? try vocabulary.encode(contentsOf: text, limit: longestText) : nil
        }
        let hash = try communicator.broadcast(own?.sha256 ?? "")
        var numbers = [own?.tokens.count ?? 0, own?.unknown ?? 0]
        try numbers.withUnsafeMutableBytes { try communicator.broadcast($0, from: 0) }
        let spool = try communicator.together("making room for the text") {
            isFirst ? nil : try TokenSpool(vocabularySize: vocabulary.count, named: text)
        }
        var block = [Int32](repeating: 0, count: 1 << 20)
        // A rank whose disk is full continues to receive, because the others wait for it.
        var failure: (any Error)?
        for start in stride(from: 0, to: communicator.size == 1 ? 0 : numbers[0], by: block.count) {
            let count = min(block.count, numbers[0] - start)
            if let own { block.replaceSubrange(..<count, with: own.tokens.tokens(in: start..<start + count)) }
            try block.withUnsafeMutableBufferPointer { block in
                let part = UnsafeMutableBufferPointer(rebasing: block[..<count])
                try communicator.broadcast(UnsafeMutableRawBufferPointer(part), from: 0)
                do { if failure == nil { try spool?.append(UnsafeBufferPointer(part)) } } catch { failure = error }
            }
        }
        return try communicator.together("keeping the text") {
            if let failure { throw failure }
            return try own ?? EncodedText(tokens: spool!.store(), sha256: hash, unknown: numbers[1])
        }
    }
}
