import Files

/// The first element in which two tensors of the same name differ.
package struct TensorDifference: Sendable, Equatable, Encodable {
    /// `model.safetensors` or `state.safetensors`.
    package let file: String
    package let tensor: String
    /// The position of the element: an index for each dimension.
    package let index: [Int]
    /// The element in the first and in the second checkpoint. Both may be NaN, with different bytes.
    package let values: [Float]
    /// The number of elements that differ, and the number of elements.
    package let differing: Int
    package let count: Int

    package var description: String {
        "\(tensor)[\(index.map(String.init).joined(separator: ", "))]: \(values[0]) and \(values[1]); \(differing) of \(count) elements differ"
    }
}

extension LoadedCheckpoint {
    /// The tensors whose bytes differ, the model's first, in the order of the files. Empty for equal checkpoints.
    /// - Throws: `SafetensorsError` if the two do not contain the same tensors.
    package func differences(from other: LoadedCheckpoint) throws -> [TensorDifference] {
        try model.differences(from: other.model, named: CheckpointFile.model)
            + state.differences(from: other.state, named: CheckpointFile.state)
    }
}

extension SafetensorsFile {
    fileprivate func differences(from other: SafetensorsFile, named file: String) throws -> [TensorDifference] {
        if let extra = other.names.first(where: { !names.contains($0) }) { _ = try description(of: extra) }
        return try tensors.compactMap { tensor in
            let theirs = try other.description(of: tensor.name)
            guard theirs.shape == tensor.shape else {
                throw SafetensorsError.otherShape(
                    file: other.path, tensor: tensor.name, expected: tensor.shape, found: theirs.shape)
            }
            guard theirs.type == tensor.type, tensor.type == .float32 else {
                throw SafetensorsError.otherType(
                    file: other.path, tensor: tensor.name, expected: .float32, found: theirs.type)
            }
            let (a, b) = (bytes(of: tensor), other.bytes(of: theirs))
            func bits(_ bytes: UnsafeRawBufferPointer, _ element: Int) -> UInt32 {
                bytes.loadUnaligned(fromByteOffset: 4 * element, as: UInt32.self)
            }
            let differing = (0..<tensor.count).lazy.filter { bits(a, $0) != bits(b, $0) }
            guard let first = differing.first else { return nil }
            var index: [Int] = []
            var rest = first
            for size in tensor.shape.reversed() {
                index.insert(rest % size, at: 0)
                rest /= size
            }
            return TensorDifference(
                file: file, tensor: tensor.name, index: index,
                values: [bits(a, first), bits(b, first)].map { Float(bitPattern: UInt32(littleEndian: $0)) },
                differing: differing.count { _ in true }, count: tensor.count)
        }
    }
}

/// Two runs, checkpoint by checkpoint.
package struct RunComparison: Sendable {
    /// Steps at which both runs have a checkpoint, up to the first difference.
    package let compared: [Int]
    /// The last step before `firstDifferent` whose checkpoints are equal to the byte.
    package let lastEqual: Int?
    /// Nil if all are equal.
    package let firstDifferent: (step: Int, tensors: [TensorDifference])?

    /// - Throws: `FileError`, `CheckpointError`, `SafetensorsError`.
    package init(_ first: String, _ second: String) throws {
        let stores = [first, second].map { CheckpointStore(runFolder: $0, keep: 1, note: { _ in }) }
        let steps = try stores.map { Set(try $0.newestFirst().map(\.step)) }
        var compared: [Int] = []
        var lastEqual: Int?
        for step in steps[0].intersection(steps[1]).sorted() {
            compared.append(step)
            let checkpoints = try stores.map { try $0.checkpoint(ofStep: step) }
            let tensors = try checkpoints[0].differences(from: checkpoints[1])
            guard tensors.isEmpty else {
                self.compared = compared
                self.lastEqual = lastEqual
                firstDifferent = (step, tensors)
                return
            }
            lastEqual = step
        }
        self.compared = compared
        self.lastEqual = lastEqual
        firstDifferent = nil
    }
}

extension CheckpointStore {
    /// Verified. - Throws: `CheckpointError`, `SafetensorsError`, `FileError`.
    package func checkpoint(ofStep step: Int) throws -> LoadedCheckpoint {
        try LoadedCheckpoint(folder: "\(folder)/\(Self.name(ofStep: step))")
    }
}
