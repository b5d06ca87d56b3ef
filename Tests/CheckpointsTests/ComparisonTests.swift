import Checkpoints
import Files
import TestSupport
import Testing

/// The comparison on which `lockstep verify` relies.
@Suite struct ComparisonTests {
    /// Two runs with checkpoints of steps 2, 4, 6, 8; from step `since` on, one element of the second differs.
    private func compare(since: Int?, _ change: @escaping (inout CheckpointContent) -> Void) throws -> RunComparison {
        try withTemporaryFolder { folder in
            let runs = try ["a", "b"].map { name in
                try Folder.create("\(folder)/\(name)")
                return try Run("\(folder)/\(name)", keep: 9)
            }
            for step in [2, 4, 6, 8] {
                try runs[0].save(step: step)
                var content = runs[1].content(step: step)
                if let since, step >= since { change(&content) }
                _ = try runs[1].store.save(content)
            }
            return try RunComparison(runs[0].folder, runs[1].folder)
        }
    }

    @Test func equalRunsAreEqual() throws {
        let comparison = try compare(since: nil) { _ in }
        #expect(comparison.firstDifferent == nil)
        #expect(comparison.compared == [2, 4, 6, 8] && comparison.lastEqual == 8)
    }

    /// One bit of one element of the model: step, tensor, index and values are named.
    @Test(arguments: [2, 6]) func aSingleBitIsNamed(since: Int) throws {
        let comparison = try compare(since: since) { content in
            let step = content.manifest.step
            var values = (0..<6).map { Float($0 * step) }
            values[4] = Float(bitPattern: values[4].bitPattern ^ 1)
            content.model[0] = NamedTensor("rnn.weight", shape: [2, 3], values)
        }
        #expect(comparison.lastEqual == (since == 2 ? nil : 4))
        let different = try #require(comparison.firstDifferent)
        #expect(different.step == since && different.tensors.count == 1)
        let tensor = different.tensors[0]
        #expect(tensor.file == "model.safetensors" && tensor.tensor == "rnn.weight" && tensor.index == [1, 1])
        #expect(tensor.differing == 1 && tensor.count == 6)
        #expect(tensor.values[0] == Float(4 * since) && tensor.values[1] != tensor.values[0])
    }

    /// Zeros of both signs are equal numbers and different bytes.
    @Test func bytesCountAndNotNumbers() throws {
        let comparison = try compare(since: 4) { content in
            let step = content.manifest.step
            content.model[0] = NamedTensor("rnn.weight", shape: [2, 3], [-0.0] + (1..<6).map { Float($0 * step) })
            content.state[0] = NamedTensor("carried", shape: [4], [Float](repeating: -1, count: 4))
        }
        let different = try #require(comparison.firstDifferent)
        #expect(different.step == 4)
        #expect(different.tensors.map(\.tensor) == ["rnn.weight", "carried"])
        #expect(different.tensors[0].index == [0, 0] && different.tensors[1].differing == 4)
        #expect(different.tensors[1].description == "carried[0]: 4.0 and -1.0; 4 of 4 elements differ")
    }

    @Test func otherTensorsAreAnError() {
        #expect(throws: (any Error).self) {
            try compare(since: 4) { $0.model[0] = NamedTensor("rnn.weight", shape: [3, 2], [Float](repeating: 0, count: 6)) }
        }
        #expect(throws: (any Error).self) {
            try compare(since: 4) { $0.model.append(NamedTensor("more", shape: [1], [Float(0)])) }
        }
    }
}
