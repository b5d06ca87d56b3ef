/// Statistics of a tensor. NaN and infinities are counted and otherwise ignored.
public struct TensorStatistics: Sendable, Equatable, Encodable {
    public private(set) var notFinite = 0
    /// Zero if there is no finite element, as are the others.
    public private(set) var minimum = 0.0
    public private(set) var maximum = 0.0
    public private(set) var mean = 0.0
    public private(set) var rootMeanSquare = 0.0

    private enum CodingKeys: String, CodingKey {
        case minimum, maximum, mean
        case notFinite = "not_finite"
        case rootMeanSquare = "root_mean_square"
    }
}

extension SafetensorsFile {
    /// - Throws: `SafetensorsError.missingTensor`.
    public func statistics(of name: String) throws -> TensorStatistics {
        let tensor = try description(of: name)
        let bytes = bytes(of: tensor)
        return switch tensor.type {
        case .bool, .uint8: TensorStatistics(bytes) { (x: UInt8) in Double(x) }
        case .int8: TensorStatistics(bytes) { (x: Int8) in Double(x) }
        case .uint16: TensorStatistics(bytes) { (x: UInt16) in Double(x) }
        case .int16: TensorStatistics(bytes) { (x: Int16) in Double(x) }
        case .float16: TensorStatistics(bytes) { (x: UInt16) in Double(Float16(bitPattern: x)) }
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
