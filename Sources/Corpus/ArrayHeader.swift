import Diagnostics

/// The header of a NumPy array file (`numpy.lib.format`, versions 1.0 and 2.0), for arrays of little-endian integers, which have one
/// dimension, and of real numbers.
///
/// Layout: `\x93NUMPY`, major and minor version, the header text's length (2 bytes in version 1, 4 in version 2, little
/// endian), the header text (a Python dictionary, padded with spaces, ending in a newline), the elements.
struct ArrayHeader: Equatable {
    /// The element types of token files, and those of other programs' ids.
    enum ElementType: String, CaseIterable {
        case unsigned16 = "<u2"
        case unsigned32 = "<u4"
        case signed32 = "<i4"
        case signed64 = "<i8"
        case float32 = "<f4"
        case float64 = "<f8"

        /// In bytes.
        var size: Int {
            switch self {
            case .unsigned16: 2
            case .unsigned32, .signed32, .float32: 4
            case .signed64, .float64: 8
            }
        }

        static let stored = [unsigned16, unsigned32]
        static let integers = [unsigned16, unsigned32, signed32, signed64]
    }

    var elementType: ElementType
    /// Elements of each dimension.
    var shape: [Int]
    /// Elements of all.
    var count: Int
    /// Offset of the first element in the file.
    var dataOffset: Int

    private static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
    /// Size of the headers written here: a multiple of 64, as NumPy requires, and with room for any count.
    static let writtenSize = 128
    /// NumPy refuses longer header texts too (`max_header_size`).
    static let longestText = 10_000
    /// Bytes of a file that hold any header.
    static let largestSize = 12 + longestText

    /// `ArrayHeader.writtenSize` bytes, version 1.0.
    /// - Parameter columns: of a matrix with `count` rows; nil for one dimension.
    static func encoded(_ type: ElementType, count: Int, columns: Int? = nil) -> [UInt8] {
        let dictionary = "{'descr': '\(type.rawValue)', 'fortran_order': False, 'shape': (\(count),\(columns.map { " \($0)" } ?? "")), }"
        let textSize = writtenSize - magic.count - 4
        let padding = String(repeating: " ", count: textSize - dictionary.utf8.count - 1)
        return magic + [1, 0, UInt8(textSize), 0] + Array((dictionary + padding + "\n").utf8)
    }

    /// - Parameters:
    ///   - bytes: the start of the file, or all of it: `largestSize` bytes if it has as many.
    ///   - fileSize: in bytes.
    ///   - file: its path, for errors.
    ///   - accepted: the permitted element types.
    ///   - dimensions: the permitted numbers of dimensions.
    /// - Throws: `ArrayFileError`.
    init(
        parsing bytes: UnsafeRawBufferPointer, fileSize: Int, file: String,
        accepting accepted: [ElementType] = ElementType.stored, dimensions: ClosedRange<Int> = 1...1
    ) throws {
        guard bytes.count >= ArrayHeader.magic.count,
            bytes.prefix(ArrayHeader.magic.count).elementsEqual(ArrayHeader.magic)
        else { throw ArrayFileError.notAnArray(file: file) }
        guard bytes.count >= 10 else { throw ArrayFileError.truncated(file: file, expected: 10, found: bytes.count) }
        let textStart: Int
        let textSize: Int
        switch (bytes[6], bytes[7]) {
        case (1, 0):
            textStart = 10
            textSize = Int(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt16.self)))
        case (2, 0):
            textStart = 12
            guard bytes.count >= 12 else {
                throw ArrayFileError.truncated(file: file, expected: 12, found: bytes.count)
            }
            textSize = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self)))
        case (let major, let minor):
            throw ArrayFileError.unsupportedVersion(file: file, version: "\(major).\(minor)")
        }
        guard textSize <= ArrayHeader.longestText else {
            throw ArrayFileError.headerTooLong(file: file, size: textSize)
        }
        dataOffset = textStart + textSize
        guard bytes.count >= dataOffset else {
            throw ArrayFileError.truncated(file: file, expected: dataOffset, found: bytes.count)
        }

        var parser = DictionaryParser(text: Array(bytes[textStart..<dataOffset]), file: file, textStart: textStart)
        let dictionary = try parser.parse()
        guard let type = ElementType(rawValue: dictionary.type), accepted.contains(type) else {
            throw ArrayFileError.unsupportedType(
                file: file, type: dictionary.type, accepted: accepted.map(\.rawValue))
        }
        elementType = type
        guard !dictionary.fortranOrder else { throw ArrayFileError.fortranOrder(file: file) }
        shape = dictionary.shape
        guard dimensions ~= shape.count else {
            throw ArrayFileError.otherDimensions(
                file: file, dimensions: shape.count, expected: dimensions.count == 1 ? "\(dimensions.lowerBound)" : "\(dimensions.lowerBound) to \(dimensions.upperBound)")
        }
        var (elements, overflows) = (1, false)
        for length in shape {
            let product = elements.multipliedReportingOverflow(by: length)
            (elements, overflows) = (product.overflow ? .max : product.partialValue, overflows || product.overflow)
        }
        count = elements
        let (dataSize, overflow) = count.multipliedReportingOverflow(by: type.size)
        guard !overflows, !overflow, dataSize == fileSize - dataOffset else {
            throw ArrayFileError.sizeDisagrees(
                file: file, count: count, elementSize: type.size, found: fileSize - dataOffset)
        }
    }
}

