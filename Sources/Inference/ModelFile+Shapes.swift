import Checkpoints
import Recurrent

extension ModelFile {
    /// The cells that a file's weights may belong to: the one that it names, or those of their shape.
    /// - Throws: as `CellWeights`; `SafetensorsError.badDescription`.
    package static func cells(in file: SafetensorsFile) throws -> [Cell] {
        if let cell = try ModelSummary(describing: file).flatMap({ Cell(rawValue: $0.cell) }) { return [cell] }
        return try CellWeights(of: 0, in: file).cells
    }

    /// What the weights of a layer that has nothing but its cell tell.
    private struct CellWeights {
        let name: String
        let shape: [Int]
        /// More than one where the shape does not tell.
        let cells: [Cell]
        let hidden: Int

        /// - Throws: `SafetensorsError.missingTensor`; `ModelFileError.otherCell`.
        init(of layer: Int, in file: SafetensorsFile) throws {
            let prefix = prefix(of: file)
            let windowed = "\(prefix)rnn.weight_l\(layer)"
            let isWindow = file.names.contains(windowed)
            name = isWindow ? windowed : "\(prefix)rnn.weight_hh_l\(layer)"
            shape = try file.shape(of: name)  // [H, n*in], or [G, H]
            guard shape.count == 2, shape[0] > 0, shape[1] > 0, shape.max()! <= Int(Int32.max) else {
                throw ModelFileError.otherCell(file: file.path, tensor: name, expected: [4, 1], found: shape)
            }
            let (rows, columns) = (shape[0], shape[1])
            hidden = isWindow ? rows : columns
            cells =
                isWindow
                ? [.window] : Cell.allCases.filter { cell in cell.gates.map { $0 * columns == rows } ?? false }
            guard !cells.isEmpty else {
                throw ModelFileError.otherCell(file: file.path, tensor: name, expected: [4 * columns, columns], found: shape)
            }
        }

        static func exist(for layer: Int, in file: SafetensorsFile) -> Bool {
            let prefix = prefix(of: file)
            return ["weight_hh", "weight"].contains { file.names.contains("\(prefix)rnn.\($0)_l\(layer)") }
        }

        /// The error of a layer that is not of this cell.
        func other(than cell: Cell, _ file: SafetensorsFile) -> ModelFileError {
            .otherCell(file: file.path, tensor: name, expected: [(cell.gates ?? 1) * hidden, hidden], found: shape)
        }
    }

    /// The model whose parameters a file holds, as its description tells if lockstep has written it, else as names and shapes do.
    /// - Parameters:
    ///   - cell: for shapes that several cells have.
    ///   - activation: that of an Elman network or a window, which no shape shows; nil for tanh.
    ///   - connections: nil for those that names and shapes show, which `residual` is not.
    /// - Throws: `SafetensorsError`; `ModelFileError.unclearCell`, `.otherCell`, `.notInFile`, `.notInModel`, `.described`, or as for a
    ///   checkpoint.
    package static func configuration(
        of file: SafetensorsFile, cell: Cell? = nil, activation: Activation? = nil, connections: Connections? = nil
    ) throws -> ModelConfiguration {
        guard let summary = try ModelSummary(describing: file) else {
            return try shown(by: file, cell: cell, activation: activation ?? .tanh, connections: connections)
        }
        let model = try configuration(summary, of: file, place: file.path)
        let given = [
            ("--cell", cell?.rawValue, model.cell.rawValue), ("--activation", activation?.rawValue, model.activation.rawValue),
            ("--connections", connections?.rawValue, model.connections.rawValue),
        ]
        for (option, value, own) in given {
            guard value == nil || value == own else { throw ModelFileError.described(file: file.path, option: option, as: own) }
        }
        try check(file, model: model)
        return model
    }

