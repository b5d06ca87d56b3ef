import Diagnostics
import Files
import FoundationEssentials

/// The JSON files of a dataset folder, each of which states its format and version.
enum JSONFile {
    private struct Heading: Decodable {
        var format: String
        var version: Int
    }

    /// - Parameters:
    ///   - format: what the file's `format` must say; its `version` must be 1.
    ///   - limit: the largest size in bytes that is read.
    /// - Throws: `FileError`, `JSONFileError`.
    static func read<Content: Decodable>(
        _: Content.Type, from path: String, format: String, limit: Int
    ) throws -> Content {
        let data = Data(try File.contents(of: path, limit: limit))
        do {
            let heading = try JSONDecoder().decode(Heading.self, from: data)
            guard heading.format == format else {
                throw JSONFileError.otherFormat(file: path, expected: format, found: heading.format)
            }
            guard heading.version == 1 else { throw JSONFileError.otherVersion(file: path, found: heading.version) }
            return try JSONDecoder().decode(Content.self, from: data)
        } catch let error as DecodingError {
            throw JSONFileError.malformed(file: path, error)
        }
    }

    /// Sorted keys, indented, a newline at the end.
    static func text(_ content: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(content), as: UTF8.self) + "\n"
    }
}

/// A JSON file without the content that its name promises.
package enum JSONFileError: DiagnosedError, Equatable {
    case malformed(file: String, keyPath: String, problem: String)
    case otherFormat(file: String, expected: String, found: String)
    case otherVersion(file: String, found: Int)

    static func malformed(file: String, _ error: DecodingError) -> JSONFileError {
        let context: DecodingError.Context
        switch error {
        case .typeMismatch(_, let c), .valueNotFound(_, let c), .dataCorrupted(let c): context = c
        case .keyNotFound(let key, let c):
            let path = keyPath(c.codingPath + [key])
            return .malformed(file: file, keyPath: path, problem: "it has no \(path)")
        @unknown default: return .malformed(file: file, keyPath: "", problem: "cannot be decoded")
        }
        return .malformed(file: file, keyPath: keyPath(context.codingPath), problem: context.debugDescription)
    }

    private static func keyPath(_ keys: [any CodingKey]) -> String {
        let path = keys.map { $0.intValue.map { "[\($0)]" } ?? ".\($0.stringValue)" }.joined()
        return String(path.drop { $0 == "." })
    }

    package var kind: FailureKind { .data }

    package var diagnosis: Diagnosis {
        switch self {
        case .malformed(let file, let keyPath, let problem):
            Diagnosis(
                "damaged or not the right file: \(problem)", file: file, location: keyPath.isEmpty ? nil : keyPath,
                remedy: "check the path, or prepare the data again")
        case .otherFormat(let file, let expected, let found):
            Diagnosis(
                "not the right file", file: file, location: "format", expected: "\"\(expected)\"",
                found: "\"\(found)\"",
                remedy: "check the path")
        case .otherVersion(let file, let found):
            Diagnosis(
                "a format version that this lockstep does not read", file: file, location: "version", expected: "1",
                found: "\(found)", remedy: "prepare the data again with this version")
        }
    }
}
