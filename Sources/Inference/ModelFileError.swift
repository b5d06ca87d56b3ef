import Diagnostics

package enum ModelFileError: DiagnosedError, Equatable {
    case unknown(what: String, file: String, found: String, known: [String])
    case inconsistent(file: String)
    case notTied(file: String)
    /// NaN or infinity among the weights.
    case notFinite(file: String, tensor: String)
    /// One matrix for both, `tensor`, although the model has two.
    case tied(file: String, tensor: String)
    /// A recurrent weight of the model is missing from the file.
    case notInFile(file: String, tensor: String)
    /// The file has a recurrent weight that would be lost.
    case notInModel(file: String, tensor: String)
    /// The shapes of several cells.
    case unclearCell(file: String, cells: [String])
    /// The file says of itself what an option denies.
    case described(file: String, option: String, as: String)
    /// Layers that read from the end, in a model of what they read.
    case seesTheNextToken(file: String)
    /// The file's layers read in both directions, the model's in one.
    case bothDirections(file: String, tensor: String)
    case otherCell(file: String, tensor: String, expected: [Int], found: [Int])

    package var kind: FailureKind { .data }

    package var diagnosis: Diagnosis {
        switch self {
        case .unknown(let what, let file, let found, let known):
            Diagnosis(
                "unknown \(what)", file: file, expected: known.joined(separator: ", "),
                found: "'\(found)'", remedy: "use the version of lockstep that wrote it, or another checkpoint")
        case .inconsistent(let file):
            Diagnosis(
                "the model's description contradicts itself", file: file,
                remedy: "use another checkpoint")
        case .notTied(let file):
            Diagnosis(
                "the model is configured as tied, but decoder.weight differs from encoder.weight", file: file,
                remedy: "set model.tied to false or use another file")
        case .notFinite(let file, let tensor):
            Diagnosis(
                "weights that single precision cannot hold", file: file, location: tensor.printable,
                found: "NaN or infinity", remedy: "use weights from before the training diverged")
        case .tied(let file, let tensor):
            Diagnosis(
                "the file has one matrix for embedding and output, \(tensor.printable); the model is configured with two", file: file,
                remedy: "set model.tied to true, and model.embedding and model.hidden to the same size")
        case .unclearCell(let file, let cells):
            Diagnosis(
                "the shapes are those of more than one cell", file: file, found: cells.joined(separator: " or "),
                remedy: "say which with --cell; torch.nn.GRU is gru_reset_after")
        case .described(let file, let option, let own):
            Diagnosis(
                "\(option) contradicts what the file says of itself", file: file, expected: own,
                remedy: "leave out \(option), which is for the files of other programs")
        case .seesTheNextToken(let file):
            Diagnosis(
                "a bidirectional model of the next token, which would see the token that it predicts", file: file,
                remedy: "use a model whose layers read in one direction")
        case .bothDirections(let file, let tensor):
            Diagnosis(
                "the file's layers read in both directions, those of the model as configured in one", file: file,
                location: tensor.printable,
                remedy: "set model.bidirectional to true; a model that predicts the next token cannot be bidirectional, since it would see that token")
        case .otherCell(let file, let tensor, let expected, let found):
            Diagnosis(
                "not the recurrent weights of such a cell", file: file, location: tensor.printable,
                expected: "[\(expected.map(String.init).joined(separator: ", "))]",
                found: "[\(found.map(String.init).joined(separator: ", "))]".printable,
                remedy: "lstm has 4 H rows, gru and gru_reset_after 3 H, elman H, for H columns; window has n columns for each value of its input")
        case .notInFile(let file, let tensor):
            Diagnosis(
                "the file lacks this tensor of the model as configured", file: file, location: tensor.printable,
                remedy: "set model.layers, model.cell, model.normalization and model.softmax as the file has them; lockstep inspect shows its tensors")
        case .notInModel(let file, let tensor):
            Diagnosis(
                "the model as configured does not have this tensor", file: file, location: tensor.printable,
                remedy: "set model.layers, model.cell, model.normalization and model.softmax as the file has them (no projection, no bias in an adaptive softmax)")
        }
    }
}
