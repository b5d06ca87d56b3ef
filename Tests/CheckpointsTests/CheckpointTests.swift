import Files
import TestSupport
import Testing

@testable import Checkpoints

@Test func aCheckpointComesBackAsItWasSaved() throws {
    try withTemporaryFolder { folder in
        let run = try Run(folder)
        let path = try run.store.save(run.content(step: 1234))
        #expect(path == "\(folder)/checkpoints/step-000001234")
        let checkpoint = try LoadedCheckpoint(folder: path)
        var manifest = checkpoint.manifest
        #expect(manifest.sequence == 1)
        #expect(manifest.created.hasSuffix("Z"))
        #expect(Set(manifest.files.keys) == ["model.safetensors", "state.safetensors", "vocabulary.json"])
        manifest.sequence = 0
        manifest.created = ""
        manifest.files = [:]
        // Doubles to the bit: thirds, denormals, infinity.
        #expect(manifest == sampleManifest(step: 1234))
        #expect(checkpoint.model.names == ["rnn.weight", "rnn.bias"])
        #expect(try checkpoint.model.elements(of: "rnn.weight", as: Float.self) == (0..<6).map { Float($0 * 1234) })
        #expect(try checkpoint.state.elements(of: "carried", as: Float.self) == [1234, 1234, 1234, 1234])
        #expect(try File.contents(of: checkpoint.vocabularyPath) == File.contents(of: run.vocabulary))
    }
}

/// Other files in the manifest are nobody's concern, whatever sizes it gives them.
@Test func theSizeIsThatOfTheFilesThere() throws {
    try withTemporaryFolder { folder in
        let path = try Run(folder).save(step: 1)
        var manifest = try LoadedCheckpoint(folder: path).manifest
        let size = manifest.files.values.reduce(0) { $0 + $1.size }
        for name in ["a", "b"] { manifest.files[name] = FileRecord(size: .max, sha256: "", tensors: nil) }
        try Folder.remove("\(path)/manifest.json")
        try ManifestFile.write(manifest, in: path)
        #expect(try LoadedCheckpoint(folder: path).size == size)
    }
}

@Test func theSameContentGivesTheSameBytes() throws {
    try withTemporaryFolder { folder in
        let run = try Run(folder)
        let first = try run.save(step: 1)
        let before = try CheckpointFile.all(of: Manifest.recurrent).map { try File.contents(of: "\(first)/\($0)") }
        try run.save(step: 1)
        #expect(try CheckpointFile.all(of: Manifest.recurrent).map { try File.contents(of: "\(first)/\($0)") } == before)
    }
}

@Test(arguments: [("rnn.weight", "model.safetensors"), ("rnn.bias", "model.safetensors"), ("carried", "state.safetensors")])
func aFlippedBitNamesItsTensor(tensor: String, file: String) throws {
    try withTemporaryFolder { folder in
        let path = try Run(folder).save(step: 1)
        let found = try SafetensorsFile("\(path)/\(file)")
        let size = try File.contents(of: "\(path)/\(file)").count
        let dataSize = try #require(found.tensors.last).range.upperBound
        try flipBit(in: "\(path)/\(file)", at: size - dataSize + found.description(of: tensor).range.lowerBound)
        let error = #expect(throws: CheckpointError.self) { try LoadedCheckpoint(folder: path) }
        guard case .damagedTensor("\(path)/\(file)", tensor, _, _) = error else {
            return #expect(Bool(false), "\(String(describing: error))")
        }
        #expect(throws: Never.self) { try LoadedCheckpoint(folder: path, verifying: false) }
    }
}

/// Every 7th byte of each file, and so every section of each: none can change unnoticed.
@Test(arguments: CheckpointFile.all(of: Manifest.recurrent) + ["manifest.json"])
func noBitFlipsUnnoticed(file: String) throws {
    try withTemporaryFolder { folder in
        let path = try Run(folder).save(step: 1)
        let size = try File.contents(of: "\(path)/\(file)").count
        for offset in Set(Array(stride(from: 0, to: size, by: 7)) + [size - 1]) {
            try flipBit(in: "\(path)/\(file)", at: offset)
            #expect(throws: (any Error).self, "byte \(offset)") { try LoadedCheckpoint(folder: path) }
            try flipBit(in: "\(path)/\(file)", at: offset)
        }
        #expect(throws: Never.self) { try LoadedCheckpoint(folder: path) }
    }
}

@Test(arguments: CheckpointFile.all(of: Manifest.recurrent), [-1, 1])
func anotherSizeIsNamedEvenWithoutChecksums(file: String, change: Int) throws {
    try withTemporaryFolder { folder in
        let path = try Run(folder).save(step: 1)
        var bytes = try File.contents(of: "\(path)/\(file)")
        let size = bytes.count
        bytes = change < 0 ? bytes.dropLast() : bytes + [0]
        try write(bytes, to: "\(path)/\(file)")
        #expect(throws: CheckpointError.wrongSize(path: "\(path)/\(file)", expected: size, found: size + change)) {
            try LoadedCheckpoint(folder: path, verifying: false)
        }
    }
}