    /// The model that names and shapes show. Weights are tied where there is only one matrix for embedding and output.
    private static func shown(
        by file: SafetensorsFile, cell: Cell?, activation: Activation, connections: Connections?
    ) throws -> ModelConfiguration {
        if let reverse = reverseTensor(in: file) { throw ModelFileError.bothDirections(file: file.path, tensor: reverse) }
        let first = try CellWeights(of: 0, in: file)
        guard let cell = cell ?? (first.cells.count == 1 ? first.cells[0] : nil) else {
            throw ModelFileError.unclearCell(file: file.path, cells: first.cells.map(\.rawValue))
        }
        let (prefix, hidden) = (prefix(of: file), first.hidden)
        guard first.cells.contains(cell) else { throw first.other(than: cell, file) }
        let names = Set(file.names)
        let matrices = [encoder, decoder].filter { names.contains(prefix + $0) }
        let shape = try file.shape(of: prefix + (matrices.first ?? encoder))  // [V, E]
        guard shape.count == 2, shape[0] > 0, shape[1] > 0, max(shape[0], shape[1], hidden) <= Int(Int32.max) else {
            throw SafetensorsError.otherShape(
                file: file.path, tensor: prefix + (matrices.first ?? encoder), expected: [max(shape.first ?? 1, 1), hidden], found: shape)
        }
        let softmax = try adaptiveSoftmax(in: file, vocabulary: shape[0])
        let tied = matrices.count == 1 && softmax == nil
        let layers = (1...).first { !CellWeights.exist(for: $0, in: file) }!
        let sizes = try (0..<layers).map { layer in
            let weights = try CellWeights(of: layer, in: file)
            guard weights.cells.contains(cell) else { throw weights.other(than: cell, file) }
            return weights.hidden
        }
        guard cell != .window || first.shape[1] % shape[1] == 0 && ModelConfiguration.windows.contains(first.shape[1] / shape[1]) else {
            throw ModelFileError.otherCell(file: file.path, tensor: first.name, expected: [hidden, shape[1]], found: first.shape)
        }
        let window = cell == .window ? first.shape[1] / shape[1] : 1
        let found = try connections ?? self.connections(in: file, embedding: shape[1], sizes, window: window)
        guard !tied || found != .dense && shape[1] == sizes.last else {
            throw ModelFileError.notInFile(file: file.path, tensor: prefix + (matrices[0] == encoder ? decoder : encoder))
        }
        guard !found.needsEqualWidths || sizes.allSatisfy({ $0 == shape[1] }) else {
            throw SafetensorsError.otherShape(
                file: file.path, tensor: first.name, expected: [(cell.gates ?? 1) * shape[1], shape[1]], found: first.shape)
        }
        var model = ModelConfiguration(
            cell: cell, activation: activation, window: window,
            normalization: names.contains { $0.hasPrefix(prefix + "rnn.gain") } ? .layer : .none, vocabulary: shape[0],
            embedding: shape[1], hidden: sizes, connections: found, tied: tied)
        if let softmax { model.softmax = .adaptive(softmax) }
        try check(file, model: model)
        return model
    }

    /// The clusters that the head's and the tails' shapes show; nil for a file with a decoder, or without tails.
    /// - Throws: `SafetensorsError.otherShape` if they are not clusters of the vocabulary.
    private static func adaptiveSoftmax(in file: SafetensorsFile, vocabulary: Int) throws -> AdaptiveSoftmax? {
        let prefix = prefix(of: file)
        let names = Set(file.names)
        let own = adaptivePrefix(names, prefix)
        let tails = (0...).prefix { names.contains("\(own)tail.\($0).1.weight") }
        guard names.contains(own + head), !names.contains(prefix + decoder), !tails.isEmpty else { return nil }
        let shape = try file.shape(of: own + head)  // [first cutoff + tails, H]
        let shapes = try tails.map { try file.shape(of: "\(own)tail.\($0).1.weight") }  // [C, P]
        let inTails = shapes.reduce(0.0) { $0 + Double($1.first ?? 0) }
        let first = Double(vocabulary) - inTails
        guard shape.count == 2, shapes.allSatisfy({ $0.count == 2 && $0[0] > 0 && $0[1] > 0 }), first > 0,
            Double(shape[0]) == first + Double(tails.count)
        else {
            throw SafetensorsError.otherShape(
                file: file.path, tensor: own + head, expected: [Int(max(1, first)) + tails.count, shape.last ?? 1], found: shape)
        }
        let cutoffs = shapes.dropLast().reduce(into: [Int(first)]) { $0.append($0.last! + $1[0]) }
        return AdaptiveSoftmax(cutoffs: cutoffs, projections: shapes.map { $0[1] }, vocabulary: vocabulary)
    }

    /// A highway has weights of its own; with dense connections, what reads the lowest layer reads the embedding, too.
    private static func connections(
        in file: SafetensorsFile, embedding: Int, _ sizes: [Int], window: Int
    ) throws -> Connections {
        let prefix = prefix(of: file)
        if file.names.contains(prefix + "rnn.highway_weight_l0") { return .highway }
        let second = ["rnn.weight_ih_l1", "rnn.weight_l1"].map { prefix + $0 }.first(where: file.names.contains)
        let reader = second ?? (file.names.contains(prefix + decoder) ? prefix + decoder : adaptivePrefix(Set(file.names), prefix) + head)
        let width = (embedding + sizes[0]) * (second == nil ? 1 : window)
        return try file.names.contains(reader) && file.shape(of: reader).last == width ? .dense : .none
    }

    /// The model that a file describes, with its parameters.
    /// - Throws: as `configuration` and `load`.
    package static func load(
        _ file: SafetensorsFile, cell: Cell?, activation: Activation?, connections: Connections?
    ) throws -> (ModelConfiguration, Arena) {
        let model = try configuration(of: file, cell: cell, activation: activation, connections: connections)
        let parameters = Arena(ParameterLayout(model))
        try load(file, into: parameters, model: model)
        return (model, parameters)
    }
}
