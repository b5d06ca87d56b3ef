import Files

/// The arrays of one split, as another program saved them, with what the shapes say about sequences.
struct ValueArrays {
    let inputs: NumberArray
    let targets: NumberArray
    /// Rows of each sequence where inputs have three dimensions; else nil.
    private let steps: Int?
    /// Whether targets are one for each sequence.
    private let areOfSequences: Bool
    private var firstRows: SequenceStarts?

    /// - Throws: `FileError`, `ArrayFileError`, `ValueFileError`.
    init(_ split: Split, in folder: String) throws {
        inputs = try NumberArray("\(folder)/\(split.rawValue).inputs.npy", [.float32, .float64], dimensions: 2...3)
        targets = try NumberArray("\(folder)/\(split.rawValue).targets.npy", ArrayHeader.ElementType.allCases, dimensions: 1...3)
        let shape = inputs.shape
        steps = shape.count == 3 ? shape[1] : nil
        let starts = "\(folder)/\(split.rawValue).sequences.npy"
        firstRows = Folder.exists(starts) ? try SequenceStarts(contentsOf: starts) : nil
        // Whole numbers are one label for each place.
        let places = targets.isWhole ? targets.shape : Array(targets.shape.dropLast(targets.shape.count > 1 ? 1 : 0))
        areOfSequences = shape.count == 3 && places == [shape[0]]
        let isOfRows = places == Array(shape.dropLast())
        let rows = shape.dropLast().reduce(1, *)
        guard areOfSequences || isOfRows, rows > 0, rows <= ValueFile.longest, 1...ValueFile.widest ~= shape.last!, 1...ValueFile.widest ~= targetWidth else {
            throw ValueFileError(
                file: targets.path, place: "the header", problem: "targets that do not fit the inputs",
                expected: "one for each of \(shape.dropLast().map(String.init).joined(separator: " x ")) rows\(steps == nil ? "" : ", or for each sequence")",
                found: "shape (\(targets.shape.map(String.init).joined(separator: ", ")))")
        }
    }

    var rows: Int { inputs.shape.dropLast().reduce(1, *) }
    /// K; 1 for labels.
    var targetWidth: Int { targets.isWhole || targets.shape.count == 1 ? 1 : targets.shape.last! }

    /// Whether a sequence starts at a row; asked for one row after the other.
    /// - Parameter length: of sequences where nothing says it.
    /// - Throws: `ValueFileError` for starts that cannot be.
    mutating func starts(_ row: Int, length: Int?) throws -> Bool {
        if let steps { return row % steps == 0 }
        if firstRows != nil { return try firstRows!.starts(row, of: rows) }
        return row == 0 || length.map { row % $0 == 0 } ?? false
    }

    /// Nil for a row without.
    func target(_ row: Int) -> [Float]? {
        guard areOfSequences, let steps else { return targets.row(row, width: targetWidth) }
        return row % steps == steps - 1 ? targets.row(row / steps, width: targetWidth) : nil
    }
}

/// The first row of each sequence, in ascending order.
struct SequenceStarts {
    private let array: NumberArray
    private var index = 0

    /// - Throws: `FileError`, `ArrayFileError`, `ValueFileError`.
    init(contentsOf path: String) throws {
        array = try NumberArray(path, ArrayHeader.ElementType.integers, dimensions: 1...1)
        guard array.width > 0, array.wholeNumber(0) == 0 else { throw impossible("0", array.width > 0 ? array.wholeNumber(0) : nil) }
    }

    /// Whether a sequence starts at a row; asked for one row after the other.
    /// - Parameter rows: all there are.
    /// - Throws: `ValueFileError` for a start that does not lie behind the one before, or within the rows.
    mutating func starts(_ row: Int, of rows: Int) throws -> Bool {
        guard index < array.width, array.wholeNumber(index) == row else { return false }
        index += 1
        if index < array.width, !(row + 1..<rows ~= array.wholeNumber(index)) {
            throw impossible("a row behind \(row) and below \(rows)", array.wholeNumber(index))
        }
        return true
    }

    private func impossible(_ expected: String, _ found: Int?) -> ValueFileError {
        ValueFileError(
            file: array.path, place: "element \(index)", problem: "not the first row of a sequence", expected: expected,
            found: found.map { "\($0)" } ?? "no sequences")
    }
}

/// A mapped `.npy` file of numbers of any kind.
final class NumberArray {
    let path: String
    let shape: [Int]
    private let type: ArrayHeader.ElementType
    private let file: MappedFile
    private let elements: UnsafeRawPointer

    /// - Throws: `FileError`, `ArrayFileError`.
    init(_ path: String, _ accepted: [ArrayHeader.ElementType], dimensions: ClosedRange<Int>) throws {
        let file = try MappedFile(path)
        let header = try ArrayHeader(
            parsing: file.bytes, fileSize: file.bytes.count, file: path, accepting: accepted, dimensions: dimensions)
        (self.path, self.file, shape, type) = (path, file, header.shape, header.elementType)
        elements = file.bytes.baseAddress! + header.dataOffset
    }

    var isWhole: Bool { ArrayHeader.ElementType.integers.contains(type) }
    /// Of the last dimension.
    var width: Int { shape.last! }
    /// Of one dimension.
    func wholeNumber(_ index: Int) -> Int { Int(exactly: element(index)) ?? -1 }

    func row(_ index: Int, width: Int? = nil) -> [Float] {
        let width = width ?? self.width
        return (0..<width).map { Float(element(index * width + $0)) }
    }

    /// In double precision, which holds all numbers of 32 bits.
    private func element(_ index: Int) -> Double {
        func load<Element: BitwiseCopyable>(_: Element.Type) -> Element {
            elements.loadUnaligned(fromByteOffset: index * type.size, as: Element.self)
        }
        return switch type {
        case .unsigned16: Double(UInt16(littleEndian: load(UInt16.self)))
        case .unsigned32: Double(UInt32(littleEndian: load(UInt32.self)))
        case .signed32: Double(Int32(littleEndian: load(Int32.self)))
        case .signed64: Double(Int64(littleEndian: load(Int64.self)))
        case .float32: Double(load(Float.self))
        case .float64: load(Double.self)
        }
    }
}
