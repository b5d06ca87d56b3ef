import Files
import TestSupport
import Testing

@testable import Checkpoints

@Test func everyBitOfEveryTypeComesBack() throws {
    try withTemporaryFolder { folder in
        let floats: [Float] = [.nan, Float(bitPattern: 0xffc0_1234), -0.0, .infinity, .leastNonzeroMagnitude, 0.1]
        let doubles: [Double] = [0.1, .leastNonzeroMagnitude, -.infinity]
        try _ = SafetensorsWriter.write(
            [
                NamedTensor("bytes", shape: [3], [UInt8(0), 255, 7]),
                NamedTensor("weights \"q\" \\ / é\n", shape: [2, 3], floats),
                NamedTensor("scalar", shape: [], [Int32.min]),
                NamedTensor("empty", shape: [0, 4], [Float]()),
                NamedTensor("doubles", shape: [3], doubles),
                NamedTensor("counts", shape: [1], [Int64.min]),
            ], to: "\(folder)/t.safetensors")
        let file = try SafetensorsFile("\(folder)/t.safetensors")
        #expect(Set(file.names) == ["bytes", "weights \"q\" \\ / é\n", "scalar", "empty", "doubles", "counts"])
        let weights: [Float] = try file.elements(of: "weights \"q\" \\ / é\n")
        #expect(weights.map(\.bitPattern) == floats.map(\.bitPattern))
        #expect(try file.elements(of: "doubles", as: Double.self) == doubles)
        #expect(try file.elements(of: "bytes", as: UInt8.self) == [0, 255, 7])
        #expect(try file.elements(of: "scalar", as: Int32.self) == [.min])
        #expect(try file.elements(of: "counts", as: Int64.self) == [.min])
        #expect(try file.elements(of: "empty", as: Float.self) == [])
        #expect(try file.shape(of: "scalar") == [])
        #expect(try file.shape(of: "empty") == [0, 4])
        #expect(file.metadata == ["format": "pt"])
    }
}

@Test func everyElementIsAligned() throws {
    try withTemporaryFolder { folder in
        let path = "\(folder)/t.safetensors"
        let record = try SafetensorsWriter.write(
            [
                NamedTensor("u8", shape: [3], [UInt8](repeating: 1, count: 3)),
                NamedTensor("f32", shape: [5], [Float](repeating: 1, count: 5)),
                NamedTensor("f64", shape: [1], [1.0]),
            ], to: path)
        let bytes = try File.contents(of: path)
        let header = Int(bytes[0]) | Int(bytes[1]) << 8
        #expect((8 + header) % 64 == 0)
        #expect(bytes[8] == UInt8(ascii: "{"))
        for tensor in try SafetensorsFile(path).tensors {
            #expect(tensor.range.lowerBound % tensor.type.size == 0, "\(tensor.name)")
        }
        #expect(record.size == bytes.count)
        #expect(record.sha256 == bytes.withUnsafeBytes { Digest.sha256($0) })
        #expect(record.tensors?["u8"] == [UInt8](repeating: 1, count: 3).withUnsafeBytes { Digest.sha256($0) })
    }
}

/// Half precision from another program; values from the IEEE 754 and bfloat16 definitions.
@Test func halfPrecisionIsWidened() throws {
    try withTemporaryFolder { folder in
        let header =
            #"{ "h":{"data_offsets":[0,6],"shape":[3],"dtype":"F16"}, "b":{"dtype":"BF16","shape":[2],"data_offsets":[6,10]} }  "#
        var bytes = rawFile(header: header, data: 0)
        for value: UInt16 in [0x3c01, 0xfc00, 0x0001, 0x3f80, 0xc2f7] { bytes += [UInt8(value & 255), UInt8(value >> 8)] }
        try write(bytes, to: "\(folder)/half.safetensors")
        let file = try SafetensorsFile("\(folder)/half.safetensors")
        #expect(try file.elements(of: "h", as: Float.self) == [1.0009765625, -.infinity, 5.9604645e-08])
        #expect(try file.elements(of: "b", as: Float.self) == [1, -123.5])
        #expect(throws: SafetensorsError.otherType(file: file.path, tensor: "h", expected: .float64, found: .float16)) {
            try file.elements(of: "h", as: Double.self)
        }
    }
}

