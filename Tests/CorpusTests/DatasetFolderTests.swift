import Diagnostics
import Files
import Glibc
import Testing

@testable import Corpus

/// The folder that a dataset is written to, and what opening it finds.
@Suite struct DatasetFolderTests {
    private let folder = TemporaryFolder()

    private func prepare(to output: String, overwrite: Bool) throws {
        var options = DatasetWriter.Options(level: .byte)
        options.overwrite = overwrite
        let input = try folder.write("abc", as: "input")
        _ = try DatasetWriter(options).write(.separate(train: input, valid: input, test: nil), to: output)
    }

    @Test func onlyADatasetIsReplacedAndOnlyOnRequest() throws {
        let output = "\(folder.path)/new/data"
        try prepare(to: output + "/", overwrite: false)
        #expect(throws: PrepareError.outputExists(folder: output)) { try prepare(to: output, overwrite: false) }
        let stranger = try folder.write("mine", as: "new/data/notes.txt")
        #expect(throws: PrepareError.outputHasOtherFiles(folder: output, name: "notes.txt")) {
            try prepare(to: output, overwrite: true)
        }
        try Folder.remove(stranger)
        try Folder.remove("\(output)/test.npy")
        _ = try folder.write("old", as: "new/data/test.txt")
        try prepare(to: output, overwrite: true)
        #expect(try Folder.names(in: output) == ["dataset.json", "train.npy", "valid.npy", "vocabulary.json"])
        #expect(try Folder.names(in: "\(folder.path)/new") == ["data"])
    }

    @Test func otherFoldersAreLeftAlone() throws {
        let precious = try folder.write("x", as: "precious")
        #expect(throws: PrepareError.outputNotEmpty(folder: folder.path)) {
            try prepare(to: folder.path, overwrite: true)
        }
        #expect(throws: FileError.self) { try prepare(to: precious, overwrite: true) }
        #expect(try File.contents(of: precious) == bytes("x"))
        #expect(try Folder.names(in: folder.path) == ["input", "precious"])
        try Folder.create("\(folder.path)/empty")
        try prepare(to: "\(folder.path)/empty", overwrite: false)
        #expect(Folder.exists("\(folder.path)/empty/dataset.json"))
    }

    @Test func sameTextSameHash() throws {
        let first = try dataset(.byte, train: bytes("abc"), valid: bytes("b"), in: folder).dataset
        let other = TemporaryFolder()
        #expect(
            try dataset(.byte, train: bytes("abc"), valid: bytes("b"), bufferSize: 1, in: other).dataset.hash
                == first.hash)
        #expect(try dataset(.byte, train: bytes("abc"), valid: bytes("c"), in: other).dataset.hash != first.hash)
    }

    @Test func damageIsFoundOnOpening() throws {
        let path = "\(folder.path)/data"
        func make() throws { _ = try dataset(.character, train: bytes("abc"), valid: bytes("b"), in: folder) }
        func replace(_ name: String, _ old: String, _ new: String) throws {
            let text = String(decoding: try File.contents(of: "\(path)/\(name)"), as: UTF8.self)
            _ = try folder.write(text.replacing(old, with: new), as: "data/\(name)")
        }
        func opening() throws { _ = try Dataset(folder: path) }

        try make()
        try opening()
        try replace("vocabulary.json", "\"a\"", "\"x\"")
        #expect { try opening() } throws: { "\($0)".contains("the vocabulary hash differs from what dataset.json says") }

        try make()
        try replace("dataset.json", "\"tokens\" : 3", "\"tokens\" : 4")
        #expect(
            throws: DatasetError.disagrees(
                file: "\(path)/train.npy", quantity: "number of tokens", stated: "4", found: "3")
        ) { try opening() }

        for unknown in [-1, 4, Int.max] {
            try make()
            try replace("dataset.json", "\"unknown\" : 0", "\"unknown\" : \(unknown)")
            #expect(
                throws: DatasetError.impossibleUnknownCount(
                    file: "\(path)/dataset.json", split: .train, unknown: unknown, tokens: 3)
            ) { try opening() }
        }

        try make()
        try replace("dataset.json", "\"level\" : \"character\"", "\"level\" : \"byte\"")
        #expect(
            throws: DatasetError.disagrees(
                file: "\(path)/vocabulary.json", quantity: "level", stated: "byte", found: "character")
        ) { try opening() }

        try make()
        try replace("dataset.json", "\"version\" : 1", "\"version\" : 7")
        #expect(throws: JSONFileError.otherVersion(file: "\(path)/dataset.json", found: 7)) { try opening() }

        try make()
        try Folder.remove("\(path)/valid.npy")
        #expect(throws: FileError(operation: "open", path: "\(path)/valid.npy", code: ENOENT)) { try opening() }

        try make()
        var array = try File.contents(of: "\(path)/train.npy")
        array[130] = 200
        _ = try folder.write(array, as: "data/train.npy")
        let damaged = try Dataset(folder: path)
        #expect(
            throws: ArrayFileError.tokenOutOfRange(
                file: "\(path)/train.npy", index: 1, offset: 130, token: 200, vocabularySize: 3)
        ) { try damaged.tokens(of: .train) }
        #expect(throws: DatasetError.noSuchSplit(folder: path, split: .test, available: [.train, .valid])) {
            try damaged.tokens(of: .test)
        }
        #expect(throws: DatasetError.notADataset(folder: folder.path)) { try Dataset(folder: folder.path) }
        let missing = "\(folder.path)/missing"
        let recipe = try folder.write("# lockstep prepare --output \(missing)\n", as: "recipe.yaml")
        let other = try folder.write("# lockstep prepare --output elsewhere\n", as: "other.yaml")
        for (file, named) in [(recipe, recipe), (other, nil), ("\(folder.path)/nowhere", nil), (nil, nil)] {
            #expect(throws: DatasetError.missing(folder: missing, recipe: named)) { try Dataset(folder: missing, recipe: file) }
        }
    }
}
