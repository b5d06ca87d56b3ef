import Checkpoints
import Collectives
import Kernels
import Recurrent

/// The carried state by global stream: [S, H] for each layer and vector, however many ranks have a part of it.
enum CarriedState {
    /// Names in the order of `LanguageModel.state`: `carried.h_l0`, for an LSTM `carried.c_l0`, `carried.h_l1`, ...
    static func names(_ model: ModelConfiguration) -> [String] {
        (0..<model.layers).flatMap { layer in
            ["h", "c"].prefix(model.cell.stateVectors).map { "carried.\($0)_l\(layer)" }
        }
    }

    /// Collective. The state of all streams on rank 0, nil elsewhere. Ranks own consecutive streams, so joining their
    /// parts in rank order gives stream order.
    static func gather(
        _ state: [Buffer], model: ModelConfiguration, streams: Int, communicator: any Communicator
    ) throws -> [NamedTensor]? {
        var tensors: [NamedTensor] = []
        for (buffer, name) in zip(state, names(model)) {
            let own = buffer.elements.withUnsafe { Array(UnsafeRawBufferPointer($0)) }
            guard let parts = try communicator.gather(own, at: 0) else { continue }
            let values = parts.joined().asFloats()
            tensors.append(NamedTensor(name, shape: [streams, model.hidden], values))
        }
        return communicator.rank == 0 ? tensors : nil
    }

    /// Fills in the rows of this rank's streams.
    /// - Throws: `SafetensorsError` if a tensor is missing or has another shape.
    static func restore(
        _ state: [Buffer], model: ModelConfiguration, streams: Int, own: Range<Int>, from file: SafetensorsFile
    ) throws {
        let all = Buffer(count: streams * model.hidden)
        for (buffer, name) in zip(state, names(model)) {
            try all.elements.withUnsafe { all in
                try file.read(name, shape: [streams, model.hidden], into: all)
                copy(all.baseAddress! + own.lowerBound * model.hidden, to: buffer.base, count: own.count * model.hidden)
            }
        }
    }
}

extension Sequence<UInt8> {
    fileprivate func asFloats() -> [Float] {
        let bytes = Array(self)
        return [Float](unsafeUninitializedCapacity: bytes.count / 4) { floats, count in
            count = bytes.count / 4
            UnsafeMutableRawBufferPointer(floats).copyBytes(from: bytes.prefix(count * 4))
        }
    }
}
