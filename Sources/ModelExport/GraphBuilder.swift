import FoundationEssentials
import Kernels

/// A value of a graph: a node's output, a weight, a constant or an input, by its name.
typealias Value = String

/// Builds an ONNX graph in the order of its computation.
///
/// If a node has one output, the output gets the name of the node, so a viewer shows the names in the code.
struct GraphBuilder {
    private(set) var graph = ONNXGraph()

    init(name: String) { graph.name = name }

    /// A dimension: fixed, or chosen by each run.
    enum Dimension {
        case fixed(Int)
        case named(String)
    }

    // MARK: Nodes

    /// - Returns: its one output, `name`.
    @discardableResult
    mutating func node(_ type: String, _ name: String, _ inputs: [Value], _ attributes: [ONNXAttribute] = []) -> Value {
        node(type, name, inputs, outputs: [name], attributes)
        return name
    }

    /// - Parameters:
    ///   - inputs: an empty name stands for an optional input that is not given.
    ///   - outputs: an empty name stands for an unused output.
    mutating func node(
        _ type: String, _ name: String, _ inputs: [Value], outputs: [Value], _ attributes: [ONNXAttribute] = []
    ) {
        var node = ONNXNode()
        node.opType = type
        node.name = name
        node.input = inputs
        node.output = outputs
        node.attribute = attributes
        graph.node.append(node)
    }

    // MARK: Weights and constants

    /// - Parameter blocks: the values, one after the other: `shape` in row-major order.
    mutating func weight(_ name: String, shape: [Int], blocks: [Elements]) -> Value {
        precondition(blocks.reduce(0) { $0 + $1.count } == shape.reduce(1, *))
        var bytes = Data(capacity: 4 * shape.reduce(1, *))
        for block in blocks { block.withUnsafe { bytes.append(contentsOf: UnsafeRawBufferPointer($0)) } }
        return add(name, .float, shape, bytes)
    }

    /// Integers: one dimension, or a scalar.
    mutating func integers(_ name: String, _ values: [Int]) -> Value {
        add(name, .int64, [values.count], values.map(Int64.init).withUnsafeBytes { Data($0) })
    }

    mutating func scalar(_ name: String, _ value: Int) -> Value {
        add(name, .int64, [], withUnsafeBytes(of: Int64(value)) { Data($0) })
    }

    mutating func scalar(_ name: String, _ value: Float) -> Value {
        add(name, .float, [], withUnsafeBytes(of: value) { Data($0) })
    }

    private mutating func add(_ name: String, _ type: ONNXElementType, _ shape: [Int], _ bytes: Data) -> Value {
        var tensor = ONNXTensor()
        tensor.name = name
        tensor.dataType = type
        tensor.dims = shape.map(Int64.init)
        tensor.rawData = bytes
        graph.initializer.append(tensor)
        return name
    }

    // MARK: Inputs and outputs

    mutating func input(_ name: String, _ type: ONNXElementType, _ shape: [Dimension]) -> Value {
        graph.input.append(GraphBuilder.information(name, type, shape))
        return name
    }

    mutating func output(_ name: Value, _ type: ONNXElementType, _ shape: [Dimension]) {
        graph.output.append(GraphBuilder.information(name, type, shape))
    }

    private static func information(_ name: String, _ type: ONNXElementType, _ shape: [Dimension]) -> ONNXValueInfo {
        var information = ONNXValueInfo()
        information.name = name
        information.type.tensorType.elemType = type
        information.type.tensorType.shape.dim = shape.map { dimension in
            var size = ONNXValueInfo.Dimension()
            switch dimension {
            case .fixed(let count): size.dimValue = Int64(count)
            case .named(let name): size.dimParam = name
            }
            return size
        }
        return information
    }
}

extension ONNXAttribute {
    static func integer(_ name: String, _ value: Int) -> ONNXAttribute {
        var attribute = ONNXAttribute()
        attribute.name = name
        attribute.type = .int
        attribute.i = Int64(value)
        return attribute
    }

    static func strings(_ name: String, _ values: [String]) -> ONNXAttribute {
        var attribute = ONNXAttribute()
        attribute.name = name
        attribute.type = .strings
        attribute.strings = values.map { Data($0.utf8) }
        return attribute
    }
}
