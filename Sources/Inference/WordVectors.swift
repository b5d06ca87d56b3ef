import Kernels

/// The rows of a model's embedding as vectors whose angles say how alike words are used.
package final class WordVectors {
    /// A token, and the cosine of the angle between its vector and what was asked for.
    package struct Neighbour: Encodable, Equatable {
        package let token: Int
        package let cosine: Float
    }

    /// A sum of vectors of length one, such as `king - man + woman`.
    package struct Query {
        package let terms: [(token: Int, sign: Float)]

        package init(_ terms: [(token: Int, sign: Float)]) { self.terms = terms }
    }

    /// Queries that are answered by one product.
    private static let batch = 64

    private let directions: Matrix  // [V, E], rows of length one; a row of zeros stays one
    private let storage: Buffer

    /// - Parameter embedding: `encoder.weight` [V, E]; copied.
    package init(_ embedding: Matrix) {
        storage = Buffer(count: embedding.rows * embedding.columns)
        directions = Matrix(storage.base, rows: embedding.rows, columns: embedding.columns)
        for row in 0..<embedding.rows {
            copy(embedding.row(row), to: directions.row(row), count: embedding.columns)
            WordVectors.normalize(directions.row(row), count: embedding.columns)
        }
    }

    /// For each query the `count` tokens with the largest cosine, the largest first and equal ones in the order of their ids. The
    /// query's own tokens are left out (Mikolov, Yih and Zweig 2013, section 4).
    /// - Throws: `KernelError`.
    package func nearest(to queries: [Query], count: Int) throws -> [[Neighbour]] {
        let (width, tokens) = (directions.columns, directions.rows)
        let size = min(queries.count, WordVectors.batch)
        let (sums, cosines) = (Buffer(count: size * width), Buffer(count: size * tokens))
        var result: [[Neighbour]] = []
        for first in stride(from: 0, to: queries.count, by: max(1, size)) {
            let batch = queries[first..<min(first + size, queries.count)]
            for (row, query) in batch.enumerated() { sum(query, into: sums.base + row * width) }
            try multiply(
                Matrix(sums.base, rows: batch.count, columns: width), by: directions, bTransposed: true,
                into: Matrix(cosines.base, rows: batch.count, columns: tokens))
            for (row, query) in batch.enumerated() {
                let own = Set(query.terms.map(\.token))
                let range = row * tokens..<(row + 1) * tokens
                result.append(Elements(of: cosines, in: range).withUnsafe { WordVectors.largest(count, of: $0, without: own) })
            }
        }
        return result
    }

    private func sum(_ query: Query, into sum: UnsafeMutablePointer<Float>) {
        let width = directions.columns
        sum.update(repeating: 0, count: width)
        for (token, sign) in query.terms {
            let (sum, direction) = (Row(sum), Row(directions.row(token)))
            for j in LaneBlocks(width) { sum[j] = sum[j] + direction[j] * sign }
        }
        WordVectors.normalize(sum, count: width)
    }

    private static func normalize(_ values: UnsafeMutablePointer<Float>, count: Int) {
        let length = sumOfSquares(values, count: count).squareRoot()
        guard length > 0 else { return }
        let (row, factor) = (Row(values), Float(1 / length))
        for j in LaneBlocks(count) { row[j] = row[j] * factor }
    }

    /// By repeated insertion, since few are asked for.
    private static func largest(_ count: Int, of cosines: UnsafeMutableBufferPointer<Float>, without own: Set<Int>) -> [Neighbour] {
        var best: [Neighbour] = []
        for (token, cosine) in cosines.enumerated() where !own.contains(token) {
            if best.count == count, cosine <= best[count - 1].cosine { continue }
            if best.count == count { best.removeLast() }
            best.insert(Neighbour(token: token, cosine: cosine), at: best.firstIndex { cosine > $0.cosine } ?? best.count)
        }
        return best
    }
}
