import Files
import FoundationEssentials

/// `manifest.json` on disk: the manifest, and a checksum over the file itself, since a flipped digit is still JSON.
enum ManifestFile {
    static let name = "manifest.json"
    /// Far above any real manifest.
    private static let largest = 64 << 20
    /// The placeholder for the checksum while it is computed. No other value can precede it: the keys are
    /// sorted, and only numbers come before this one.
    private static let noChecksum = String(repeating: "0", count: 64)

    private struct Content: Encodable {
        let manifest: Manifest
        private enum CodingKeys: String, CodingKey { case checksum }

        func encode(to encoder: any Encoder) throws {
            try manifest.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(noChecksum, forKey: .checksum)
        }
    }

    /// The part that is read before anything else is trusted.
    private struct Preamble: Decodable {
        let formatVersion: Int
        let checksum: String
        private enum CodingKeys: String, CodingKey {
            case formatVersion = "format_version"
            case checksum
        }
    }

    /// Writes a new file and makes it durable.
    static func write(_ manifest: Manifest, in folder: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "infinity", negativeInfinity: "-infinity", nan: "nan")
        var bytes = Array(try encoder.encode(Content(manifest: manifest))) + [UInt8(ascii: "\n")]
        let checksum = bytes.withUnsafeBytes { Digest.sha256($0) }
        bytes.replaceFirst(noChecksum, with: checksum)
        let file = try File.open("\(folder)/\(name)", .createNew)
        try bytes.withUnsafeBytes { try file.write($0) }
        try file.sync()
        try file.close()
    }

    /// - Throws: `FileError`, `CheckpointError`.
    static func read(in folder: String) throws -> Manifest {
        let path = "\(folder)/\(name)"
        guard Folder.isFile(path, followingLinks: false) else {
            throw CheckpointError.notACheckpoint(path: folder, missing: name)
        }
        var bytes = try File.contents(of: path, limit: largest)
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "infinity", negativeInfinity: "-infinity", nan: "nan")
        let manifest: Manifest
        do {
            let preamble = try decoder.decode(Preamble.self, from: Data(bytes))
            guard Manifest.supportedFormats.contains(preamble.formatVersion) else {
                throw CheckpointError.otherFormat(
                    file: path, found: preamble.formatVersion, supported: Manifest.supportedFormats)
            }
            manifest = try decoder.decode(Manifest.self, from: Data(bytes))
            bytes.replaceFirst(preamble.checksum, with: noChecksum)
            let found = bytes.withUnsafeBytes { Digest.sha256($0) }
            guard found == preamble.checksum else {
                throw CheckpointError.damagedFile(path: path, expected: preamble.checksum, found: found)
            }
        } catch let error as DecodingError {
            throw CheckpointError.unreadableManifest(file: path, reason: describe(error))
        }
        if let number = manifest.impossibleNumber {
            throw CheckpointError.unreadableManifest(file: path, reason: "impossible number: \(number)")
        }
        return manifest
    }

    private static func describe(_ error: DecodingError) -> String {
        let (what, context): (String, DecodingError.Context) =
            switch error {
            case .keyNotFound(let key, let context): ("no key \(key.stringValue)", context)
            case .typeMismatch(let type, let context): ("expected \(type)", context)
            case .valueNotFound(let type, let context): ("expected \(type)", context)
            // Foundation throws this for bad numbers too, without saying which.
            case .dataCorrupted(let context): ("not JSON, or a number out of range", context)
            @unknown default: ("unknown error", DecodingError.Context(codingPath: [], debugDescription: ""))
            }
        let path = context.codingPath.map(\.stringValue).joined(separator: ".").printable
        return path.isEmpty ? what : "\(path): \(what)"
    }
}

extension [UInt8] {
    fileprivate mutating func replaceFirst(_ old: String, with new: String) {
        guard !old.isEmpty, let range = firstRange(of: Array(old.utf8)) else { return }
        replaceSubrange(range, with: new.utf8)
    }
}
