/// How one element of a tensor is stored, with the name that safetensors uses. Little-endian.
package enum ElementType: String, Sendable, CaseIterable {
    case bool = "BOOL"
    case uint8 = "U8"
    case int8 = "I8"
    case uint16 = "U16"
    case int16 = "I16"
    case float16 = "F16"
    case bfloat16 = "BF16"
    case uint32 = "U32"
    case int32 = "I32"
    case float32 = "F32"
    case uint64 = "U64"
    case int64 = "I64"
    case float64 = "F64"

    /// Bytes of one element.
    package var size: Int {
        switch self {
        case .bool, .uint8, .int8: 1
        case .uint16, .int16, .float16, .bfloat16: 2
        case .uint32, .int32, .float32: 4
        case .uint64, .int64, .float64: 8
        }
    }
}

/// A Swift number type for reading and writing tensors. Its bytes in memory are its bytes on disk, which
/// holds on the little-endian processors that lockstep runs on.
package protocol TensorElement: BitwiseCopyable {
    static var elementType: ElementType { get }

    /// Fills `destination` from elements of another type that may stand for this one; false where none may.
    static func convert(
        _ bytes: UnsafeRawBufferPointer, of type: ElementType, into destination: UnsafeMutableBufferPointer<Self>) -> Bool
}

extension TensorElement {
    package static func convert(
        _ bytes: UnsafeRawBufferPointer, of type: ElementType, into destination: UnsafeMutableBufferPointer<Self>
    ) -> Bool { false }
}

extension Double: TensorElement { package static var elementType: ElementType { .float64 } }
extension Int64: TensorElement { package static var elementType: ElementType { .int64 } }
extension Int32: TensorElement { package static var elementType: ElementType { .int32 } }
extension UInt8: TensorElement { package static var elementType: ElementType { .uint8 } }

extension Float: TensorElement {
    package static var elementType: ElementType { .float32 }

    package static func convert(
        _ bytes: UnsafeRawBufferPointer, of type: ElementType, into destination: UnsafeMutableBufferPointer<Float>
    ) -> Bool {
        switch type {
        case .float16:
            for i in destination.indices { destination[i] = Float(halfFloat: bytes.element(i)) }
        case .bfloat16:
            for i in destination.indices { destination[i] = Float(brainFloat: bytes.element(i)) }
        case .float64:  // narrowed to the nearest; infinite where that is too large
            for i in destination.indices { destination[i] = Float(Double(bitPattern: bytes.element(i))) }
        default: return false
        }
        return true
    }

    /// F16 is IEEE 754's binary16. Swift's own conversion passes through denormal Floats, which become zero on a thread that
    /// flushes them, as all that compute do; every F16 but zero is a normal Float.
    init(halfFloat bits: UInt16) {
        let magnitude = bits & 0x7fff
        let sign = UInt32(bits & 0x8000) << 16
        let value =
            switch magnitude {
            case ..<0x0400: (Float(magnitude) * 0x1p-24).bitPattern
            case ..<0x7c00: UInt32(magnitude) << 13 + (127 - 15) << 23
            default: UInt32(magnitude) << 13 | 0x7f80_0000  // infinity and NaN
            }
        self.init(bitPattern: sign | value)
    }

    /// BF16 is the upper half of a Float.
    init(brainFloat bits: UInt16) { self.init(bitPattern: UInt32(bits) << 16) }
}

extension UnsafeRawBufferPointer {
    /// Little-endian, at any alignment.
    fileprivate func element<Bits: FixedWidthInteger>(_ index: Int) -> Bits {
        loadUnaligned(fromByteOffset: index * MemoryLayout<Bits>.size, as: Bits.self)
    }
}
