import Files
import TestSupport
import Testing

@testable import Checkpoints

private struct Injected: Error {}

private func folders(_ run: Run) throws -> [String] {
    try Folder.names(in: "\(run.folder)/checkpoints").filter { $0 != "latest" && $0 != "best" }
}

private func names(_ steps: Int...) -> [String] { steps.map(CheckpointStore.name(ofStep:)) }

@Test func pointersNameTheLatestAndTheBest() throws {
    try withTemporaryFolder { folder in
        let run = try Run(folder)
        try run.save(step: 1, isBest: true)
        try run.save(step: 2)
        #expect(try File.contents(of: run.pointer("latest")) == Array("step-000000002\n".utf8))
        #expect(try File.contents(of: run.pointer("best")) == Array("step-000000001\n".utf8))
        #expect(try run.store.latest()?.manifest.step == 2)
        #expect(try run.store.best()?.manifest.step == 1)
        #expect(run.notes.all == [])
    }
}

@Test func aFreshRunHasNoCheckpoint() throws {
    try withTemporaryFolder { folder in
        let run = try Run(folder)
        #expect(try run.store.latest() == nil)
        #expect(try run.store.best() == nil)
        #expect(run.notes.all == [])
        #expect(throws: CheckpointError.notACheckpoint(path: folder, missing: "manifest.json")) {
            try CheckpointStore.resolve(folder) { _ in }
        }
    }
}

// MARK: Values

/// Neither weights nor optimizer slots nor carried state: nothing is published, and no sound checkpoint is removed for it.
@Test(arguments: [Float.nan, .infinity, -.infinity], [true, false])
func whatIsNotFiniteIsNotPublished(_ value: Float, inModel: Bool) throws {
    try withTemporaryFolder { folder in
        let run = try Run(folder, keep: 1)
        try run.save(step: 1, isBest: true)
        let before = try run.snapshot()
        var content = run.content(step: 2)
        let tensor = NamedTensor("bad", shape: [3], [1, value, 2])
        if inModel { content.model.append(tensor) } else { content.state.append(tensor) }
        let error = #expect(throws: CheckpointError.self) { try run.store.save(content) }
        guard case .notFinite(_, "bad") = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(try run.snapshot() == before)
    }
}

/// Written by a program that did not look: passed over, and said to be so.
@Test func aCheckpointThatIsNotFiniteIsPassedOver() throws {
    try withTemporaryFolder { folder in
        let run = try Run(folder)
        try run.save(step: 1)
        try run.save(step: 2)
        var content = run.content(step: 2)
        content.state = [NamedTensor("optimizer.sum.bad", shape: [2], [Float.infinity, 1])]
        try Folder.remove(run.checkpoint(2))
        try Folder.create(run.checkpoint(2))
        try content.write(to: run.checkpoint(2), sequence: 2)
        #expect(try run.store.latest()?.manifest.step == 1)
        #expect(run.notes.all.first?.contains("optimizer.sum.bad") == true)
        #expect(try LoadedCheckpoint(folder: run.checkpoint(2), finite: false).manifest.step == 2)
        let list = try run.store.list()
        #expect(list.map(\.step) == [1, 2])
        #expect(throws: CheckpointError.self) { try list[1].checkpoint.get() }
    }
}

// MARK: Keeping

@Test func theNewestAndTheBestAreKept() throws {
    try withTemporaryFolder { folder in
        let run = try Run(folder, keep: 2)
        for step in 1...6 { try run.save(step: step, isBest: step == 2) }
        #expect(try folders(run) == names(2, 5, 6))
        try run.save(step: 7, isBest: true)
        #expect(try folders(run) == names(6, 7))
        #expect(run.notes.all == [])
    }
}

/// A run taken up again from an earlier step: what it saves now is newest, although older steps are higher.
@Test func anAbandonedFutureIsPrunedFirst() throws {
    try withTemporaryFolder { folder in
        let run = try Run(folder, keep: 2)
        for step in [10, 20, 30] { try run.save(step: step) }
        try run.save(step: 11)
        #expect(try folders(run) == names(11, 30))
        #expect(try run.store.latest()?.manifest.step == 11)
        try run.save(step: 12)
        #expect(try folders(run) == names(11, 12))
        #expect(run.notes.all == [])
    }
}

/// The best of the way that led here: that of the future that was given up is pruned like all of it.
@Test func afterAReturnTheBestIsOneOnTheWay() throws {
    try withTemporaryFolder { folder in
        let run = try Run(folder, keep: 1)
        try run.save(step: 10, isBest: true)
        let first = "\(folder)/checkpoints/step-000000010"
        try Folder.rename(first, to: "\(folder)/10")
        try run.save(step: 20, isBest: true)
        try Folder.rename("\(folder)/10", to: first)
        try run.save(step: 11, best: 10)
        #expect(try run.store.best()?.manifest.step == 10)
        #expect(try folders(run) == names(10, 11))
        // A checkpoint of the same step, but of another way, is not the best.
        try run.save(step: 9, best: 11)
        #expect(try run.store.best()?.manifest.step == 10)
        #expect(run.notes.all == [])
    }
}

