import Files
import TestSupport
import Testing

@testable import Checkpoints

/// A run with checkpoints of steps 1, 2 and 3.
private func withRun(_ body: (Run) throws -> Void) throws {
    try withTemporaryFolder { folder in
        let run = try Run(folder)
        for step in 1...3 { try run.save(step: step, isBest: step == 2) }
        try body(run)
    }
}

private func expectLatest(_ run: Run, step: Int, noting text: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
    #expect(try run.store.latest()?.manifest.step == step, sourceLocation: sourceLocation)
    #expect(run.notes.all.count == 1, sourceLocation: sourceLocation)
    #expect(run.notes.all.first?.contains(text) == true, "\(run.notes.all)", sourceLocation: sourceLocation)
}

@Test func missingPointer() throws {
    try withRun { run in
        try Folder.remove(run.pointer("latest"))
        try expectLatest(run, step: 3, noting: "there is no file 'latest'")
    }
}

@Test func stalePointer() throws {
    try withRun { run in
        try write(Array("step-000000001\n".utf8), to: run.pointer("latest"))
        try expectLatest(run, step: 3, noting: "step-000000001, which is not the newest")
    }
}

@Test func danglingPointer() throws {
    try withRun { run in
        try Folder.remove(run.checkpoint(3))
        try expectLatest(run, step: 2, noting: "step-000000003, which does not exist")
    }
}

@Test func damagedTarget() throws {
    try withRun { run in
        let model = "\(run.checkpoint(3))/model.safetensors"
        try flipBit(in: model, at: File.contents(of: model).count - 1)
        try expectLatest(run, step: 2, noting: "rnn.bias")
    }
}

@Test func targetWithoutManifest() throws {
    try withRun { run in
        try Folder.remove("\(run.checkpoint(3))/manifest.json")
        try expectLatest(run, step: 2, noting: "no manifest.json")
    }
}

@Test(arguments: [
    "", "\n", "../step-000000003", "/etc", "..", ".", "step-", "step-1", "step-00000000a", "step-000000003/../../..",
    "step-99999999999999999999999999", "\u{0}", String(repeating: "step-000000003", count: 1000),
])
func pointerThatIsNoName(text: String) throws {
    try withRun { run in
        try write(Array(text.utf8), to: run.pointer("latest"))
        try expectLatest(run, step: 3, noting: "does not hold the name of a checkpoint")
        try write(Array(text.utf8), to: run.pointer("best"))
        #expect(throws: CheckpointError.invalidPointer(path: run.pointer("best"))) { try run.store.best() }
    }
}

@Test func allDamaged() throws {
    try withRun { run in
        try Folder.remove("\(run.checkpoint(1))/manifest.json")
        try flipBit(in: "\(run.checkpoint(2))/state.safetensors", at: 0)
        try write([], to: "\(run.checkpoint(3))/vocabulary.json")
        let before = try run.snapshot()
        let error = #expect(throws: CheckpointError.self) { try run.store.latest() }
        guard case .noneUsable(_, let reasons) = error else { return #expect(Bool(false), "\(String(describing: error))") }
        for step in 1...3 {
            #expect(reasons.contains { $0.contains(CheckpointStore.name(ofStep: step)) }, "\(reasons)")
        }
        #expect(try run.snapshot() == before)
    }
}

/// Somebody removed the folders but not `latest`: a new start would hide that.
@Test func onlyThePointerIsLeft() throws {
    try withRun { run in
        for step in 1...3 { try Folder.remove(run.checkpoint(step)) }
        #expect(throws: CheckpointError.self) { try run.store.latest() }
    }
}

@Test func aCheckpointsFolderThatCannotBeListedIsNoFreshStart() throws {
    try withTemporaryFolder { folder in
        let run = try Run(folder)
        try write([], to: "\(folder)/checkpoints")
        #expect(throws: FileError.self) { try run.store.latest() }
    }
}

@Test func whatAPathMeans() throws {
    try withRun { run in
        func resolve(_ path: String) throws -> Int {
            try CheckpointStore.resolve(path) { [notes = run.notes] in notes.add($0) }.manifest.step
        }
        #expect(try resolve(run.folder) == 2)
        #expect(try resolve(run.folder + "/") == 2)
        #expect(try resolve(run.checkpoint(1)) == 1)
        #expect(run.notes.all == [])
        try flipBit(in: "\(run.checkpoint(2))/model.safetensors", at: 0)
        #expect(try resolve(run.folder) == 3)
        #expect(run.notes.all.count == 1)
        try Folder.remove(run.pointer("best"))
        #expect(try resolve(run.folder) == 3)
        #expect(run.notes.all.count == 1)

        #expect(throws: FileError.self) { try resolve("\(run.folder)/nothing") }
        let error = #expect(throws: CheckpointError.self) { try resolve("\(run.folder)/checkpoints") }
        #expect(error?.description.contains("no manifest.json in it; pass a run folder or one of its checkpoints/step-...") == true)
    }
}

@Test func theListNamesUnusableCheckpoints() throws {
    try withRun { run in
        try Folder.remove("\(run.checkpoint(1))/state.safetensors")
        let entries = try run.store.list()
        #expect(entries.map(\.step) == [1, 2, 3])
        #expect(entries.map(\.isBest) == [false, true, false])
        #expect(entries.map(\.isLatest) == [false, false, true])
        #expect(throws: CheckpointError.missingFile(path: "\(run.checkpoint(1))/state.safetensors")) {
            try entries[0].checkpoint.get()
        }
        #expect(try entries[2].checkpoint.get().manifest.step == 3)
    }
}
