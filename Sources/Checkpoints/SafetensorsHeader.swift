/// One tensor of a safetensors file.
package struct TensorDescription: Sendable, Equatable {
    package let name: String
    package let type: ElementType
    /// Row-major; empty for a single number.
    package let shape: [Int]
    /// Where its bytes are, counted from the end of the header.
    package let range: Range<Int>

    /// Number of elements.
    package var count: Int { range.count / type.size }
}

/// The JSON header of a safetensors file, which may come from a stranger.
///
/// The parser accepts the one shape of JSON that the format allows and nothing else. A general JSON decoder would keep
/// only one of two tensors of the same name without an error, and must guard against deep nesting, which cannot occur
/// here. Time and memory are proportional to the header's length.
struct SafetensorsHeader {
    /// In the order of their bytes.
    private(set) var tensors: [TensorDescription] = []
    private(set) var metadata: [String: String] = [:]

    /// - Parameters:
    ///   - bytes: the header without its length field.
    ///   - dataSize: bytes after the header, all of which must belong to exactly one tensor.
    /// - Throws: `SafetensorsError`.
    init(parsing bytes: UnsafeRawBufferPointer, dataSize: Int, file: String) throws {
        var scanner = HeaderScanner(bytes: bytes, file: file)
        guard bytes.first == UInt8(ascii: "{") else { throw scanner.malformed("an opening brace") }
        var names: Set<String> = []
        try scanner.object { scanner, name in
            guard names.insert(name).inserted else { throw SafetensorsError.duplicateName(file: file, name: name) }
            if name == "__metadata__" {
                metadata = try scanner.metadata()
            } else {
                tensors.append(try scanner.tensor(name, dataSize: dataSize))
            }
        }
        try scanner.end()
        tensors.sort { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }
        try checkLayout(dataSize: dataSize, file: file)
    }

    private func checkLayout(dataSize: Int, file: String) throws {
        var end = 0
        for tensor in tensors {
            let begin = tensor.range.lowerBound
            if begin < end { throw SafetensorsError.overlap(file: file, tensor: tensor.name, begin: begin, previousEnd: end) }
            if begin > end { throw SafetensorsError.gap(file: file, tensor: tensor.name, begin: begin, previousEnd: end) }
            end = tensor.range.upperBound
        }
        if end < dataSize { throw SafetensorsError.trailingBytes(file: file, expected: end, found: dataSize) }
    }
}

/// Scans the header's bytes once, from left to right.
private struct HeaderScanner {
    let bytes: UnsafeRawBufferPointer
    let file: String
    private var position = 0

    init(bytes: UnsafeRawBufferPointer, file: String) {
        self.bytes = bytes
        self.file = file
    }

    func malformed(_ expected: String) -> SafetensorsError {
        .malformedHeader(file: file, offset: 8 + position, expected: expected)
    }

    // MARK: The format

    mutating func metadata() throws -> [String: String] {
        var result: [String: String] = [:]
        try object { scanner, key in
            let isNew = result.updateValue(try scanner.string(), forKey: key) == nil
            guard isNew else { throw SafetensorsError.duplicateName(file: scanner.file, name: key) }
        }
        return result
    }

    mutating func tensor(_ name: String, dataSize: Int) throws -> TensorDescription {
        var type: ElementType?
        var shape: [Int]?
        var offsets: [Int]?
        try object { scanner, field in
            switch field {
            case "dtype" where type == nil:
                let found = try scanner.string()
                type = ElementType(rawValue: found)
                if type == nil { throw SafetensorsError.unknownType(file: scanner.file, tensor: name, found: found) }
            case "shape" where shape == nil: shape = try scanner.integers()
            case "data_offsets" where offsets == nil: offsets = try scanner.integers()
            case "dtype", "shape", "data_offsets":
                throw SafetensorsError.duplicateName(file: scanner.file, name: "\(name).\(field)")
            default: throw scanner.malformed("one of dtype, shape, data_offsets before this point")
            }
        }
        guard let type, let shape, let offsets, offsets.count == 2 else {
            throw malformed("dtype, shape and two data_offsets before this point")
        }
        return try checked(name, type, shape, begin: offsets[0], end: offsets[1], dataSize: dataSize)
    }

