import Files
import TestSupport

@testable import Corpus

/// The files of a dataset folder, and what `prepare --tokens` takes.
extension Parser {
    static let pythonWords = [
        "'descr'", "'fortran_order'", "'shape'", "'<u2'", "'<u4'", "'<i8'", "'>u2'", "True", "False", "(", ")", "(,)", "{", "}",
        "'", "\"", ",", ":", "\u{93}NUMPY", " ", "\n", "\u{0}",
    ]

    /// `numpy.save` of the numbers from 0 up.
    private static func array(_ type: ArrayHeader.ElementType, count: Int, version: UInt8 = 1) -> [UInt8] {
        let text = "{'descr': '\(type.rawValue)', 'fortran_order': False, 'shape': (\(count),), }\n"
        let length = (0..<(version == 1 ? 2 : 4)).map { UInt8(truncatingIfNeeded: text.utf8.count >> ($0 * 8)) }
        let data = (0..<count).flatMap { token in (0..<type.size).map { UInt8(truncatingIfNeeded: token >> ($0 * 8)) } }
        return [0x93] + Array("NUMPY".utf8) + [version, 0] + length + Array(text.utf8) + data
    }

    /// A token file, as training and evaluation read it.
    static func tokenFile(in folder: String) -> Parser {
        let path = "\(folder)/train.npy"
        let originals = [array(.unsigned16, count: 40), array(.unsigned32, count: 9), array(.unsigned16, count: 3, version: 2)]
        return Parser("npy", originals, words: pythonWords, at: path) {
            let store = try TokenStore(contentsOf: path)
            try store.validate(vocabularySize: 40)
            _ = store.tokens(in: 0..<store.count)
        }
    }

    /// Another program's ids.
    static func tokenInput(in folder: String) -> Parser {
        let path = "\(folder)/ids.npy"
        let originals = ArrayHeader.ElementType.integers.map { array($0, count: 10) } + [array(.signed64, count: 3, version: 2)]
        return Parser("ids", originals, words: pythonWords, at: path) {
            let input = try TokenInput(path)
            var count = 0
            try input.forEachBlock(in: 0..<input.count, below: 10) { count += $0.count }
            precondition(count == input.count)
        }
    }

    /// Another program's tokens.
    static func tokenList(in folder: String) -> Parser {
        let path = "\(folder)/pieces.txt"
        let originals = ["<unk>\n\u{2581}the\ncat\n<eos>\n", "\u{FEFF}a\r\nb\r\nc", "語\né\n😀\n"].map { Array($0.utf8) }
        let words = ["\n", "\r\n", "\r", " ", "<unk>", "<eos>", "a", "\u{FEFF}", "\u{0}", "\u{85}"]
        return Parser("pieces", originals, words: words, at: path) { try use(Vocabulary(listIn: path)) }
    }

    /// A compressed text, as it is encoded for evaluation.
    static func gzip(in folder: String) throws -> Parser {
        let path = "\(folder)/text"
        let texts = ["the cat\nsat\n", "\u{FEFF}é\r\n", String(repeating: "on the mat\n", count: 900)].map { Array($0.utf8) }
        let originals = texts.map(gzipped) + [gzipped(texts[0]) + gzipped(texts[2]) + [0, 0]]
        let vocabulary = try Vocabulary(contentsOf: "\(dataset(.word, in: folder))/vocabulary.json")
        let words = ["\u{1F}", "\u{8}", "\u{0}\u{0}\u{0}\u{0}", "BZh", "\u{4}", "\n", "PK"]
        return Parser("gzip", originals, words: words, at: path) {
            let text = try vocabulary.encode(contentsOf: path, limit: 1 << 20)
            precondition(text.tokens.tokens(in: 0..<text.tokens.count).count { Int($0) == vocabulary.unknown } == text.unknown)
        }
    }

    static func vocabulary(in folder: String) throws -> Parser {
        let path = "\(folder)/vocabulary.json"
        let originals = try TokenLevel.allCases.map { try File.contents(of: "\(try dataset($0, in: folder))/vocabulary.json") }
        let words = ["\"<unk>\"", "\"<eos>\"", "\"level\"", "\"word\"", "\"byte\"", "\"character\"", "\"piece\"", "\"unknown\" : 0,"]
        return Parser("vocabulary", originals, words: json + words, at: path) { try use(Vocabulary(contentsOf: path)) }
    }

    /// `dataset.json`, beside valid files.
    static func dataset(in folder: String) throws -> Parser {
        let data = try dataset(.character, in: folder)
        let original = try File.contents(of: "\(data)/dataset.json")
        let words = ["\"splits\"", "\"train\"", "\"valid\"", "\"tokens\"", "\"unknown\"", "\"bytes\"", "\"word\"", "\"../x\""]
        return Parser("dataset", [original], words: json + words, at: "\(data)/dataset.json") {
            let dataset = try Dataset(folder: data)
            for split in dataset.splits { _ = try dataset.tokens(of: split).count }
            _ = dataset.manifest.splits.values.map(\.unknownShare)
        }
    }

    /// Vocabularies that are accepted work.
    private static func use(_ vocabulary: Vocabulary) throws {
        do {
            let ids = try vocabulary.encode(Array("the cat\n".utf8))
            precondition(ids.allSatisfy { 0..<vocabulary.count ~= Int($0) })
        } catch TextError.notInVocabulary {}
        _ = vocabulary.decode((0..<Int32(vocabulary.count)))
        _ = try vocabulary.json()
    }

    /// A small dataset.
    static func dataset(_ level: TokenLevel, in folder: String) throws -> String {
        let output = "\(folder)/\(level.rawValue)"
        let text = "\(folder)/text"
        let file = try File.open(text, .write)
        try file.write("the cat sat on the mat\nthe end é\n")
        try file.close()
        let array = try File.open("\(folder)/array", .write)
        try Self.array(.unsigned16, count: 4).withUnsafeBytes { try array.write($0) }
        try array.close()
        var options = DatasetWriter.Options(level: level)
        options.overwrite = true
        options.recipe = ["level": level.rawValue]
        let writer = try DatasetWriter(options)
        if level == .piece {
            let list = try File.open("\(folder)/list", .write)
            try list.write("<unk>\nthe\ncat\n<eos>\n")
            try list.close()
            _ = try writer.write(
                tokens: .separate(train: array.path, valid: array.path, test: nil),
                vocabulary: Vocabulary(listIn: list.path), to: output)
        } else {
            _ = try writer.write(.separate(train: text, valid: text, test: nil), to: output)
        }
        return output
    }
}
