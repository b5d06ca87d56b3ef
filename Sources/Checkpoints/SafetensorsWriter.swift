import Files
import FoundationEssentials

/// Writes tensors as a safetensors file (format: https://github.com/huggingface/safetensors#format):
///
///     8 bytes   N, little-endian
///     N bytes   JSON {"name": {"dtype": "F32", "shape": [3, 5], "data_offsets": [begin, end]}, ...}, padded with spaces
///     rest      the tensors' bytes without gaps; offsets count from the start of this part
enum SafetensorsWriter {
    /// The data starts at a multiple of this, so that a mapped file can be read with any vector instruction.
    static let alignment = 64

    /// Streams the tensors to a new file at `path` and makes it durable. The bytes depend only on the arguments.
    ///
    /// Wider elements come first, otherwise in the given order, so that every element is aligned.
    /// - Parameter metadata: beside the format.
    /// - Returns: what was written, for the manifest.
    /// - Throws: `FileError`; part of the file may then exist.
    static func write(_ tensors: [NamedTensor], to path: String, metadata: [String: String] = [:]) throws -> FileRecord {
        precondition(Set(tensors.map(\.name)).count == tensors.count, "two tensors with the same name")
        let ordered = tensors.enumerated()
            .sorted { ($1.element.type.size, $0.offset) < ($0.element.type.size, $1.offset) }.map(\.element)
        let header = try header(of: ordered, metadata)
        let file = try File.open(path, .createNew)
        let digest = Digest()
        try header.withUnsafeBytes {
            try file.write($0)
            digest.update($0)
        }
        var size = header.count
        var checksums: [String: String] = [:]
        for tensor in ordered {
            try tensor.withBytes { bytes in
                try file.write(bytes)
                digest.update(bytes)
                checksums[tensor.name] = Digest.sha256(bytes)
                size += bytes.count
            }
        }
        try file.sync()
        try file.close()
        return FileRecord(size: size, sha256: digest.hexadecimal(), tensors: checksums)
    }

    /// The length field and the padded JSON.
    private static func header(of tensors: [NamedTensor], _ metadata: [String: String]) throws -> [UInt8] {
        // "format": "pt" is what libraries built on PyTorch look for.
        func quoted(_ text: String) throws -> String { String(decoding: try JSONEncoder().encode(text), as: UTF8.self) }
        let more = try metadata.sorted { $0.key < $1.key }.map { ",\(try quoted($0.key)):\(try quoted($0.value))" }.joined()
        var json = #"{"__metadata__":{"format":"pt"\#(more)}"#
        var offset = 0
        for tensor in tensors {
            let name = try quoted(tensor.name)
            let shape = tensor.shape.map(String.init).joined(separator: ",")
            let end = offset + tensor.byteCount
            json += #",\#(name):{"dtype":"\#(tensor.type.rawValue)","shape":[\#(shape)],"data_offsets":[\#(offset),\#(end)]}"#
            offset = end
        }
        json += "}"
        var text = Array(json.utf8)
        let total = (8 + text.count + alignment - 1) / alignment * alignment
        text += repeatElement(UInt8(ascii: " "), count: total - 8 - text.count)
        return withUnsafeBytes(of: UInt64(text.count).littleEndian, Array.init) + text
    }
}
