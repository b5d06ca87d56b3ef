import Kernels
import Randomness
import Testing

/// Every element of a row is the same sequence of operations, whatever the instructions, the row's length and its neighbours.
@Suite struct CellArithmeticTests {
    private static let rows = 3

    /// Operands of `rows` rows, with one more value that must not change; NaN and others among them if `special`.
    private func operands(_ operation: CellOperation, size: Int, special: Bool = false) -> [[Float]] {
        var random = PhiloxSequence(seed: UInt64(size), purpose: .corpus)
        return operation.parts.map { parts in
            (0..<abs(parts) * size * (parts < 0 ? 1 : Self.rows) + 1).map { _ in
                if special, random.uniform() < 0.1 {
                    return [.nan, .infinity, -.infinity, 0, -0.0, 1e-30, 3e38, -200, 200][Int(random.uniform() * 9)]
                }
                return Float(random.uniform() * 4 - 2)
            }
        }
    }

    private func result(
        _ operation: CellOperation, _ operands: [[Float]], size: Int, rows: Int = rows, using vectors: Vectors
    ) -> [[Float]] {
        let buffers = operands.map { values in
            let buffer = Buffer(count: values.count)
            for (i, value) in values.enumerated() { buffer.base[i] = value }
            return buffer
        }
        operation.run(CellArithmetic(size: size, using: vectors), rows, buffers.map { $0.row() })
        return buffers.map { Array($0.elements) }
    }

    /// The values of one element: of each operand, one from each part.
    private func element(_ operands: [[Float]], _ operation: CellOperation, size: Int, row: Int, column: Int) -> [[Float]] {
        zip(operands, operation.parts).map { values, parts in
            (0..<abs(parts)).map { values[((parts < 0 ? 0 : row) * abs(parts) + $0) * size + column] }
        }
    }

    /// Bits, except that a NaN's payload is nobody's business.
    private func bits(_ values: [[Float]]) -> [[UInt32]] { values.map { $0.map { $0.isNaN ? .max : $0.bitPattern } } }

    @Test(arguments: CellOperation.all, [1, 7, 8, 9, 15, 16, 17, 31, 50])
    func everyInstructionSetComputesEachElementAsIfItWereAlone(_ operation: CellOperation, size: Int) {
        let operands = operands(operation, size: size, special: size > 30)
        for vectors in Vectors.available {
            let whole = result(operation, operands, size: size, using: vectors)
            for (before, after) in zip(operands, whole) { #expect(before.last!.bitPattern == after.last!.bitPattern || before.last!.isNaN) }
            for row in 0..<Self.rows {
                for column in 0..<size {
                    let alone = element(operands, operation, size: size, row: row, column: column)
                    let expected = bits(result(operation, alone, size: 1, rows: 1, using: .portable))
                    let found = bits(element(whole, operation, size: size, row: row, column: column))
                    if found != expected {
                        Issue.record("\(vectors), row \(row), column \(column): \(found), alone \(expected)")
                        return
                    }
                }
            }
        }
    }

    @Test(arguments: CellOperation.all) func agreesWithDoublePrecision(_ operation: CellOperation) {
        let size = 21
        let operands = operands(operation, size: size)
        let found = result(operation, operands, size: size, using: Vectors.available.last!)
        for row in 0..<Self.rows {
            for column in 0..<size {
                var exact = element(operands, operation, size: size, row: row, column: column).map { $0.map(Double.init) }
                operation.exact(&exact)
                let values = element(found, operation, size: size, row: row, column: column)
                for (x, y) in zip(values.joined(), exact.joined()) {
                    #expect(abs(Double(x) - y) < 2e-6 * max(1, abs(y)), "row \(row), column \(column)")
                }
            }
        }
    }

    /// The functions in C are those in Swift, to the bit.
    @Test func elementaryFunctionsAreThoseOfLanes() {
        var random = PhiloxSequence(seed: 3, purpose: .corpus)
        var values: [Float] = [0, -0.0, .nan, .infinity, -.infinity, 0.625, -0.625, 1e-30, 88.4, -87.4, 1e30, -1e30]
        values += (0..<4000).map { _ in Float(random.uniform() * 200 - 100) }
        values += (0..<4000).map { _ in Float(random.uniform() * 2 - 1) }
        let none = values.map { _ in Float(0) }
        func swift(_ function: (Lanes) -> Lanes) -> [[UInt32]] { bits([values.map { function(Lanes(repeating: $0 + 0))[0] }]) }
        for vectors in Vectors.available {
            func c(_ g: CellArithmetic.Nonlinearity) -> [[UInt32]] {
                let operation = CellOperation(
                    testDescription: "", parts: [1, 1], run: { $0.activate(g, rows: $1, values: $2[0], bias: $2[1]) }, exact: { _ in })
                return bits([result(operation, [values, none], size: values.count, rows: 1, using: vectors)[0]])
            }
            #expect(c(.tanh) == swift { hyperbolicTangent($0) })
            #expect(c(.sigmoid) == swift(logistic))
            #expect(c(.relu) == swift { maximum($0, .zero) })
        }
    }
}