/// As `torch.set_default_dtype(torch.float64)` makes them.
@Test func doublePrecisionIsNarrowed() throws {
    try withTemporaryFolder { folder in
        let values: [Double] = [0.1, -1.5, 1e300, -.infinity, 1e-60]
        let header = #"{"d":{"data_offsets":[0,40],"shape":[5],"dtype":"F64"},"i":{"data_offsets":[40,44],"shape":[1],"dtype":"I32"}}"#
        var bytes = rawFile(header: header, data: 0)
        for value in values { bytes += withUnsafeBytes(of: value.bitPattern.littleEndian, Array.init) }
        try write(bytes + [1, 0, 0, 0], to: "\(folder)/double.safetensors")
        let file = try SafetensorsFile("\(folder)/double.safetensors")
        #expect(try file.elements(of: "d", as: Float.self) == [0.1, -1.5, .infinity, -.infinity, 0])
        #expect(try file.elements(of: "d", as: Double.self) == values)
        #expect(throws: SafetensorsError.otherType(file: file.path, tensor: "i", expected: .float32, found: .int32)) {
            try file.elements(of: "i", as: Float.self)
        }
    }
}

@Test func unalignedDataIsRead() throws {
    try withTemporaryFolder { folder in
        let header =
            #"{"u":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"f":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}}"#
        var bytes = rawFile(header: header, data: 5)
        bytes[bytes.count - 1] = 0x3f
        bytes[bytes.count - 2] = 0x80
        try write(bytes, to: "\(folder)/t")
        #expect(try SafetensorsFile("\(folder)/t").elements(of: "f", as: Float.self) == [1])
        #expect(try SafetensorsFile("\(folder)/t").statistics(of: "f").maximum == 1)
    }
}

@Test func wrongRequestsAreNamed() throws {
    try withTemporaryFolder { folder in
        let path = "\(folder)/t.safetensors"
        _ = try SafetensorsWriter.write([NamedTensor("rnn.weight", shape: [2, 3], [Float](repeating: 1, count: 6))], to: path)
        let file = try SafetensorsFile(path)
        var destination = [Float](repeating: 9, count: 6)
        #expect(throws: SafetensorsError.otherShape(file: path, tensor: "rnn.weight", expected: [3, 2], found: [2, 3])) {
            try destination.withUnsafeMutableBufferPointer { try file.read("rnn.weight", shape: [3, 2], into: $0) }
        }
        #expect(destination == [Float](repeating: 9, count: 6))
        #expect(throws: SafetensorsError.missingTensor(file: path, tensor: "rnn.wieght", nearest: "rnn.weight")) {
            try file.shape(of: "rnn.wieght")
        }
        try destination.withUnsafeMutableBufferPointer { try file.read("rnn.weight", shape: [2, 3], into: $0) }
        #expect(destination == [Float](repeating: 1, count: 6))
    }
}

@Test func statisticsShowNotANumber() throws {
    try withTemporaryFolder { folder in
        let path = "\(folder)/t.safetensors"
        _ = try SafetensorsWriter.write(
            [
                NamedTensor("x", shape: [5], [Float.nan, 1, -3, 2, .infinity]),
                NamedTensor("none", shape: [1], [Float.nan]),
            ], to: path)
        let statistics = try SafetensorsFile(path).statistics(of: "x")
        #expect(statistics.notFinite == 2)
        #expect(statistics.minimum == -3)
        #expect(statistics.maximum == 2)
        #expect(statistics.mean == 0)
        #expect(abs(statistics.rootMeanSquare - (14.0 / 3).squareRoot()) < 1e-15)
        let none = try SafetensorsFile(path).statistics(of: "none")
        #expect(none.notFinite == 1)
        #expect(none.mean == 0)
    }
}
