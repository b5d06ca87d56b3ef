import Elementary
import Kernels

/// How much a square matrix enlarges vectors.
package enum Spectrum {
    /// Squarings, after which `k` = 2^20 powers have been taken.
    private static let squarings = 20

    /// The largest absolute value of an eigenvalue, as the limit of ||A^k||^(1/k) (Gelfand's formula) after repeated squaring. It holds for
    /// any matrix, also where the eigenvalue is complex, and is accurate to about 1e-5.
    /// - Parameter matrix: [H, H].
    /// - Throws: `KernelError`.
    package static func radius(of matrix: Matrix) throws -> Double {
        precondition(matrix.rows == matrix.columns)
        let count = matrix.rows * matrix.columns
        let buffers = [Buffer(count: count), Buffer(count: count)]
        for row in 0..<matrix.rows { copy(matrix.row(row), to: buffers[0].base + row * matrix.columns, count: matrix.columns) }
        // A^k = e^logarithm * the matrix at hand.
        var logarithm = 0.0
        for squaring in 0...squarings {
            let current = Matrix(buffers[squaring % 2].base, rows: matrix.rows, columns: matrix.columns)
            let norm = sumOfSquares(current.base, count: count).squareRoot()
            guard norm > 0, norm.isFinite else { return norm }
            logarithm += Elementary.logarithm(norm)
            if squaring == squarings { break }
            let (row, scale) = (Row(current.base), Float(1 / norm))
            for j in LaneBlocks(count) { row[j] = row[j] * scale }
            try multiply(current, by: current, into: Matrix(buffers[1 - squaring % 2].base, rows: matrix.rows, columns: matrix.columns))
            logarithm *= 2
        }
        return Elementary.exponential(logarithm / Double(1 << squarings))
    }

    /// The largest singular value, the root of the spectral radius of A^T A.
    /// - Throws: `KernelError`.
    package static func norm(of matrix: Matrix) throws -> Double {
        let square = Buffer(count: matrix.columns * matrix.columns)
        let product = Matrix(square.base, rows: matrix.columns, columns: matrix.columns)
        try multiply(matrix, aTransposed: true, by: matrix, into: product)
        return try radius(of: product).squareRoot()
    }

    /// Floats that both need for a matrix [H, H].
    static func values(_ size: Int) -> Double { 3 * Double(size) * Double(size) }
}
