import Checkpoints
import Kernels
import Optimization
import Recurrent

extension Optimizer {
    private typealias Values = (name: String, shape: [Int], elements: Elements)

    /// `optimizer.exp_avg.encoder.weight`, ...
    private func values(of arena: Arena, named name: String) -> [Values] {
        arena.layout.entries.map { ("optimizer.\(name).\($0.name)", $0.shape, arena.values($0)) }
    }

    private var slotValues: [Values] { zip(slots, rule.name.slots).flatMap { values(of: $0, named: $1) } }

    /// What a checkpoint stores beside the model: the slots. Where an average may be the model, and there is no other slot, the iterates.
    private func stored(beside parameters: Arena) -> [Values] {
        rule.name.averages ? values(of: parameters, named: "iterate") : slotValues
    }

    func tensors(beside parameters: Arena) -> [NamedTensor] {
        stored(beside: parameters).map { NamedTensor($0.name, shape: $0.shape, $0.elements) }
    }

    /// - Throws: `SafetensorsError` if a tensor is missing or has another shape.
    func restore(from file: SafetensorsFile, beside parameters: Arena) throws {
        for value in stored(beside: parameters) {
            try value.elements.withUnsafe { try file.read(value.name, shape: value.shape, into: $0) }
        }
    }

    /// The first tensor of the slots that holds a NaN or an infinity.
    var nonFiniteTensor: String? { slotValues.first { !$0.elements.areFinite }?.name }
}
