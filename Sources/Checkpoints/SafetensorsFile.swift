import Diagnostics
import Files

/// A safetensors file, mapped into memory. The header is checked when the file is opened; data is read on demand.
package final class SafetensorsFile: Sendable {
    package let path: String
    /// In the order of their bytes.
    package let tensors: [TensorDescription]
    package let metadata: [String: String]
    private let index: [String: Int]
    private let map: MappedFile
    private let dataStart: Int

    /// The reference implementation's limit.
    static let largestHeader = 100_000_000

    /// - Throws: `FileError`, `SafetensorsError`.
    package init(_ path: String) throws {
        if Folder.exists(path), !Folder.isFile(path) { throw SafetensorsError.notAFile(file: path) }
        let map = try MappedFile(path)
        let bytes = map.bytes
        guard bytes.count >= 10 else { throw SafetensorsError.noLengthField(file: path, size: bytes.count) }
        let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
        let largest = min(Self.largestHeader, bytes.count - 8)
        guard let headerLength = Int(exactly: length), headerLength >= 2, headerLength <= largest else {
            if let format = Self.otherFormat(bytes) { throw SafetensorsError.otherFormat(file: path, found: format) }
            throw SafetensorsError.headerLength(file: path, length: length, largest: largest)
        }
        dataStart = 8 + headerLength
        let header = try SafetensorsHeader(
            parsing: UnsafeRawBufferPointer(rebasing: bytes[8..<dataStart]), dataSize: bytes.count - dataStart, file: path)
        self.path = path
        self.map = map
        tensors = header.tensors
        metadata = header.metadata
        index = Dictionary(uniqueKeysWithValues: tensors.enumerated().map { ($1.name, $0) })
    }

    /// What a file seems to be if its first 8 bytes are not a length.
    private static func otherFormat(_ bytes: UnsafeRawBufferPointer) -> SafetensorsError.OtherFormat? {
        let start = bytes.prefix(8)
        if start.starts(with: Array("PK".utf8)) || start[0] == 0x80 && (2...5).contains(start[1]) { return .pickle }
        if start.starts(with: [0x93] + Array("NUMPY".utf8)) { return .array }
        return start.allSatisfy { (0x20...0x7E).contains($0) || (0x09...0x0D).contains($0) } ? .text : nil
    }

    package var names: [String] { tensors.map(\.name) }

    /// - Throws: `SafetensorsError.missingTensor`.
    package func description(of name: String) throws -> TensorDescription {
        guard let found = index[name] else {
            let candidates = tensors.prefix(1000).map(\.name).filter { $0.utf8.count < 200 }
            throw SafetensorsError.missingTensor(
                file: path, tensor: name, nearest: nearestName(to: name, among: candidates))
        }
        return tensors[found]
    }

    package func shape(of name: String) throws -> [Int] { try description(of: name).shape }

    /// Valid as long as this object exists.
    func bytes(of tensor: TensorDescription) -> UnsafeRawBufferPointer {
        let start = dataStart + tensor.range.lowerBound
        return UnsafeRawBufferPointer(rebasing: map.bytes[start..<start + tensor.range.count])
    }

    /// Copies a tensor into the caller's memory. F16, BF16 and F64 become Float.
    /// - Parameters:
    ///   - shape: the shape that the caller needs; any other is an error.
    ///   - destination: has as many elements as the shape.
    /// - Throws: `SafetensorsError.missingTensor`, `.otherShape`, `.otherType`; nothing is written in that case.
    package func read<Element: TensorElement>(
        _ name: String, shape: [Int], into destination: UnsafeMutableBufferPointer<Element>
    ) throws {
        let tensor = try description(of: name)
        guard tensor.shape == shape else {
            throw SafetensorsError.otherShape(file: path, tensor: name, expected: shape, found: tensor.shape)
        }
        precondition(destination.count == tensor.count, "\(name): \(destination.count) elements for shape \(shape)")
        try copy(tensor, into: destination)
    }

    /// All elements of a tensor, whatever its shape. F16, BF16 and F64 become Float.
    /// - Throws: `SafetensorsError.missingTensor`, `.otherType`.
    package func elements<Element: TensorElement>(of name: String, as type: Element.Type = Element.self) throws -> [Element] {
        let tensor = try description(of: name)
        return try Array(unsafeUninitializedCapacity: tensor.count) { buffer, count in
            try copy(tensor, into: UnsafeMutableBufferPointer(rebasing: buffer[..<tensor.count]))
            count = tensor.count
        }
    }

    private func copy<Element: TensorElement>(
        _ tensor: TensorDescription, into destination: UnsafeMutableBufferPointer<Element>
    ) throws {
        let bytes = bytes(of: tensor)
        if tensor.type == Element.elementType {
            UnsafeMutableRawBufferPointer(destination).copyMemory(from: bytes)
        } else if !Element.convert(bytes, of: tensor.type, into: destination) {
            throw SafetensorsError.otherType(
                file: path, tensor: tensor.name, expected: Element.elementType, found: tensor.type)
        }
    }
}
