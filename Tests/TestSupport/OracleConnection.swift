import Glibc

/// How a layer's output h and input x become what the layers above read.
package enum OracleConnections: String, CaseIterable, Sendable {
    case none, residual, highway, dense
}

/// One layer's connection, one vector at a time.
struct OracleConnection {
    let kind: OracleConnections
    /// W_t and b_t; `highway` only.
    var gate: OracleAffine?

    func forward(_ x: [Double], _ h: [Double]) -> [Double] {
        switch kind {
        case .none: h
        case .residual: zip(x, h).map { $0 + $1 }
        case .highway: zip(zip(x, h), transform(x)).map { $1 * $0.1 + (1 - $1) * $0.0 }
        case .dense: x + h
        }
    }

    /// Takes dL/dy; returns the part of dL/dx that goes past the layer, and dL/dh.
    mutating func backward(_ dy: [Double], _ x: [Double], _ h: [Double]) -> (past: [Double], hidden: [Double]) {
        switch kind {
        case .none:
            return (Array(repeating: 0, count: x.count), dy)
        case .residual:
            return (dy, dy)
        case .highway:
            let t = transform(x)
            let slope = dy.indices.map { dy[$0] * (h[$0] - x[$0]) * t[$0] * (1 - t[$0]) }
            let throughGate = gate!.backward(slope, x)
            return (dy.indices.map { dy[$0] * (1 - t[$0]) + throughGate[$0] }, zip(dy, t).map(*))
        case .dense:
            return (Array(dy[..<x.count]), Array(dy[x.count...]))
        }
    }

    private func transform(_ x: [Double]) -> [Double] { gate!(x).map { 1 / (1 + exp(-$0)) } }
}
