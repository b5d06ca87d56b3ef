import Files
import TestSupport
import Testing

@testable import Checkpoints

/// The reader's error for a file with these bytes; nil if it accepts them.
private func verdict(_ bytes: [UInt8]) throws -> SafetensorsError? {
    try withTemporaryFolder { folder in
        try write(bytes, to: "\(folder)/f")
        do {
            _ = try SafetensorsFile("\(folder)/f")
            return nil
        } catch let error as SafetensorsError {
            return error
        }
    }
}

private func verdict(header: String, data: Int) throws -> SafetensorsError? {
    try verdict(rawFile(header: header, data: data))
}

@Test(arguments: 0..<10)
func shorterThanAnyHeader(size: Int) throws {
    let error = try verdict([UInt8](rawFile(header: "{}", data: 0).prefix(size)))
    guard case .noLengthField(_, size) = error else { return #expect(Bool(false), "\(String(describing: error))") }
}

@Test(arguments: [0, 1, 3, 100_000_001, 1 << 62, 1 << 63, .max] as [UInt64])
func impossibleHeaderLength(length: UInt64) throws {
    let error = try verdict(rawFile(header: "{}", data: 0, length: length))
    guard case .headerLength(_, length, 2) = error else { return #expect(Bool(false), "\(String(describing: error))") }
}

/// The files that are most likely given instead.
@Test(arguments: [
    (Array("PK\u{3}\u{4}".utf8), .pickle), ([0x80, 0x02], .pickle), ([0x93] + Array("NUMPY".utf8), .array),
    (Array("model:\n  cell: lstm".utf8), .text), (Array("{\"tokens\": []}".utf8), .text),
] as [([UInt8], SafetensorsError.OtherFormat)])
func otherFormatsAreNamed(start: [UInt8], format: SafetensorsError.OtherFormat) throws {
    let error = try verdict(start + [UInt8](repeating: 0xFF, count: 20))
    guard case .otherFormat(_, format) = error else { return #expect(Bool(false), "\(String(describing: error))") }
}

@Test func headerLengthAboveTheCap() throws {
    try withTemporaryFolder { folder in
        let file = try File.open("\(folder)/f", .write)
        try rawFile(header: "{}", data: 0, length: 100_000_001).withUnsafeBytes { try file.write($0) }
        try file.truncate(to: 200_000_000)
        try file.close()
        #expect(throws: SafetensorsError.headerLength(file: "\(folder)/f", length: 100_000_001, largest: 100_000_000)) {
            try SafetensorsFile("\(folder)/f")
        }
    }
}

@Test(arguments: [
    "[]", " {}", "{ ", "{\"a\"", "{\"a\":", "{\"a\":1}", "{\"a\":{}}", "{} x", "{,}", "{}}", "null", "{\"a\" {}}", "{a:{}}",
    #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},}"#, #"{"a":{"dtype":"F32","shape":[1,],"data_offsets":[0,4]}}"#,
    #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}"#, #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}}"#,
    #"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, #"{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}"#,
    #"{"a":{"dtype":"F32","shape":[01],"data_offsets":[0,4]}}"#, #"{"a":{"dtype":"F32","shape":[1e0],"data_offsets":[0,4]}}"#,
    #"{"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}}"#, #"{"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}}"#,
    #"{"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4]}}"#,
    #"{"a":{"dtype":"F32","shape":[99999999999999999999999],"data_offsets":[0,4]}}"#,
    #"{"a":{"dtype":"F32","shape":[1]}}"#, #"{"a":{"shape":[1],"data_offsets":[0,4]}}"#,
    #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"extra":1}}"#, #"{"__metadata__":{"a":1}}"#,
    #"{"\ud800":{}}"#, #"{"\udc00\ud800":{}}"#, #"{"\x":{}}"#, #"{"\u12g4":{}}"#, "{\"\u{1}\":{}}", "{\"", "{\"\\", "{\"\\u12",
])
func notTheFormat(header: String) throws {
    let error = try verdict(header: header, data: 4)
    guard case .malformedHeader(_, let offset, _) = error else {
        return #expect(Bool(false), "\(String(describing: error))")
    }
    #expect((8...8 + header.utf8.count).contains(offset))
}

@Test(arguments: [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82]] as [[UInt8]])
func notUTF8(bytes: [UInt8]) throws {
    var file = rawFile(header: "{\"\":{}}", data: 0, length: UInt64(7 + bytes.count))
    file.insert(contentsOf: bytes, at: 10)
    let error = try verdict(file)
    guard case .notUTF8(_, 10) = error else { return #expect(Bool(false), "\(String(describing: error))") }
}

@Test func deepNestingIsRefusedWithoutRecursion() throws {
    for unit in ["[", "{\"a\":"] {
        let error = try verdict(header: "{\"a\":" + String(repeating: unit, count: 1_000_000), data: 0)
        guard case .malformedHeader = error else { return #expect(Bool(false), "\(String(describing: error))") }
    }
}

private func tensor(_ name: String, _ type: String = "F32", shape: String, _ begin: Int, _ end: Int) -> String {
    #""\#(name)":{"dtype":"\#(type)","shape":[\#(shape)],"data_offsets":[\#(begin),\#(end)]}"#
}

@Test func duplicateNames() throws {
    let twice = tensor("a", shape: "1", 0, 4) + "," + tensor("a", shape: "1", 4, 8)
    #expect(try verdict(header: "{\(twice)}", data: 8).isDuplicate(of: "a"))
    let escaped = tensor("a", shape: "1", 0, 4) + "," + tensor("\\u0061", shape: "1", 4, 8)
    #expect(try verdict(header: "{\(escaped)}", data: 8).isDuplicate(of: "a"))
    #expect(try verdict(header: #"{"__metadata__":{},"__metadata__":{}}"#, data: 0).isDuplicate(of: "__metadata__"))
    #expect(try verdict(header: #"{"__metadata__":{"k":"1","k":"1"}}"#, data: 0).isDuplicate(of: "k"))
    let field = #"{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#
    #expect(try verdict(header: field, data: 4).isDuplicate(of: "a.dtype"))
}

extension SafetensorsError? {
    fileprivate func isDuplicate(of expected: String) -> Bool {
        if case .duplicateName(_, expected) = self { true } else { false }
    }
}

@Test func unknownType() throws {
    let error = try verdict(header: "{\(tensor("a", "F31", shape: "1", 0, 4))}", data: 4)
    guard case .unknownType(_, "a", "F31") = error else { return #expect(Bool(false), "\(String(describing: error))") }
}

@Test func shapeOverflow() throws {
    for shape in ["4611686018427387904", "4294967296,4294967296", "3037000500,3037000500,1"] {
        let error = try verdict(header: "{\(tensor("a", shape: shape, 0, 4))}", data: 4)
        guard case .shapeOverflow(_, "a", _) = error else { return #expect(Bool(false), "\(String(describing: error))") }
    }
}

@Test func shapeAndBytesDisagree() throws {
    for (shape, found) in [("2", 4), ("0", 4), ("1", 0), ("", 8)] {
        let error = try verdict(header: "{\(tensor("a", shape: shape, 0, found))}", data: found)
        guard case .wrongSize(_, "a", _, _, found) = error else { return #expect(Bool(false), "\(String(describing: error))") }
    }
}

@Test func reversedOffsets() throws {
    let error = try verdict(header: "{\(tensor("a", shape: "1", 8, 4))}", data: 8)
    guard case .reversedOffsets(_, "a", 8, 4) = error else { return #expect(Bool(false), "\(String(describing: error))") }
}

@Test func offsetsBeyondTheFile() throws {
    for end in [5, Int.max] {
        let error = try verdict(header: "{\(tensor("a", "U8", shape: "\(end)", 0, end))}", data: 4)
        guard case .outOfRange(_, "a", end, 4) = error else { return #expect(Bool(false), "\(String(describing: error))") }
    }
}

@Test func overlappingTensors() throws {
    let both = tensor("b", shape: "2", 4, 12) + "," + tensor("a", shape: "2", 0, 8)
    let error = try verdict(header: "{\(both)}", data: 12)
    guard case .overlap(_, "b", 4, 8) = error else { return #expect(Bool(false), "\(String(describing: error))") }
}

@Test func gapBetweenTensors() throws {
    let both = tensor("a", shape: "1", 0, 4) + "," + tensor("b", shape: "1", 8, 12)
    let error = try verdict(header: "{\(both)}", data: 12)
    guard case .gap(_, "b", 8, 4) = error else { return #expect(Bool(false), "\(String(describing: error))") }
}

@Test func bytesAfterTheLastTensor() throws {
    let error = try verdict(header: "{\(tensor("a", shape: "1", 0, 4))}", data: 5)
    guard case .trailingBytes(_, 4, 5) = error else { return #expect(Bool(false), "\(String(describing: error))") }
}

@Test func aNameCannotSteerTheTerminal() throws {
    let error = try verdict(header: "{\(tensor(#"\u001b[2J\u202e"# + String(repeating: "x", count: 10_000), shape: "9", 0, 4))}", data: 4)
    let text = try #require(error).description
    #expect(!text.unicodeScalars.contains { $0.value == 0x1b || $0.value == 0x202e })
    #expect(text.utf8.count < 600)
}

/// Seconds alone on a machine; hours if each entry were compared with all others.
@Test(.timeLimit(.minutes(10)))
func manyEntriesTakeBoundedTime() throws {
    let entries = (0..<200_000).map { tensor("t\($0)", "U8", shape: "1", 199_999 - $0, 200_000 - $0) }
    try withTemporaryFolder { folder in
        try write(rawFile(header: "{\(entries.joined(separator: ","))}", data: 200_000), to: "\(folder)/f")
        let file = try SafetensorsFile("\(folder)/f")
        #expect(file.tensors.count == 200_000)
        #expect(file.names.first == "t199999")
    }
}

/// The last byte of each part and its neighbours.
@Test func truncationIsAlwaysNoticed() throws {
    let header = "{" + tensor("a", shape: "3", 0, 12) + "," + tensor("b", shape: "1", 12, 16) + "}"
    let whole = rawFile(header: header, data: 16)
    #expect(try verdict(whole) == nil)
    for size in 0..<whole.count {
        #expect(try verdict([UInt8](whole.prefix(size))) != nil, "\(size) of \(whole.count) bytes")
    }
}

@Test func aPipeOrFolderIsNotAFile() throws {
    try withTemporaryFolder { folder in
        #expect(throws: SafetensorsError.notAFile(file: folder)) { try SafetensorsFile(folder) }
        #expect(makePipe("\(folder)/pipe"))
        #expect(throws: SafetensorsError.notAFile(file: "\(folder)/pipe")) { try SafetensorsFile("\(folder)/pipe") }
        #expect(throws: FileError.self) { try SafetensorsFile("\(folder)/nothing") }
    }
}