@Test(arguments: CheckpointFile.all(of: Manifest.recurrent))
func aMissingFileOrALinkIsRefused(file: String) throws {
    try withTemporaryFolder { folder in
        let path = try Run(folder).save(step: 1)
        try Folder.rename("\(path)/\(file)", to: "\(folder)/elsewhere")
        #expect(throws: CheckpointError.missingFile(path: "\(path)/\(file)")) { try LoadedCheckpoint(folder: path) }
        #expect(link("\(path)/\(file)", to: "\(folder)/elsewhere"))
        #expect(throws: CheckpointError.missingFile(path: "\(path)/\(file)")) { try LoadedCheckpoint(folder: path) }
    }
}

private func rewriteManifest(_ path: String, _ old: String, _ new: String) throws {
    let text = String(decoding: try File.contents(of: "\(path)/manifest.json"), as: UTF8.self)
    #expect(text.contains(old))
    try write(Array(text.replacing(old, with: new, maxReplacements: 1).utf8), to: "\(path)/manifest.json")
}

@Test func aNewerFormatIsRefused() throws {
    try withTemporaryFolder { folder in
        let path = try Run(folder).save(step: 1)
        try rewriteManifest(path, "\"format_version\" : 1", "\"format_version\" : 2")
        let error = #expect(throws: CheckpointError.otherFormat(file: "\(path)/manifest.json", found: 2, supported: 1...1)) {
            try LoadedCheckpoint(folder: path)
        }
        #expect(error?.description.contains("expected version 1 to 1, found 2; use a newer lockstep") == true)
    }
}

@Test func anEditedManifestIsRefused() throws {
    try withTemporaryFolder { folder in
        let path = try Run(folder).save(step: 1)
        try rewriteManifest(path, "\"epoch\" : 2", "\"epoch\" : 3")
        let error = #expect(throws: CheckpointError.self) { try LoadedCheckpoint(folder: path) }
        guard case .damagedFile("\(path)/manifest.json", _, _) = error else {
            return #expect(Bool(false), "\(String(describing: error))")
        }
    }
}

@Test(arguments: [
    ("\"epoch\" : 2", "\"epoch\" : \"two\"", "epoch"), ("\"tokens\" :", "\"token\" :", "tokens"),
    ("\"step\" : 1", "\"step\" : 1e300", "number out of range"), ("{", "[", "not JSON"),
    ("\"seed\" : 18446744073709551615", "\"seed\" : -1", "number out of range"),
])
func anUnreadableManifestSaysWhere(old: String, new: String, place: String) throws {
    try withTemporaryFolder { folder in
        let path = try Run(folder).save(step: 1)
        try rewriteManifest(path, old, new)
        let error = #expect(throws: CheckpointError.self) { try LoadedCheckpoint(folder: path) }
        guard case .unreadableManifest(_, let reason) = error else {
            return #expect(Bool(false), "\(String(describing: error))")
        }
        #expect(reason.contains(place))
    }
}

/// With a right checksum: a stranger can compute one too.
@Test(arguments: ["sequence", "step", "layers"], [-1, Int.max])
func numbersThatWouldOverflowAreRefused(key: String, value: Int) throws {
    try withTemporaryFolder { folder in
        var manifest = sampleManifest(step: 1)
        switch key {
        case "sequence": manifest.sequence = value
        case "step": manifest.step = value
        default: manifest.model.layers = value
        }
        try ManifestFile.write(manifest, in: folder)
        let error = #expect(throws: CheckpointError.self) { try ManifestFile.read(in: folder) }
        #expect(error?.description.contains("\(key) \(value)") == true)
    }
}

@Test func aHostileManifestIsRefusedWithoutATrap() throws {
    try withTemporaryFolder { folder in
        for text in ["", "null", "[]", "{}", "\u{0}", String(repeating: "[", count: 5_000_000), "{\"format_version\":1e999}"] {
            try write(Array(text.utf8), to: "\(folder)/manifest.json")
            #expect(throws: CheckpointError.self) { try ManifestFile.read(in: folder) }
        }
        try write([0xff, 0xfe, 0x00], to: "\(folder)/manifest.json")
        #expect(throws: CheckpointError.self) { try ManifestFile.read(in: folder) }
        try Folder.remove("\(folder)/manifest.json")
        #expect(makePipe("\(folder)/manifest.json"))
        #expect(throws: CheckpointError.notACheckpoint(path: folder, missing: "manifest.json")) {
            try ManifestFile.read(in: folder)
        }
    }
}

@Test func aDatasetWhoseVocabularyChangedIsNotSaved() throws {
    try withTemporaryFolder { folder in
        let run = try Run(folder)
        var content = run.content(step: 1)
        content.manifest.datasetFiles["vocabulary.json"] = "other"
        let error = #expect(throws: CheckpointError.self) { try run.store.save(content) }
        guard case .otherVocabulary = error else { return #expect(Bool(false), "\(String(describing: error))") }
    }
}
