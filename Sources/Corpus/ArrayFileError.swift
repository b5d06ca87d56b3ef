import Diagnostics

/// A token file that is not a NumPy array of tokens, or is damaged.
package enum ArrayFileError: DiagnosedError, Equatable {
    case notAnArray(file: String)
    case truncated(file: String, expected: Int, found: Int)
    case unsupportedVersion(file: String, version: String)
    case headerTooLong(file: String, size: Int)
    case malformedHeader(file: String, offset: Int, expected: String)
    case unsupportedType(file: String, type: String, accepted: [String])
    case fortranOrder(file: String)
    case otherDimensions(file: String, dimensions: Int, expected: String)
    case sizeDisagrees(file: String, count: Int, elementSize: Int, found: Int)
    case tokenOutOfRange(file: String, index: Int, offset: Int, token: Int, vocabularySize: Int)

    package var kind: FailureKind { .data }

    package var diagnosis: Diagnosis {
        var diagnosis =
            switch self {
            case .notAnArray(let file):
                Diagnosis("not a NumPy array file", file: file, location: "byte 0", expected: "\\x93NUMPY")
            case .truncated(let file, let expected, let found):
                Diagnosis(
                    "the file ends inside its header", file: file, expected: "at least \(expected) bytes",
                    found: "\(found)")
            case .unsupportedVersion(let file, let version):
                Diagnosis(
                    "unsupported format version", file: file, location: "byte 6", expected: "1.0 or 2.0", found: version
                )
            case .headerTooLong(let file, let size):
                Diagnosis(
                    "the header is too long", file: file, location: "byte 8",
                    expected: "at most \(ArrayHeader.longestText) bytes", found: "\(size)")
            case .malformedHeader(let file, let offset, let expected):
                Diagnosis("malformed header", file: file, location: "byte \(offset)", expected: expected)
            case .unsupportedType(let file, let type, let accepted):
                Diagnosis(
                    "unsupported element type", file: file, location: "descr",
                    expected: accepted.joined(separator: " or "), found: type)
            case .fortranOrder(let file):
                Diagnosis(
                    "unsupported element order", file: file, location: "fortran_order", expected: "False", found: "True"
                )
            case .otherDimensions(let file, let dimensions, let expected):
                Diagnosis(
                    expected == "1" ? "not a one-dimensional array" : "another number of dimensions", file: file, location: "shape", expected: expected, found: "\(dimensions)")
            case .sizeDisagrees(let file, let count, let elementSize, let found):
                Diagnosis(
                    "the size does not fit the header", file: file,
                    expected: "\(count) elements of \(elementSize) bytes", found: "\(found) bytes after the header")
            case .tokenOutOfRange(let file, let index, let offset, let token, let vocabularySize):
                Diagnosis(
                    "token id outside the vocabulary", file: file, location: "token \(index), byte \(offset)",
                    expected: "an id below \(vocabularySize)", found: "\(token)")
            }
        diagnosis.remedy = "prepare the data again"
        return diagnosis
    }
}
