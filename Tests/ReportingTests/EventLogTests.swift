import Foundation
import SwiftProtobuf
import Testing

@testable import Reporting

@Suite struct EventLogTests {
    /// RFC 3720, appendix B.4, and the usual check value.
    @Test func checksums() {
        #expect(CRC32C.checksum(Array("123456789".utf8)) == 0xE306_9283)
        #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(CRC32C.checksum([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
        let check: UInt32 = 0xE306_9283
        #expect(CRC32C.masked(Array("123456789".utf8)) == (check >> 15 | check << 17) &+ 0xA282_EAD8)
    }

    /// Computed with `struct.pack` and the messages' field numbers: length, its checksum, wall time, file version.
    @Test func aFileBeginsWithItsVersion() throws {
        let folder = try TemporaryFolder()
        _ = try EventLog(folder: folder.path, keepingThrough: 0) { 1.5 }
        let bytes = try Data(contentsOf: URL(filePath: folder.files[0]))
        #expect(bytes.count == 12 + 24 + 4)
        #expect(Array(bytes.prefix(8)) == [24, 0, 0, 0, 0, 0, 0, 0])
        #expect(Array(bytes[12..<23]) == [0x09, 0, 0, 0, 0, 0, 0, 0xF8, 0x3F, 0x1A, 13])
        #expect(bytes[23..<36] == Data("brain.Event:2".utf8))
    }

    @Test func valuesThatDoNotFitAreLeftOut() throws {
        let folder = try TemporaryFolder()
        let log = try EventLog(folder: folder.path, keepingThrough: 0)
        try log.append(step: 3, scalars: [("a", 0.1), ("b", nil), ("c", .nan), ("d", 1e300), ("e", -2)])
        try log.append(step: 4, tag: "t", text: "one\ntwo\r\n# three\r\r\nfour")
        let events = try folder.events()[0]
        #expect(events.map(\.step) == [0, 3, 4])
        #expect(events[1].summary.value.map(\.tag) == ["a", "e"])
        #expect(events[1].summary.value.map(\.simpleValue) == [0.1, -2])
        #expect(events[2].summary.value[0].metadata.pluginData.pluginName == "text")
        #expect(events[2].summary.value[0].tensor.stringVal == [Data("    one\n    two\n    # three\n    \n    four".utf8)])
    }

    /// Each session has a file; later steps of earlier sessions are removed, also those of several sessions ago.
    @Test func resumeLeavesNoDuplicatesAndNoGaps() throws {
        let folder = try TemporaryFolder()
        func sit(from start: Int, _ steps: ClosedRange<Int>) throws {
            let log = try EventLog(folder: folder.path, keepingThrough: start) { 100 }
            for step in steps { try log.append(step: step * 10, scalars: [("a", Double(step))]) }
        }
        try sit(from: 0, 1...5)
        try sit(from: 30, 4...6)
        #expect(try folder.steps() == [[10, 20, 30], [40, 50, 60]])
        try sit(from: 45, 5...7)
        #expect(try folder.steps() == [[10, 20, 30], [40], [50, 60, 70]])
        try sit(from: 20, 3...4)
        #expect(try folder.steps() == [[10, 20], [30, 40]])
        // The order of the names is that of the sessions.
        #expect(folder.files.map { $0.split(separator: ".")[3] } == ["0000000100", "0000000103"])
        // Says so to a TensorBoard that has read the old ones.
        let restart = try #require(try folder.events().last?[1])
        #expect(restart.sessionLog.status == .start && restart.step == 21)
        // A new run in an old folder.
        try sit(from: 0, 1...1)
        #expect(try folder.steps() == [[10]])
    }

    @Test(arguments: 1...30) func aTornEndIsRemoved(_ missing: Int) throws {
        let folder = try TemporaryFolder()
        var log = try EventLog(folder: folder.path, keepingThrough: 0)
        for step in [10, 20] { try log.append(step: step, scalars: [("a", 1)]) }
        let path = folder.files[0]
        let bytes = try Data(contentsOf: URL(filePath: path))
        try bytes.dropLast(missing).write(to: URL(filePath: path))
        log = try EventLog(folder: folder.path, keepingThrough: 20)
        #expect(try folder.steps() == [[10], []])
    }

    @Test func damageEndsTheFileThere() throws {
        let folder = try TemporaryFolder()
        let log = try EventLog(folder: folder.path, keepingThrough: 0)
        for step in 1...5 { try log.append(step: step, scalars: [("a", 1)]) }
        let path = folder.files[0]
        var bytes = try Data(contentsOf: URL(filePath: path))
        bytes[bytes.count / 2] ^= 1
        try bytes.write(to: URL(filePath: path))
        _ = try EventLog(folder: folder.path, keepingThrough: 9)
        #expect(try [1, 2, 3].contains(folder.steps()[0].count))
    }

    @Test func otherFilesStay() throws {
        let folder = try TemporaryFolder()
        let other = "\(folder.path)/notes.txt"
        try "x".write(toFile: other, atomically: false, encoding: .utf8)
        try FileManager.default.createDirectory(atPath: "\(folder.path)/events.out.tfevents.9.d", withIntermediateDirectories: false)
        _ = try EventLog(folder: folder.path, keepingThrough: 0)
        #expect(try String(contentsOfFile: other, encoding: .utf8) == "x")
    }
}

extension TemporaryFolder {
    fileprivate var files: [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: path).filter { $0.contains("tfevents") }.sorted().map { "\(path)/\($0)" }) ?? []
    }

    /// The records of each file, read according to the format, without the code under test.
    fileprivate func events() throws -> [[TensorBoardEvent]] {
        try files.map { file in
            var rest = try Data(contentsOf: URL(filePath: file))[...]
            var events: [TensorBoardEvent] = []
            while !rest.isEmpty {
                let length = Int(rest.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
                events.append(try TensorBoardEvent(serializedBytes: rest.dropFirst(12).prefix(length)))
                rest = rest.dropFirst(length + 16)
            }
            return events
        }
    }

    fileprivate func steps() throws -> [[Int64]] {
        try events().map { $0.filter { if case .summary = $0.what { true } else { false } }.map(\.step) }
    }
}
