import Diagnostics
import Files
import Testing

@testable import Corpus

@Suite struct ArrayFileTests {
    private let folder = TemporaryFolder()

    /// A file with a given header text, and its true length unless another is given.
    private func file(
        _ text: String, data: [UInt8] = [1, 0, 2, 0, 3, 0], version: [UInt8] = [1, 0], length: Int? = nil
    ) -> [UInt8] {
        let length = length ?? text.utf8.count
        let lengthBytes = (0..<(version[0] == 2 ? 4 : 2)).map { UInt8(truncatingIfNeeded: length >> ($0 * 8)) }
        return [0x93] + bytes("NUMPY") + version + lengthBytes + bytes(text) + data
    }

    private func open(_ content: [UInt8]) throws -> TokenStore {
        try TokenStore(contentsOf: folder.write(content, as: "x.npy"))
    }

    private static let good = "{'descr': '<u2', 'fortran_order': False, 'shape': (3,), }\n"

    @Test func headerIsAsNumPyWritesIt() throws {
        // numpy.save of numpy.array([1, 2, 3], dtype='<u2'), NumPy 1.24.
        let expected =
            [0x93] + bytes("NUMPY") + [1, 0, 0x76, 0]
            + bytes(
                "{'descr': '<u2', 'fortran_order': False, 'shape': (3,), }" + String(repeating: " ", count: 60) + "\n")
        #expect(expected.count == 128)
        #expect(ArrayHeader.encoded(.unsigned16, count: 3) == expected)
        #expect(ArrayHeader.encoded(.unsigned32, count: .max).count == 128)
    }

    @Test(arguments: [(65_536, 2), (65_537, 4)])
    func writesTheSmallestElement(vocabularySize: Int, elementSize: Int) throws {
        let path = "\(folder.path)/w.npy"
        let writer = try ArrayFileWriter(path, vocabularySize: vocabularySize, count: 2_000_000)
        let ids = (0..<1_000_000).map { Int32($0 * 13 % 65_536) }  // more than the writer's buffer holds
        try ids.withUnsafeBufferPointer { try writer.write($0) }
        try ids.withUnsafeBufferPointer { try writer.write($0) }
        let (bytes, sha256) = try writer.finish()
        #expect(bytes == 128 + 2_000_000 * elementSize)
        #expect(sha256 == (try Digest.sha256(ofFile: path)))
        let store = try TokenStore(contentsOf: path)
        #expect(store.tokens(in: 0..<2_000_000) == ids + ids)
        #expect(store.fileSize == bytes)
    }

