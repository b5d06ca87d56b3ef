import Checkpoints
import Recurrent

extension ModelFile {
    /// The cells that a file's recurrent weights may belong to, by their shape.
    /// - Throws: `SafetensorsError.missingTensor`; `ModelFileError.otherCell`.
    package static func cells(in file: SafetensorsFile) throws -> [Cell] {
        let name = prefix(of: file) + "rnn.weight_hh_l0"  // [G, H]
        let shape = try file.shape(of: name)
        guard shape.count == 2, shape[1] > 0 else {
            throw ModelFileError.otherCell(file: file.path, tensor: name, expected: [4, 1], found: shape)
        }
        let (rows, hidden) = (shape[0], shape[1])
        let found = Cell.allCases.filter { rows % hidden == 0 && rows / hidden == $0.gates }
        guard !found.isEmpty else {
            throw ModelFileError.otherCell(file: file.path, tensor: name, expected: [4 * hidden, hidden], found: shape)
        }
        return found
    }

    /// The model whose parameters a file holds, as its names and shapes tell. Weights are tied where there is only one
    /// matrix for embedding and output.
    /// - Parameters:
    ///   - cell: for shapes that several cells have.
    ///   - activation: that of an Elman network, which no shape shows.
    ///   - connections: nil for those that shapes and names show, which `residual` is not.
    /// - Throws: `SafetensorsError`; `ModelFileError.unclearCell`, `.otherCell`, `.notInFile`, `.notInModel`.
    package static func configuration(
        of file: SafetensorsFile, cell: Cell? = nil, activation: Activation = .tanh, connections: Connections? = nil
    ) throws -> ModelConfiguration {
        let cells = try cells(in: file)
        guard let cell = cell ?? (cells.count == 1 ? cells[0] : nil) else {
            throw ModelFileError.unclearCell(file: file.path, cells: cells.map(\.rawValue))
        }
        let prefix = prefix(of: file)
        let hidden = try file.shape(of: prefix + "rnn.weight_hh_l0")[1]
        guard cells.contains(cell) else {
            throw ModelFileError.otherCell(
                file: file.path, tensor: prefix + "rnn.weight_hh_l0", expected: [cell.gates * hidden, hidden],
                found: try file.shape(of: prefix + "rnn.weight_hh_l0"))
        }
        let names = Set(file.names)
        let matrices = [encoder, decoder].filter { names.contains(prefix + $0) }
        let shape = try file.shape(of: prefix + (matrices.first ?? encoder))  // [V, E]
        guard shape.count == 2, shape[0] > 0, shape[1] > 0, max(shape[0], shape[1], hidden) <= Int(Int32.max) else {
            throw SafetensorsError.otherShape(
                file: file.path, tensor: prefix + (matrices.first ?? encoder), expected: [max(shape.first ?? 1, 1), hidden], found: shape)
        }
        let tied = matrices.count == 1
        let layers = (1...).first { !names.contains(prefix + "rnn.weight_hh_l\($0)") }!
        let sizes = try (0..<layers).map { layer in
            let name = prefix + "rnn.weight_hh_l\(layer)"
            let shape = try file.shape(of: name)  // [G, H]
            guard shape.count == 2, shape[1] > 0, shape[1] <= Int(Int32.max), shape[0] == cell.gates * shape[1] else {
                throw ModelFileError.otherCell(file: file.path, tensor: name, expected: [cell.gates * hidden, hidden], found: shape)
            }
            return shape[1]
        }
        let found = try connections ?? self.connections(in: file, embedding: shape[1], sizes)
        guard !tied || found != .dense && shape[1] == sizes.last else {
            throw ModelFileError.notInFile(file: file.path, tensor: prefix + (matrices[0] == encoder ? decoder : encoder))
        }
        guard !found.needsEqualWidths || sizes.allSatisfy({ $0 == shape[1] }) else {
            throw SafetensorsError.otherShape(
                file: file.path, tensor: prefix + "rnn.weight_hh_l0", expected: [cell.gates * shape[1], shape[1]],
                found: [cell.gates * hidden, hidden])
        }
        let model = ModelConfiguration(
            cell: cell, activation: activation, vocabulary: shape[0], embedding: shape[1], hidden: sizes, connections: found, tied: tied)
        try check(file, model: model)
        return model
    }

    /// A highway has weights of its own; with dense connections, what reads the lowest layer reads the embedding, too.
    private static func connections(in file: SafetensorsFile, embedding: Int, _ sizes: [Int]) throws -> Connections {
        let prefix = prefix(of: file)
        if file.names.contains(prefix + "rnn.highway_weight_l0") { return .highway }
        let reader = prefix + (sizes.count > 1 ? "rnn.weight_ih_l1" : decoder)
        return try file.names.contains(reader) && file.shape(of: reader).last == embedding + sizes[0] ? .dense : .none
    }

    /// The model that a file describes, with its parameters.
    /// - Throws: as `configuration` and `load`.
    package static func load(
        _ file: SafetensorsFile, cell: Cell?, activation: Activation, connections: Connections?
    ) throws -> (ModelConfiguration, Arena) {
        let model = try configuration(of: file, cell: cell, activation: activation, connections: connections)
        let parameters = Arena(ParameterLayout(model))
        try load(file, into: parameters, model: model)
        return (model, parameters)
    }
}
