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
        package let initial: InitialValues
        /// Whether only some rows have a gradient in a step: those of the tokens that a chunk reads, for example.
        package let isSparse: Bool
        /// Rows that stay zero.
        package let absentRows: [Range<Int>]
        /// Whether it is never updated. Only the embedding is.
        package let isFrozen: Bool
        package var count: Int { shape.reduce(1, *) }
        package var range: Range<Int> { offset..<offset + count }
    }

    /// Parameters whose gradients a backward pass completes together: those of the embedding, of a layer, of the head.
    package struct Group: Sendable, Equatable {
        /// Places in `entries`.
        package let entries: Range<Int>
        /// Floats, up to the next group.
        package let range: Range<Int>
        /// Those without sparse parameters, which are a group's last.
        package let dense: Range<Int>
    }

    package let entries: [Entry]
    /// The embedding, each layer from the bottom, the head.
    package let groups: [Group]
    package let sparseRows: SparseRows
    /// Floats in the arena, padding between entries included (it stays zero).
    package let count: Int

    package init(_ model: ModelConfiguration) {
        var entries: [Entry] = []
        var groups: [Group] = []
        var sparse = SparseRows()
        var offset = 0
        for plan in model.plans(.token) {
            let (first, start) = (entries.count, offset)
            var dense: Int?
            for parameter in plan.parameters {
                let entry = Entry(
                    name: parameter.name, shape: parameter.shape, offset: offset, initial: parameter.initial,
                    isSparse: parameter.blockRows != nil, absentRows: parameter.absentRows, isFrozen: parameter.isFrozen)
                precondition(entry.isSparse || dense == nil, "sparse parameters are a group's last")
                if let rows = parameter.blockRows {
                    sparse.append(entry, at: entries.count, blockRows: rows)
                    dense = dense ?? offset
                }
                entries.append(entry)
                offset = Buffer.wholeLines(offset + entry.count)
            }
            groups.append(Group(entries: first..<entries.count, range: start..<offset, dense: start..<(dense ?? offset)))
        }
        self.entries = entries
        self.groups = groups
        sparseRows = sparse
        count = offset
    }

    /// Trainable values: padding not counted.
    package var parameters: Int { entries.reduce(0) { $0 + $1.count } }

    /// In the order in which a backward pass completes them: the head, each layer from the top, the embedding.
    package var backwardOrder: [Group] { groups.reversed() }

    /// The embedding [V, E].
    package var embedding: Entry { entries[groups[0].entries.lowerBound] }

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

    /// Fills in the initial values of each parameter: a function of the seed and the parameter's place in the layout.
    package func initialise(seed: UInt64) {
        for (index, entry) in layout.entries.enumerated() {
            switch entry.initial {
            case .constant(let value): values(entry).fill(value)
            case .noise(let softmax):
                let (noise, values) = (NoiseShares(softmax), values(entry))
                for token in values.indices { values[token] = noise.logarithm(token) }
            case .uniform(let range):
                var random = PhiloxSequence(seed: seed, purpose: .initialisation, stream: UInt64(index))
                values(entry).withUnsafe { values in
                    for i in values.indices { values[i] = Float(random.uniform() * 2 - 1) * range }
                }
            }
        }
        clearAbsentRows()
    }

    /// Rows that belong to nothing become zero.
    package func clearAbsentRows() {
        for entry in layout.entries {
            for rows in entry.absentRows {
                let width = entry.count / entry.shape[0]
                let place = entry.offset + rows.lowerBound * width
                Elements(of: buffer, in: place..<place + rows.count * width).fill(0)
            }
        }
    }
}
