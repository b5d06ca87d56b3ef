/// How one element of a tensor is stored, named as safetensors names it. Little-endian.
public enum ElementType: String, Sendable, CaseIterable {
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
    public var size: Int {
        switch self {
        case .bool, .uint8, .int8: 1
        case .uint16, .int16, .float16, .bfloat16: 2
        case .uint32, .int32, .float32: 4
        case .uint64, .int64, .float64: 8
        }
    }
}

/// A Swift number that tensors can be written from and read into. Its bytes in memory are its bytes on disk, which
/// holds on the little-endian processors that lockstep runs on.
public protocol TensorElement: BitwiseCopyable {
    static var elementType: ElementType { get }

    /// Fills `destination` from elements of another type when that loses nothing; false when it would.
    static func widen(
        _ bytes: UnsafeRawBufferPointer, of type: ElementType, into destination: UnsafeMutableBufferPointer<Self>) -> Bool
}

extension TensorElement {
    public static func widen(
        _ bytes: UnsafeRawBufferPointer, of type: ElementType, into destination: UnsafeMutableBufferPointer<Self>
    ) -> Bool { false }
}

extension Double: TensorElement { public static var elementType: ElementType { .float64 } }
extension Int64: TensorElement { public static var elementType: ElementType { .int64 } }
extension Int32: TensorElement { public static var elementType: ElementType { .int32 } }
extension UInt8: TensorElement { public static var elementType: ElementType { .uint8 } }

extension Float: TensorElement {
    public static var elementType: ElementType { .float32 }

    public static func widen(
        _ bytes: UnsafeRawBufferPointer, of type: ElementType, into destination: UnsafeMutableBufferPointer<Float>
    ) -> Bool {
        guard type == .float16 || type == .bfloat16 else { return false }
        for i in destination.indices {
            let bits = bytes.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self)
            destination[i] = type == .float16 ? Float(Float16(bitPattern: bits)) : Float(brainFloat: bits)
        }
        return true
    }

    /// BF16 is the upper half of a Float.
    init(brainFloat bits: UInt16) { self.init(bitPattern: UInt32(bits) << 16) }
}
