import Diagnostics

/// What can be wrong with a safetensors file, or with a request to it.
package enum SafetensorsError: DiagnosedError, Equatable {
    case notAFile(file: String)
    case noLengthField(file: String, size: Int)
    case otherFormat(file: String, found: OtherFormat)
    /// A length of zero, above the format's limit, or above the size of the file.
    case headerLength(file: String, length: UInt64, largest: Int)
    case malformedHeader(file: String, offset: Int, expected: String)
    case notUTF8(file: String, offset: Int)
    case duplicateName(file: String, name: String)
    case unknownType(file: String, tensor: String, found: String)
    case shapeOverflow(file: String, tensor: String, shape: [Int])
    case wrongSize(file: String, tensor: String, shape: [Int], expected: Int, found: Int)
    case reversedOffsets(file: String, tensor: String, begin: Int, end: Int)
    case outOfRange(file: String, tensor: String, end: Int, dataSize: Int)
    case overlap(file: String, tensor: String, begin: Int, previousEnd: Int)
    case gap(file: String, tensor: String, begin: Int, previousEnd: Int)
    case trailingBytes(file: String, expected: Int, found: Int)
    case missingTensor(file: String, tensor: String, nearest: String?)
    case otherShape(file: String, tensor: String, expected: [Int], found: [Int])
    case otherType(file: String, tensor: String, expected: ElementType, found: ElementType)
    /// What lockstep writes about the model into the metadata is not there in full.
    case badDescription(file: String)
    /// Elements at addresses that are no multiples of their size.
    case notAligned(file: String, tensor: String)

    package enum OtherFormat: String, Sendable {
        case pickle = "a file from torch.save"
        case array = "a NumPy array"
        case text
    }

    package var kind: FailureKind { .data }

    package var diagnosis: Diagnosis {
        switch self {
        case .notAFile(let file):
            return Diagnosis("not a regular file", file: file, remedy: "pass a .safetensors file")
        case .noLengthField(let file, let size):
            return damaged("too short for a safetensors file", file, expected: "at least 10 bytes", found: "\(size)")
        case .otherFormat(let file, let found):
            return Diagnosis(
                "not a safetensors file", file: file, found: found.rawValue,
                remedy: found == .pickle
                    ? "save the state_dict with safetensors.torch.save_file instead" : "pass a .safetensors file")
        case .headerLength(let file, let length, let largest):
            return damaged(
                "impossible header length", file, at: "bytes 0..<8", expected: "2 to \(largest)", found: "\(length)")
        case .malformedHeader(let file, let offset, let expected):
            return damaged("not a safetensors header", file, at: "byte \(offset)", expected: expected)
        case .notUTF8(let file, let offset):
            return damaged("text is not UTF-8", file, at: "string before byte \(offset)")
        case .duplicateName(let file, let name):
            return damaged("two entries with the same name", file, at: name.printable)
        case .badDescription(let file):
            return damaged("the model's description contradicts itself", file, at: "__metadata__")
        case .unknownType(let file, let tensor, let found):
            let known = ElementType.allCases.map(\.rawValue).joined(separator: ", ")
            return damaged("unknown dtype", file, at: tensor.printable, expected: "one of \(known)", found: found.printable)
        case .shapeOverflow(let file, let tensor, let shape):
            return damaged("larger than any memory", file, at: tensor.printable, found: "shape \(describe(shape: shape))")
        case .wrongSize(let file, let tensor, let shape, let expected, let found):
            return damaged(
                "shape and data disagree", file, at: tensor.printable,
                expected: "\(expected) bytes for shape \(describe(shape: shape))", found: "\(found)")
        case .reversedOffsets(let file, let tensor, let begin, let end):
            return damaged("data_offsets reversed", file, at: tensor.printable, found: "[\(begin), \(end)]")
        case .outOfRange(let file, let tensor, let end, let dataSize):
            return damaged(
                "data beyond the end of the file", file, at: tensor.printable, expected: "at most \(dataSize) bytes of data",
                found: "an end at \(end)")
        case .overlap(let file, let tensor, let begin, let previousEnd):
            return damaged(
                "data overlaps the tensor before it", file, at: tensor.printable, expected: "a start at \(previousEnd)",
                found: "\(begin)")
        case .gap(let file, let tensor, let begin, let previousEnd):
            return damaged(
                "gap before the data", file, at: tensor.printable, expected: "a start at \(previousEnd)", found: "\(begin)")
        case .trailingBytes(let file, let expected, let found):
            return damaged(
                "bytes after the last tensor", file, expected: "\(expected) bytes of data", found: "\(found)")
        case .missingTensor(let file, let tensor, let nearest):
            return Diagnosis(
                "no tensor of that name", file: file, location: tensor.printable,
                remedy: nearest.map { "the nearest name is \($0.printable)" } ?? "lockstep inspect lists the tensors")
        case .otherShape(let file, let tensor, let expected, let found):
            return Diagnosis(
                "the tensor has another shape", file: file, location: tensor.printable,
                expected: describe(shape: expected), found: describe(shape: found),
                remedy: "use the model configuration that the file was made with (of a run, --config RUN/config.yaml)")
        case .otherType(let file, let tensor, let expected, let found):
            return Diagnosis(
                "the tensor has another dtype", file: file, location: tensor.printable, expected: expected.rawValue,
                found: found.rawValue, remedy: "convert the file")
        case .notAligned(let file, let tensor):
            return damaged("elements that are not aligned", file, at: tensor.printable)
        }
    }

    private func damaged(
        _ what: String, _ file: String, at location: String? = nil, expected: String? = nil, found: String? = nil
    ) -> Diagnosis {
        Diagnosis(
            what, file: file, location: location, expected: expected, found: found,
            remedy: "the file is damaged or not a safetensors file: use another copy")
    }
}

/// `[2, 3]`; a stranger's shape can have millions of dimensions, of which the first few are shown.
func describe(shape: [Int]) -> String {
    "[" + shape.prefix(8).map(String.init).joined(separator: ", ") + (shape.count > 8 ? ", ...]" : "]")
}