    @Test func readsWhatOthersWrite() throws {
        for content in [
            file(Self.good), file(Self.good, version: [2, 0]),
            file(#"{"shape":(3),"fortran_order":False,"descr":"<u2"}"#),
            file(
                "{'descr': '<u4', 'fortran_order': False, 'shape': (3,)}", data: [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0]),
        ] {
            #expect(try open(content).tokens(in: 0..<3) == [1, 2, 3])
        }
    }

    @Test func eachDamageHasItsError() throws {
        let path = "\(folder.path)/x.npy"
        let good = file(Self.good)
        let start = good.count - 6
        func header(_ type: String = "'<u2'", _ order: String = "False", _ shape: String = "(3,)") -> [UInt8] {
            file("{'descr': \(type), 'fortran_order': \(order), 'shape': \(shape), }\n")
        }
        let one = "one each of the keys descr, fortran_order and shape"
        let cases: [([UInt8], ArrayFileError)] = [
            ([], .notAnArray(file: path)),
            (Array(good[..<5]), .notAnArray(file: path)),
            ([0x92] + good[1...], .notAnArray(file: path)),
            (Array(good[..<9]), .truncated(file: path, expected: 10, found: 9)),
            (Array(file(Self.good, version: [2, 0])[..<11]), .truncated(file: path, expected: 12, found: 11)),
            (Array(good[..<(start - 1)]), .truncated(file: path, expected: start, found: start - 1)),
            (Array(good.dropLast()), .sizeDisagrees(file: path, count: 3, elementSize: 2, found: 5)),
            (good + [0], .sizeDisagrees(file: path, count: 3, elementSize: 2, found: 7)),
            (file(Self.good, version: [3, 0]), .unsupportedVersion(file: path, version: "3.0")),
            (file(Self.good, version: [0, 0]), .unsupportedVersion(file: path, version: "0.0")),
            (file(Self.good, length: 20_000), .headerTooLong(file: path, size: 20_000)),
            (file(Self.good, version: [2, 0], length: 0xFFFF_FFFF), .headerTooLong(file: path, size: 0xFFFF_FFFF)),
            (file(Self.good, length: 0), .malformedHeader(file: path, offset: 10, expected: "\"{\"")),
            (header("'>u2'"), .unsupportedType(file: path, type: ">u2", accepted: ["<u2", "<u4"])),
            (header("'<i2'"), .unsupportedType(file: path, type: "<i2", accepted: ["<u2", "<u4"])),
            (header("[('a', '<u2')]"), .malformedHeader(file: path, offset: 20, expected: "\"'\"")),
            (header("'<u2'", "True"), .fortranOrder(file: path)),
            (header("'<u2'", "0"), .malformedHeader(file: path, offset: 44, expected: "True or False")),
            (header("'<u2'", "False", "()"), .otherDimensions(file: path, dimensions: 0, expected: "1")),
            (header("'<u2'", "False", "(3,1)"), .otherDimensions(file: path, dimensions: 2, expected: "1")),
            (header("'<u2'", "False", "(4,)"), .sizeDisagrees(file: path, count: 4, elementSize: 2, found: 6)),
            // Four times 2^62 + 1 is 4, but for the overflow.
            (
                file("{'descr': '<u4', 'fortran_order': False, 'shape': (4611686018427387905,)}", data: [1, 0, 0, 0]),
                .sizeDisagrees(file: path, count: (1 << 62) + 1, elementSize: 4, found: 4)
            ),
            (
                header("'<u2'", "False", "(9223372036854775808,)"),
                .malformedHeader(file: path, offset: 61, expected: "a whole number below 2^63")
            ),
            (
                header("'<u2'", "False", "(-3,)"),
                .malformedHeader(file: path, offset: 61, expected: "a whole number below 2^63")
            ),
            (
                file("{'descr': '<u2', 'shape': (3,), }"),
                .malformedHeader(file: path, offset: 43, expected: "the keys descr, fortran_order and shape")
            ),
            (file("{'descr': '<u2', 'descr': '<u2'}"), .malformedHeader(file: path, offset: 27, expected: one)),
            (file("{'dtype': '<u2'}"), .malformedHeader(file: path, offset: 11, expected: one)),
            (file("{'descr': '<u2"), .malformedHeader(file: path, offset: 21, expected: "a string's closing quote")),
            (file("{'descr': '<u2' 'shape'"), .malformedHeader(file: path, offset: 26, expected: "\"}\"")),
            (
                file(Self.good.dropLast() + "x"),
                .malformedHeader(file: path, offset: start - 1, expected: "the end of the header")
            ),
        ]
        for (content, error) in cases { #expect(throws: error) { try open(content) } }
    }

    /// Wherever a byte is changed or the file cut: an error or a store, never a trap.
    @Test func noChangedByteTraps() throws {
        let original = file(Self.good)
        for index in original.indices {
            var variants: [[UInt8]] = [Array(original[..<index])]
            for byte: UInt8 in [0, 0xFF, UInt8(ascii: "9"), UInt8(ascii: "'"), UInt8(ascii: ")")] {
                var damaged = original
                damaged[index] = byte
                variants.append(damaged)
            }
            for content in variants {
                do { _ = try open(content).validate(vocabularySize: 4) } catch { #expect(error is ArrayFileError) }
            }
        }
    }

    @Test func idsOutsideTheVocabularyAreFound() throws {
        let path = "\(folder.path)/w.npy"
        let writer = try ArrayFileWriter(path, vocabularySize: 10, count: 20_000)
        var ids = [Int32](repeating: 9, count: 20_000)
        ids[8193] = 10
        ids[13_000] = 11  // in another block
        try ids.withUnsafeBufferPointer { try writer.write($0) }
        _ = try writer.finish()
        let store = try TokenStore(contentsOf: path)
        try store.validate(vocabularySize: 12)
        #expect(
            throws: ArrayFileError.tokenOutOfRange(
                file: path, index: 8193, offset: 128 + 2 * 8193, token: 10, vocabularySize: 10)
        ) { try store.validate(vocabularySize: 10) }
    }

    /// As Int32 it would be negative and seem small.
    @Test func idsAbove2To31AreOutside() throws {
        let store = try open(
            file("{'descr': '<u4', 'fortran_order': False, 'shape': (1,)}", data: [0xFF, 0xFF, 0xFF, 0xFF]))
        #expect(throws: ArrayFileError.self) { try store.validate(vocabularySize: Int(Int32.max)) }
    }

    @Test func copiesWithAStride() {
        let store = TokenStore([5, 6, 7, 8])
        var target = [Int32](repeating: -1, count: 7)
        store.copy(from: 1, count: 3, to: &target, stride: 3)
        #expect(target == [6, -1, -1, 7, -1, -1, 8])
        #expect(TokenStore([]).count == 0)
    }
}