/// The subset of Python literals in a header: `{'descr': '<u2', 'fortran_order': False, 'shape': (12,), }`, keys in any
/// order, each once.
private struct DictionaryParser {
    let text: [UInt8]
    let file: String
    let textStart: Int
    var index = 0

    init(text: [UInt8], file: String, textStart: Int) {
        self.text = text
        self.file = file
        self.textStart = textStart
    }

    mutating func parse() throws -> (type: String, fortranOrder: Bool, shape: [Int]) {
        var type: String?
        var fortranOrder: Bool?
        var shape: [Int]?
        try require("{")
        while !accept("}") {
            let start = index
            switch try string() {
            case "descr" where type == nil:
                try require(":")
                type = try string()
            case "fortran_order" where fortranOrder == nil:
                try require(":")
                fortranOrder = try boolean()
            case "shape" where shape == nil:
                try require(":")
                shape = try tuple()
            default:
                index = start
                throw unexpected("one each of the keys descr, fortran_order and shape")
            }
            if !accept(",") {
                try require("}")
                break
            }
        }
        skipSpaces()
        guard index == text.count else { throw unexpected("the end of the header") }
        guard let type, let fortranOrder, let shape else {
            throw unexpected("the keys descr, fortran_order and shape")
        }
        return (type, fortranOrder, shape)
    }

    private mutating func string() throws -> String {
        let quote: Character = accept("\"") ? "\"" : "'"
        if quote == "'" { try require("'") }
        let rest = text[index...]
        guard let end = rest.firstIndex(of: quote.asciiValue!) else { throw unexpected("a string's closing quote") }
        index = end + 1
        return String(decoding: text[rest.startIndex..<end], as: UTF8.self)
    }

    private mutating func boolean() throws -> Bool {
        skipSpaces()
        for (word, value) in [("True", true), ("False", false)] where text[index...].starts(with: word.utf8) {
            index += word.utf8.count
            return value
        }
        throw unexpected("True or False")
    }

    private mutating func tuple() throws -> [Int] {
        var numbers: [Int] = []
        try require("(")
        while !accept(")") {
            numbers.append(try number())
            if !accept(",") {
                try require(")")
                break
            }
        }
        return numbers
    }

    private mutating func number() throws -> Int {
        skipSpaces()
        let digits = text[index...].prefix { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
        guard let number = Int(String(decoding: digits, as: UTF8.self)) else {
            throw unexpected("a whole number below 2^63")
        }
        index = digits.endIndex
        return number
    }

    private mutating func accept(_ character: Character) -> Bool {
        skipSpaces()
        guard index < text.count, text[index] == character.asciiValue else { return false }
        index += 1
        return true
    }

    private mutating func require(_ character: Character) throws {
        guard accept(character) else { throw unexpected("\"\(character)\"") }
    }

    private mutating func skipSpaces() {
        while index < text.count, isWhiteSpace(text[index]) { index += 1 }
    }

    private func unexpected(_ expected: String) -> ArrayFileError {
        .malformedHeader(file: file, offset: textStart + index, expected: expected)
    }
}
