import Diagnostics
import Files
import Glibc

/// What can be wrong with a configuration file or a `--set` option.
package enum ConfigurationError: DiagnosedError, Equatable {
    case unreadable(FileError)
    /// The offset of the first byte that is not UTF-8.
    case notText(file: String, offset: Int)
    case syntax(String, Place)
    /// YAML anchors and aliases are refused: a few lines of them can stand for a document of any size.
    case anchor(Place)
    case duplicateKey(String, Place)
    /// `candidates` has only the likely intention, or all keys of the group.
    case unknownKey(String, candidates: [String], Place)
    /// A value of another type, or out of range.
    case wrongValue(String, expected: String, found: String, Place?)
    /// Values that are valid individually but not together.
    case contradiction(String, expected: String, found: String)
    /// Not of the form `key.path=value`.
    case malformedOverride(String)

    /// Where a key was written.
    package struct Place: Sendable, Equatable {
        /// Nil for `--set`.
        package let file: String?
        /// "line 3, column 5" or "--set key=value".
        package let location: String
    }

    package var kind: FailureKind {
        switch self {
        // A file that is too large is most likely the wrong one.
        case .unreadable(let error) where error.kind == .inputOutput && error.code != EFBIG: .inputOutput
        default: .usage
        }
    }

    package var diagnosis: Diagnosis {
        switch self {
        case .unreadable(let error):
            return error.diagnosis
        case .notText(let file, let offset):
            return Diagnosis("not UTF-8 text", file: file, location: "byte \(offset)", remedy: "check the path")
        case .syntax(let problem, let place):
            return Diagnosis("not valid YAML: \(problem)", file: place.file, location: place.location)
        case .anchor(let place):
            return Diagnosis(
                "YAML anchors (&name) are not supported", file: place.file, location: place.location,
                remedy: "write the value out where it is needed")
        case .duplicateKey(let key, let place):
            return Diagnosis(
                "key '\(key)' is given more than once", file: place.file, location: place.location,
                remedy: "keep one of them")
        case .unknownKey(let key, let candidates, let place):
            return Diagnosis(
                "unknown key '\(key)'", file: place.file, location: place.location,
                remedy: candidates.count == 1
                    ? "did you mean '\(candidates[0])'?" : "valid keys here: " + candidates.joined(separator: ", "))
        case .wrongValue(let key, let expected, let found, let place):
            return Diagnosis(
                "\(key) cannot have this value", file: place?.file, location: place?.location, expected: expected,
                found: found)
        case .contradiction(let key, let expected, let found):
            return Diagnosis("\(key) does not fit the other settings", expected: expected, found: found)
        case .malformedOverride(let text):
            return Diagnosis("not a setting: '\(text)'", location: "--set", expected: "key.path=value")
        }
    }
}
