import Kernels
import Recurrent

/// A recurrent cell as an ONNX operator (RNN, LSTM or GRU of opset 14, layout 0: time first, one direction).
///
/// The operators compute what our cells compute; only the order of the gates differs. PyTorch and lockstep store an LSTM's
/// gates as i f g o and a GRU's as r z n; ONNX needs i o f c and z r h, where c and h are other names for g and n.
struct RecurrentOperator {
    let type: String
    /// Indices of our blocks of H rows, in ONNX's order.
    let gates: [Int]
    private let attributes: [ONNXAttribute]
    /// The operator's state has two vectors, h and c.
    let hasCellState: Bool

    /// Nil for a cell that ONNX has no operator for.
    init?(_ model: ModelConfiguration) {
        guard model.options.keys.allSatisfy(["connections", "softmax"].contains) else { return nil }
        switch model.cell {
        case .elman:
            let function =
                switch model.activation {
                case .tanh: "Tanh"
                case .sigmoid: "Sigmoid"
                case .relu: "Relu"
                }
            (type, gates) = ("RNN", [0])
            attributes = [.strings("activations", [function])]
        case .lstm:
            (type, gates) = ("LSTM", [0, 3, 1, 2])
            attributes = []
        case .gru:
            (type, gates) = ("GRU", [1, 0, 2])
            attributes = [.integer("linear_before_reset", 0)]
        case .gruResetAfter:
            (type, gates) = ("GRU", [1, 0, 2])
            attributes = [.integer("linear_before_reset", 1)]
        default: return nil
        }
        hasCellState = model.cell == .lstm
    }

    /// Of the operator for a layer of `hidden` values.
    func attributes(hidden: Int) -> [ONNXAttribute] { [.integer("hidden_size", hidden)] + attributes }
}

extension GraphBuilder {
    /// State of one layer, each [1, N, H].
    struct LayerState {
        var hidden: Value
        /// LSTM only.
        var cell: Value?
    }

    /// One recurrent layer.
    /// - Parameters:
    ///   - input: [T, N, in].
    ///   - state: the initial state; nil for zeros.
    /// - Returns: the layer's output [T, 1, N, H], whose second dimension counts directions, and its state after the last
    ///   step.
    mutating func recurrentLayer(
        _ index: Int, _ input: Value, state: LayerState?, _ cell: RecurrentOperator, _ model: ModelConfiguration,
        _ parameters: Arena
    ) -> (output: Value, state: LayerState) {
        let layer = "l\(index)"
        func blocks(_ name: String) -> [Elements] {
            parameters.blocks(of: parameters.layout["rnn.\(name)_\(layer)"], in: cell.gates)
        }
        let hidden = model.hidden[index]
        let rows = cell.gates.count * hidden
        let inputs = model.width(belowLayer: index)
        let weights = [
            weight("rnn.weight_ih_\(layer)", shape: [1, rows, inputs], blocks: blocks("weight_ih")),
            weight("rnn.weight_hh_\(layer)", shape: [1, rows, hidden], blocks: blocks("weight_hh")),
            weight("rnn.bias_\(layer)", shape: [1, 2 * rows], blocks: blocks("bias_ih") + blocks("bias_hh")),
        ]
        let everyLength = ""  // the optional sequence_lens
        let before = state.map { [everyLength, $0.hidden] + [$0.cell].compactMap(\.self) } ?? []
        let after = LayerState(hidden: "h_\(layer)", cell: cell.hasCellState ? "c_\(layer)" : nil)
        let output = "rnn_\(layer)"
        node(
            cell.type, output, [input] + weights + before,
            outputs: [output, after.hidden] + [after.cell].compactMap(\.self),  // [T, 1, N, H], then [1, N, H] each
            cell.attributes(hidden: hidden))
        return (output, after)
    }
}

extension Arena {
    /// The equal blocks of rows of a parameter, in the order of `places`.
    fileprivate func blocks(of entry: ParameterLayout.Entry, in places: [Int]) -> [Elements] {
        let size = entry.count / places.count
        return places.map { Elements(of: buffer, in: entry.offset + $0 * size..<entry.offset + ($0 + 1) * size) }
    }
}