    private func checked(
        _ name: String, _ type: ElementType, _ shape: [Int], begin: Int, end: Int, dataSize: Int
    ) throws -> TensorDescription {
        if begin > end { throw SafetensorsError.reversedOffsets(file: file, tensor: name, begin: begin, end: end) }
        if end > dataSize { throw SafetensorsError.outOfRange(file: file, tensor: name, end: end, dataSize: dataSize) }
        var size = type.size
        for length in shape {
            let (product, overflow) = size.multipliedReportingOverflow(by: length)
            if overflow { throw SafetensorsError.shapeOverflow(file: file, tensor: name, shape: shape) }
            size = product
        }
        guard size == end - begin else {
            throw SafetensorsError.wrongSize(file: file, tensor: name, shape: shape, expected: size, found: end - begin)
        }
        return TensorDescription(name: name, type: type, shape: shape, range: begin..<end)
    }

    // MARK: JSON

    /// The next byte that is not white space, without consuming it.
    private mutating func peek() -> UInt8? {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0a, 0x0d: position += 1
            case let byte: return byte
            }
        }
        return nil
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard peek() == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    mutating func end() throws {
        if peek() != nil { throw malformed("nothing but spaces") }
    }

    /// Calls `member` after each key and its colon; it must consume the value.
    mutating func object(_ member: (inout HeaderScanner, String) throws -> Void) throws {
        guard take("{") else { throw malformed("an opening brace") }
        if take("}") { return }
        repeat {
            let key = try string()
            guard take(":") else { throw malformed("a colon") }
            try member(&self, key)
        } while take(",")
        guard take("}") else { throw malformed("a comma or closing brace") }
    }

    mutating func integers() throws -> [Int] {
        guard take("[") else { throw malformed("an opening bracket") }
        var result: [Int] = []
        if take("]") { return result }
        repeat { result.append(try integer()) } while take(",")
        guard take("]") else { throw malformed("a comma or closing bracket") }
        return result
    }

    private mutating func integer() throws -> Int {
        _ = peek()
        let start = position
        var value = 0
        while position < bytes.count, case let digit = bytes[position] &- UInt8(ascii: "0"), digit < 10 {
            let (tens, first) = value.multipliedReportingOverflow(by: 10)
            let (sum, second) = tens.addingReportingOverflow(Int(digit))
            if first || second { throw malformed("a number below 2^63") }
            value = sum
            position += 1
        }
        let hasLeadingZero = position - start > 1 && bytes[start] == UInt8(ascii: "0")
        if position == start || hasLeadingZero { throw malformed("a whole number, not negative") }
        return value
    }

    mutating func string() throws -> String {
        guard take("\"") else { throw malformed("a string") }
        var text: [UInt8] = []
        var start = position
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "\""):
                text += bytes[start..<position]
                guard let string = String(validating: text, as: UTF8.self) else {
                    throw SafetensorsError.notUTF8(file: file, offset: 8 + start)
                }
                position += 1
                return string
            case UInt8(ascii: "\\"):
                text += bytes[start..<position]
                position += 1
                text += try escape()
                start = position
            case 0..<0x20: throw malformed("no control character")
            default: position += 1
            }
        }
        throw malformed("a closing quote")
    }

    /// The character that an escape stands for, as UTF-8.
    private mutating func escape() throws -> [UInt8] {
        guard position < bytes.count else { throw malformed("an escape") }
        let character = bytes[position]
        position += 1
        switch character {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [character]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0c]
        case UInt8(ascii: "n"): return [0x0a]
        case UInt8(ascii: "r"): return [0x0d]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "u"):
            var units = [try codeUnit()]
            if UTF16.isLeadSurrogate(units[0]), position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
                bytes[position + 1] == UInt8(ascii: "u")
            {
                position += 2
                units.append(try codeUnit())
            }
            guard let string = String(validating: units, as: UTF16.self) else { throw malformed("a pair of surrogates") }
            return Array(string.utf8)
        default: throw malformed("an escape")
        }
    }

    private mutating func codeUnit() throws -> UInt16 {
        var value: UInt16 = 0
        for _ in 0..<4 {
            guard position < bytes.count, let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue else {
                throw malformed("four hexadecimal digits")
            }
            value = value << 4 | UInt16(digit)
            position += 1
        }
        return value
    }
}
