import Foundation
import Kernels
import Testing

/// One of the loops between the products, and the same for one element in double precision.
struct CellOperation: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// How many parts of H columns a row of each operand has; negative for those that all rows share.
    let parts: [Int]
    let run: @Sendable (CellArithmetic, _ rows: Int, _ operands: [Row]) -> Void
    let exact: @Sendable (_ operands: inout [[Double]]) -> Void

    static let all: [CellOperation] = lstm + gru + others

    private static let lstm = [
        CellOperation(
            testDescription: "lstm", parts: [4, -4, 1, 1, 1],
            run: { $0.lstm(rows: $1, gates: $2[0], bias: $2[1], before: $2[2], after: $2[3], hidden: $2[4]) },
            exact: { x in
                let a = zip(x[0], x[1]).map(+)
                x[0] = [sigmoid(a[0]), sigmoid(a[1]), tanh(a[2]), sigmoid(a[3])]
                x[3] = [x[0][1] * x[2][0] + x[0][0] * x[0][2]]
                x[4] = [x[0][3] * tanh(x[3][0])]
            }),
        CellOperation(
            testDescription: "lstm backward", parts: [4, 1, 1, 1, 1, 1],
            run: {
                $0.lstmBackward(
                    rows: $1, gates: $2[0], before: $2[1], after: $2[2], above: $2[3], passed: $2[4], cellGradient: $2[5])
            },
            exact: { x in
                let (i, f, g, o) = (x[0][0], x[0][1], x[0][2], x[0][3])
                let (y, dh) = (tanh(x[2][0]), x[3][0] + x[4][0])
                let dc = x[5][0] + dh * o * (1 - y * y)
                x[0] = [dc * g * i * (1 - i), dc * x[1][0] * f * (1 - f), dc * i * (1 - g * g), dh * y * o * (1 - o)]
                x[5] = [dc * f]
            }),
        CellOperation(
            testDescription: "peepholes", parts: [4, -4, -3, 1, 1, 1],
            run: {
                $0.lstm(rows: $1, gates: $2[0], bias: $2[1], peepholes: $2[2], before: $2[3], after: $2[4], hidden: $2[5])
            },
            exact: { x in
                let (a, p, old) = (zip(x[0], x[1]).map(+), x[2], x[3][0])
                let (i, f, g) = (sigmoid(a[0] + p[0] * old), sigmoid(a[1] + p[1] * old), tanh(a[2]))
                let c = f * old + i * g
                let o = sigmoid(a[3] + p[2] * c)
                (x[0], x[4], x[5]) = ([i, f, g, o], [c], [o * tanh(c)])
            }),
        CellOperation(
            testDescription: "peepholes backward", parts: [4, -3, 3, 1, 1, 1, 1, 1],
            run: {
                $0.lstmBackward(
                    rows: $1, gates: $2[0], peepholes: $2[1], products: $2[2], before: $2[3], after: $2[4], above: $2[5],
                    passed: $2[6], cellGradient: $2[7])
            },
            exact: { x in
                let (i, f, g, o, p) = (x[0][0], x[0][1], x[0][2], x[0][3], x[1])
                let (old, c, dh) = (x[3][0], x[4][0], x[5][0] + x[6][0])
                let y = tanh(c)
                let dOutput = dh * y * o * (1 - o)
                let dc = x[7][0] + dh * o * (1 - y * y) + dOutput * p[2]
                let (dInput, dForget) = (dc * g * i * (1 - i), dc * old * f * (1 - f))
                x[0] = [dInput, dForget, dc * i * (1 - g * g), dOutput]
                x[2] = [dInput * old, dForget * old, dOutput * c]
                x[7] = [dc * f + dInput * p[0] + dForget * p[1]]
            }),
        CellOperation(
            testDescription: "lstm without h", parts: [4, -4, 1, 1],
            run: { $0.lstm(rows: $1, gates: $2[0], bias: $2[1], before: $2[2], after: $2[3], hidden: nil) },
            exact: { x in
                let a = zip(x[0], x[1]).map(+)
                x[0] = [sigmoid(a[0]), sigmoid(a[1]), tanh(a[2]), sigmoid(a[3])]
                x[3] = [x[0][1] * x[2][0] + x[0][0] * x[0][2]]
            }),
        CellOperation(
            testDescription: "expose", parts: [4, 1, -1, 1],
            run: { $0.expose(rows: $1, gates: $2[0], squashed: $2[1], bias: $2[2], hidden: $2[3]) },
            exact: { x in
                x[1] = [tanh(x[1][0] + x[2][0])]
                x[3] = [x[0][3] * x[1][0]]
            }),
        CellOperation(
            testDescription: "expose backward", parts: [4, 1, 1, 1],
            run: { $0.exposeBackward(rows: $1, gates: $2[0], squashed: $2[1], above: $2[2], passed: $2[3]) },
            exact: { x in
                let (o, y, dh) = (x[0][3], x[1][0], x[2][0] + x[3][0])
                x[1] = [dh * o * (1 - y * y)]
                x[0][3] = dh * y * o * (1 - o)
            }),
        CellOperation(
            testDescription: "normalized lstm backward", parts: [4, 1, 1, 1],
            run: { $0.normalizedLSTMBackward(rows: $1, gates: $2[0], before: $2[1], normalized: $2[2], cellGradient: $2[3]) },
            exact: { x in
                let (i, f, g, dc) = (x[0][0], x[0][1], x[0][2], x[3][0] + x[2][0])
                x[0] = [dc * g * i * (1 - i), dc * x[1][0] * f * (1 - f), dc * i * (1 - g * g), x[0][3]]
                x[3] = [dc * f]
            }),
    ]

    private static let gru = [
        CellOperation(
            testDescription: "gru reset", parts: [3, -3, 1, 1],
            run: { $0.gruReset(rows: $1, gates: $2[0], bias: $2[1], before: $2[2], reset: $2[3]) },
            exact: { x in
                x[0] = [sigmoid(x[0][0] + x[1][0]), sigmoid(x[0][1] + x[1][1]), x[0][2]]
                x[3] = [x[0][0] * x[2][0]]
            }),
        CellOperation(
            testDescription: "gru candidate", parts: [3, -3, 1, 1],
            run: { $0.gruCandidate(rows: $1, gates: $2[0], bias: $2[1], before: $2[2], after: $2[3]) },
            exact: { x in
                x[0][2] = tanh(x[0][2] + x[1][2])
                x[3] = [(1 - x[0][1]) * x[0][2] + x[0][1] * x[2][0]]
            }),
        CellOperation(
            testDescription: "gru candidate backward", parts: [3, 1, 1, 1, 1],
            run: {
                $0.gruCandidateBackward(rows: $1, gates: $2[0], before: $2[1], above: $2[2], passed: $2[3], direct: $2[4])
            },
            exact: { x in
                let (z, n, dh) = (x[0][1], x[0][2], x[2][0] + x[3][0] + x[4][0])
                x[0] = [x[0][0], dh * (x[1][0] - n) * z * (1 - z), dh * (1 - z) * (1 - n * n)]
                x[4] = [dh * z]
            }),
        CellOperation(
            testDescription: "gru reset backward", parts: [3, 1, 1, 1],
            run: { $0.gruResetBackward(rows: $1, gates: $2[0], before: $2[1], resetGradient: $2[2], direct: $2[3]) },
            exact: { x in
                let (r, d) = (x[0][0], x[2][0])
                x[0][0] = d * x[1][0] * r * (1 - r)
                x[3][0] += d * r
            }),
        CellOperation(
            testDescription: "gru after", parts: [3, 3, -3, -3, 1, 1],
            run: {
                $0.gruAfter(
                    rows: $1, gates: $2[0], products: $2[1], inputBias: $2[2], recurrentBias: $2[3], before: $2[4], after: $2[5])
            },
            exact: { x in
                let a = zip(x[0], x[2]).map(+)
                let q = zip(x[1], x[3]).map(+)
                let (r, z) = (sigmoid(a[0] + q[0]), sigmoid(a[1] + q[1]))
                let n = tanh(a[2] + r * q[2])
                (x[0], x[1][2]) = ([r, z, n], q[2])
                x[5] = [(1 - z) * n + z * x[4][0]]
            }),
        CellOperation(
            testDescription: "gru after backward", parts: [3, 3, 1, 1, 1, 1],
            run: {
                $0.gruAfterBackward(
                    rows: $1, gates: $2[0], products: $2[1], before: $2[2], above: $2[3], passed: $2[4], direct: $2[5])
            },
            exact: { x in
                let (r, z, n, q) = (x[0][0], x[0][1], x[0][2], x[1][2])
                let dh = x[3][0] + x[4][0] + x[5][0]
                let (dn, dz) = (dh * (1 - z) * (1 - n * n), dh * (x[2][0] - n) * z * (1 - z))
                let dr = dn * q * r * (1 - r)
                (x[0], x[1], x[5]) = ([dr, dz, dn], [dr, dz, dn * r], [dh * z])
            }),
    ]

    private static let others = [
        activation("tanh", .tanh, tanh) { 1 - $0 * $0 },
        activation("sigmoid", .sigmoid, sigmoid) { $0 * (1 - $0) },
        activation("relu", .relu, { max(0, $0) }) { $0 <= 0 ? 0 : 1 },
        [
            CellOperation(
                testDescription: "highway", parts: [1, -1, 1, 1, 1],
                run: { $0.highway(rows: $1, gate: $2[0], bias: $2[1], x: $2[2], h: $2[3], y: $2[4]) },
                exact: { x in
                    let t = sigmoid(x[0][0] + x[1][0])
                    (x[0], x[4]) = ([t], [t * x[3][0] + (1 - t) * x[2][0]])
                }),
            CellOperation(
                testDescription: "highway backward", parts: [1, 1, 1, 1, 1],
                run: { $0.highwayBackward(rows: $1, gradient: $2[0], gate: $2[1], x: $2[2], h: $2[3], past: $2[4]) },
                exact: { x in
                    let (dy, t) = (x[0][0], x[1][0])
                    (x[0], x[1], x[4]) = ([dy * t], [dy * (x[3][0] - x[2][0]) * t * (1 - t)], [dy * (1 - t)])
                }),
        ],
    ].flatMap { $0 }

    private static func activation(
        _ name: String, _ g: CellArithmetic.Nonlinearity, _ y: @escaping @Sendable (Double) -> Double,
        _ slope: @escaping @Sendable (Double) -> Double
    ) -> [CellOperation] {
        [
            CellOperation(
                testDescription: name, parts: [1, -1], run: { $0.activate(g, rows: $1, values: $2[0], bias: $2[1]) },
                exact: { $0[0] = [y($0[0][0] + $0[1][0])] }),
            CellOperation(
                testDescription: "\(name) backward", parts: [1, 1, 1],
                run: { $0.activateBackward(g, rows: $1, gradient: $2[0], passed: $2[1], y: $2[2]) },
                exact: { $0[0] = [($0[0][0] + $0[1][0]) * slope($0[2][0])] }),
            CellOperation(
                testDescription: "\(name) backward, nothing passed", parts: [1, 1],
                run: { $0.activateBackward(g, rows: $1, gradient: $2[0], y: $2[1]) },
                exact: { $0[0] = [$0[0][0] * slope($0[1][0])] }),
        ]
    }
}

@Sendable private func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