@Test func withoutTheBestPointerInOrderNothingIsPruned() throws {
    try withTemporaryFolder { folder in
        let run = try Run(folder, keep: 1)
        try run.save(step: 1, isBest: true)
        try write(Array("../..".utf8), to: run.pointer("best"))
        try run.save(step: 2)
        #expect(try folders(run) == names(1, 2))
        #expect(run.notes.all.count == 1)
    }
}

@Test func leftoversOfKilledSavesAreRemoved() throws {
    try withTemporaryFolder { folder in
        let run = try Run(folder)
        try Folder.create("\(folder)/checkpoints/.step-000000001.tmp-1")
        try write([1], to: "\(folder)/checkpoints/.step-000000001.tmp-1/model.safetensors")
        try write([1], to: "\(folder)/checkpoints/latest.tmp-1")
        try write([1], to: "\(folder)/checkpoints/mine.txt")
        #expect(try run.store.latest() == nil)
        try run.save(step: 2)
        #expect(try folders(run) == ["mine.txt"] + names(2))
    }
}

// MARK: Failing

/// A save that fails at some point must leave everything before it as it was.
private func expectNothingChanged(_ run: Run, by save: () throws -> Void) throws {
    let before = try run.snapshot()
    #expect(throws: (any Error).self) { try save() }
    #expect(try run.snapshot() == before)
    #expect(try run.store.latest()?.manifest.step == 1)
}

@Test(arguments: 0..<3, [1, 2])
func aFailedWriteLeavesThePreviousCheckpointIntact(failingTensor: Int, step: Int) throws {
    try withTemporaryFolder { folder in
        let run = try Run(folder)
        try run.save(step: 1, isBest: true)
        var content = run.content(step: step)
        func failing(_ tensor: NamedTensor) -> NamedTensor {
            NamedTensor(name: tensor.name, shape: tensor.shape, type: tensor.type) { _ in throw Injected() }
        }
        if failingTensor < 2 {
            content.model[failingTensor] = failing(content.model[failingTensor])
        } else {
            content.state[0] = failing(content.state[0])
        }
        try expectNothingChanged(run) { try run.store.save(content) }
    }
}

@Test func aMissingVocabularyLeavesThePreviousCheckpointIntact() throws {
    try withTemporaryFolder { folder in
        let run = try Run(folder)
        try run.save(step: 1)
        var content = run.content(step: 2)
        content.vocabularyPath = "\(folder)/nothing"
        try expectNothingChanged(run) { try run.store.save(content) }
    }
}

/// A disk that loses what was written: seen when the checkpoint is read back, before anything older is removed.
@Test func aCheckpointThatCannotBeReadBackIsNotPublished() throws {
    try withTemporaryFolder { folder in
        let run = try Run(folder, keep: 1)
        try run.save(step: 1)
        var content = run.content(step: 2)
        let state = content.state[0]
        content.state[0] = NamedTensor(name: state.name, shape: state.shape, type: state.type) { body in
            let temporary = try #require(try Folder.names(in: "\(folder)/checkpoints").first { $0.hasPrefix(".step-") })
            let model = "\(folder)/checkpoints/\(temporary)/model.safetensors"
            try flipBit(in: model, at: File.contents(of: model).count - 1)
            try state.withBytes(body)
        }
        try expectNothingChanged(run) { try run.store.save(content) }
    }
}

@Test func aPointerThatCannotBeReplacedIsAnError() throws {
    try withTemporaryFolder { folder in
        let run = try Run(folder)
        try Folder.create(run.pointer("latest"))
        #expect(throws: FileError.self) { try run.save(step: 1) }
        // The checkpoint itself is complete, and it is found, with a note.
        #expect(try run.store.latest()?.manifest.step == 1)
        #expect(run.notes.all.count == 1)
    }
}

@Test func savingAStepAgainReplacesIt() throws {
    try withTemporaryFolder { folder in
        let run = try Run(folder)
        try run.save(step: 1)
        var content = run.content(step: 1)
        content.manifest.epoch = 7
        try run.store.save(content)
        #expect(try run.store.latest()?.manifest.epoch == 7)
        #expect(try folders(run) == names(1))
        // Also when the one that is there is damaged.
        try flipBit(in: "\(run.checkpoint(1))/model.safetensors", at: 0)
        try run.save(step: 1)
        #expect(try run.store.latest()?.manifest.epoch == 2)
        #expect(try folders(run) == names(1))
        #expect(run.notes.all == [])
    }
}

// MARK: Lock

@Test func aSecondJobIsRefused() throws {
    try withTemporaryFolder { folder in
        do {
            let lock = try RunLock(runFolder: folder)
            let error = #expect(throws: CheckpointError.self) { try RunLock(runFolder: folder) }
            guard case .inUse(folder, let holder) = error else { return #expect(Bool(false), "\(String(describing: error))") }
            #expect(holder.contains(" on "))
            withExtendedLifetime(lock) {}
        }
        // Free again, and the old holder's line is replaced.
        let lock = try RunLock(runFolder: folder)
        let text = String(decoding: try File.contents(of: "\(folder)/.lock"), as: UTF8.self)
        #expect(text.split(separator: "\n").count == 1)
        withExtendedLifetime(lock) {}
    }
}
