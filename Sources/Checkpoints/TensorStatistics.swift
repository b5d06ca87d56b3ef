/// Statistics of a tensor. NaN and infinities are counted and otherwise ignored.
package struct TensorStatistics: Sendable, Equatable, Encodable {
    package private(set) var notFinite = 0
    /// Zero if there is no finite element, as are the others.
    package private(set) var minimum = 0.0
    package private(set) var maximum = 0.0
    package private(set) var mean = 0.0
    package private(set) var rootMeanSquare = 0.0

    private enum CodingKeys: String, CodingKey {
        case minimum, maximum, mean
        case notFinite = "not_finite"
        case rootMeanSquare = "root_mean_square"
    }
}

extension SafetensorsFile {
    /// - Throws: `SafetensorsError.missingTensor`.
    package func statistics(of name: String) throws -> TensorStatistics {
        let tensor = try description(of: name)
        let bytes = bytes(of: tensor)
        return switch tensor.type {
        case .bool, .uint8: TensorStatistics(bytes) { (x: UInt8) in Double(x) }
        case .int8: TensorStatistics(bytes) { (x: Int8) in Double(x) }
        case .uint16: TensorStatistics(bytes) { (x: UInt16) in Double(x) }
        case .int16: TensorStatistics(bytes) { (x: Int16) in Double(x) }
        case .float16: TensorStatistics(bytes) { (x: UInt16) in Double(Float(halfFloat: x)) }
        case .bfloat16: TensorStatistics(bytes) { (x: UInt16) in Double(Float(brainFloat: x)) }
        case .uint32: TensorStatistics(bytes) { (x: UInt32) in Double(x) }
        case .int32: TensorStatistics(bytes) { (x: Int32) in Double(x) }
        case .float32: TensorStatistics(bytes) { (x: Float) in Double(x) }
        case .uint64: TensorStatistics(bytes) { (x: UInt64) in Double(x) }
        case .int64: TensorStatistics(bytes) { (x: Int64) in Double(x) }
        case .float64: TensorStatistics(bytes) { (x: Double) in x }
        }
    }
}

extension SafetensorsFile {
    /// Whether the tensor holds neither NaN nor infinity.
    package func isFinite(_ tensor: TensorDescription) -> Bool {
        let bytes = bytes(of: tensor)
        return switch tensor.type {
        case .float16: areFinite(bytes, exponent: UInt16(0x7c00))
        case .bfloat16: areFinite(bytes, exponent: UInt16(0x7f80))
        case .float32: areFinite(bytes, exponent: UInt32(0x7f80_0000))
        case .float64: areFinite(bytes, exponent: UInt64(0x7ff0_0000_0000_0000))
        case .bool, .uint8, .int8, .uint16, .int16, .uint32, .int32, .uint64, .int64: true
        }
    }
}

/// A number whose exponent bits are all set is NaN or infinite.
private func areFinite<Bits: FixedWidthInteger & BitwiseCopyable>(_ bytes: UnsafeRawBufferPointer, exponent: Bits) -> Bool {
    for offset in stride(from: 0, to: bytes.count, by: MemoryLayout<Bits>.size) {
        if bytes.loadUnaligned(fromByteOffset: offset, as: Bits.self) & exponent == exponent { return false }
    }
    return true
}

extension TensorStatistics {
    fileprivate init<Stored: BitwiseCopyable>(_ bytes: UnsafeRawBufferPointer, _ value: (Stored) -> Double) {
        var finite = 0.0
        var sum = 0.0
        var squares = 0.0
        for offset in stride(from: 0, to: bytes.count, by: MemoryLayout<Stored>.size) {
            let x = value(bytes.loadUnaligned(fromByteOffset: offset, as: Stored.self))
            guard x.isFinite else {
                notFinite += 1
                continue
            }
            minimum = finite == 0 ? x : min(minimum, x)
            maximum = finite == 0 ? x : max(maximum, x)
            finite += 1
            sum += x
            squares += x * x
        }
        guard finite > 0 else { return }
        mean = sum / finite
        rootMeanSquare = (squares / finite).squareRoot()
    }
}
