import Kernels
import Randomness

/// The one list of (name, shape, offset) that initialisation, exchange, clipping, optimizer and checkpoints use.
///
/// Names and shapes are PyTorch's (`torch.nn.Embedding`, `RNN`/`LSTM`/`GRU`, `Linear`), gate order included
/// (LSTM i f g o, GRU r z n), so that a checkpoint loads with `load_state_dict`.
package struct ParameterLayout: Sendable, Equatable {
    package struct Entry: Sendable, Equatable {
        package let name: String
        package let shape: [Int]
        /// In floats from the start of the arena; a multiple of 16 (64 bytes).
        package let offset: Int
        package var count: Int { shape.reduce(1, *) }
        package var range: Range<Int> { offset..<offset + count }
    }

    package let entries: [Entry]
    /// Floats in the arena, padding between entries included (it stays zero).
    package let count: Int

    package init(_ model: ModelConfiguration) {
        var entries: [Entry] = []
        var offset = 0
        func add(_ name: String, _ shape: Int...) {
            let entry = Entry(name: name, shape: shape, offset: offset)
            entries.append(entry)
            offset = (offset + entry.count + 15) & ~15
        }
        let rows = model.cell.gates * model.hidden
        add("encoder.weight", model.vocabulary, model.embedding)
        for layer in 0..<model.layers {
            add("rnn.weight_ih_l\(layer)", rows, model.inputs(ofLayer: layer))
            add("rnn.weight_hh_l\(layer)", rows, model.hidden)
            add("rnn.bias_ih_l\(layer)", rows)
            add("rnn.bias_hh_l\(layer)", rows)
        }
        if !model.tied { add("decoder.weight", model.vocabulary, model.hidden) }
        add("decoder.bias", model.vocabulary)
        self.entries = entries
        count = offset
    }

    /// Trainable values: padding not counted.
    package var parameters: Int { entries.reduce(0) { $0 + $1.count } }

    /// The floats whose gradients a backward pass completes together, in order: those of the output layer, of each layer
    /// from the top, and of the embedding.
    package var backwardOrder: [Range<Int>] {
        // "encoder", "_l0", ..., "decoder"
        func part(_ name: String) -> Substring {
            name.hasPrefix("rnn") ? name[name.lastIndex(of: "_")!...] : name.prefix { $0 != "." }
        }
        var parts: [(name: Substring, range: Range<Int>)] = []
        for (index, entry) in entries.enumerated() {
            let end = index + 1 < entries.count ? entries[index + 1].offset : count
            if let last = parts.last, last.name == part(entry.name) {
                parts[parts.count - 1].range = last.range.lowerBound..<end
            } else {
                parts.append((part(entry.name), entry.offset..<end))
            }
        }
        return parts.reversed().map(\.range)
    }

    package subscript(name: String) -> Entry {
        guard let entry = entries.first(where: { $0.name == name }) else { preconditionFailure("no parameter \(name)") }
        return entry
    }
}

/// One flat buffer laid out by a `ParameterLayout`: the parameters, their gradients, or an optimizer's slot.
package final class Arena {
    package let layout: ParameterLayout
    package let buffer: Buffer

    /// - Parameter buffer: memory to use instead of new memory.
    package init(_ layout: ParameterLayout, in buffer: Buffer? = nil) {
        precondition(buffer == nil || buffer?.count == layout.count)
        self.layout = layout
        self.buffer = buffer ?? Buffer(count: layout.count)
    }

    /// A two-dimensional parameter; a vector is one row.
    package func matrix(_ name: String) -> Matrix {
        let entry = layout[name]
        return Matrix(
            buffer.base + entry.offset, rows: entry.shape.count == 2 ? entry.shape[0] : 1, columns: entry.shape.last!)
    }

    /// Row-major.
    package func values(_ entry: ParameterLayout.Entry) -> Elements { Elements(of: buffer, in: entry.range) }

    /// Weights are uniform within the model's initial range, biases zero; a function of the seed and the tensor's
    /// place in the layout.
    package func initialise(_ model: ModelConfiguration, seed: UInt64) {
        for (index, entry) in layout.entries.enumerated() {
            guard entry.shape.count == 2 else {
                values(entry).fill(0)
                continue
            }
            let range = index == 0 ? model.initialEmbeddingRange ?? model.initialRange : model.initialRange
            var random = PhiloxSequence(seed: seed, purpose: .initialisation, stream: UInt64(index))
            values(entry).withUnsafe { values in
                for i in values.indices { values[i] = Float(random.uniform() * 2 - 1) * range }
            }
        }
    }
}
