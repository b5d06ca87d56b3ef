import Checkpoints
import Kernels
import Optimization

extension Optimizer {
    /// The slots as a checkpoint stores them: `optimizer.exp_avg.encoder.weight`, ...
    private var values: [(name: String, shape: [Int], elements: Elements)] {
        zip(slots, rule.name.slots).flatMap { slot, name in
            slot.layout.entries.map { ("optimizer.\(name).\($0.name)", $0.shape, slot.values($0)) }
        }
    }

    var tensors: [NamedTensor] { values.map { NamedTensor($0.name, shape: $0.shape, $0.elements) } }

    /// - Throws: `SafetensorsError` if a tensor is missing or has another shape.
    func restore(from file: SafetensorsFile) throws {
        for value in values { try value.elements.withUnsafe { try file.read(value.name, shape: value.shape, into: $0) } }
    }

    /// The first tensor that holds a NaN or an infinity.
    var nonFiniteTensor: String? { values.first { !$0.elements.areFinite }?.name }
}
