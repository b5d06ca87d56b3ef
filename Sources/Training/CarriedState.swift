import Checkpoints
import Collectives
import Kernels
import Recurrent

/// The carried state by global stream: [S, H] for each layer and vector, however many ranks have a part of it.
enum CarriedState {
    /// Names in the order of `Network.state`: `carried.h_l0`, for an LSTM `carried.c_l0`, `carried.h_l1`, ...
    static func names(_ model: ModelConfiguration) -> [String] { model.states.map { "carried.\($0.name)" } }

    /// Collective. The state of all streams on rank 0, nil elsewhere. Ranks own consecutive streams, so joining their
    /// parts in rank order gives stream order.
    /// - Parameter isSpeaker: false on ranks whose state another rank of their team gives.
    static func gather(
        _ state: [Buffer], model: ModelConfiguration, streams: Int, isSpeaker: Bool, communicator: any Communicator
    ) throws -> [NamedTensor]? {
        var tensors: [NamedTensor] = []
        for (buffer, plan) in zip(state, model.states) {
            let own = isSpeaker ? buffer.elements.withUnsafe { Array(UnsafeRawBufferPointer($0)) } : []
            guard let parts = try communicator.gather(own, at: 0) else { continue }
            let values = parts.joined().asFloats()
            tensors.append(NamedTensor("carried.\(plan.name)", shape: [streams, plan.width], values))
        }
        return communicator.rank == 0 ? tensors : nil
    }

    /// Fills in the rows of this rank's streams.
    /// - Throws: `SafetensorsError` if a tensor is missing or has another shape.
    static func restore(
        _ state: [Buffer], model: ModelConfiguration, streams: Int, own: Range<Int>, from file: SafetensorsFile
    ) throws {
        for (buffer, plan) in zip(state, model.states) {
            let all = Buffer(count: streams * plan.width)
            try all.elements.withUnsafe { all in
                try file.read("carried.\(plan.name)", shape: [streams, plan.width], into: all)
                copy(all.baseAddress! + own.lowerBound * plan.width, to: buffer.base, count: own.count * plan.width)
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
