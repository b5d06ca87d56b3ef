import Randomness
import Testing

import Kernels

private struct Shape: CustomTestStringConvertible {
    let m, n, shards, steps, width: Int
    /// The first shards and the last are left out.
    let before, after: Int
    var batch: Int { before + shards * width + after }
    var testDescription: String { "[\(shards) x \(steps) x \(width)] -> [\(m), \(n)]" }
}

private func numbers(_ rows: Int, _ columns: Int, seed: UInt64) -> (Buffer, Matrix) {
    let buffer = Buffer(count: rows * columns)
    var random = PhiloxSequence(seed: seed, purpose: .corpus)
    for i in 0..<buffer.count { buffer.base[i] = Float(random.uniform() * 2 - 1) }
    return (buffer, Matrix(buffer.base, rows: rows, columns: columns))
}

/// The order that docs/exactness.md states, in plain loops.
private func treeSum(_ shards: Range<Int>, _ leaf: (Int) -> Float) -> Float {
    if shards.count == 1 { return leaf(shards.lowerBound) }
    let middle = shards.lowerBound + (shards.count + 1) / 2
    return treeSum(shards.lowerBound..<middle, leaf) + treeSum(middle..<shards.upperBound, leaf)
}

@Suite struct SumTreeTests {
    private static let shapes = [
        Shape(m: 1, n: 1, shards: 1, steps: 1, width: 1, before: 0, after: 0),
        Shape(m: 7, n: 9, shards: 2, steps: 3, width: 2, before: 0, after: 0),
        Shape(m: 40, n: 33, shards: 3, steps: 5, width: 1, before: 1, after: 2),
        Shape(m: 29, n: 64, shards: 5, steps: 4, width: 3, before: 3, after: 0),
        Shape(m: 200, n: 50, shards: 12, steps: 7, width: 2, before: 0, after: 0),
        Shape(m: 13, n: 17, shards: 24, steps: 6, width: 1, before: 2, after: 1),
        // More rows than a block of c's takes at once.
        Shape(m: 50, n: 20, shards: 6, steps: 90, width: 40, before: 0, after: 40),
    ]

    /// To the bit, with every instruction set of this processor.
    @Test(arguments: shapes) fileprivate func productsAreChainsAddedAlongTheTree(_ shape: Shape) throws {
        let rows = shape.steps * shape.batch
        let (a, left) = numbers(rows, shape.m, seed: 1)
        let (b, right) = numbers(rows, shape.n, seed: 2)
        let leaves = Leaves(shape.shards, steps: shape.steps, width: shape.width, batch: shape.batch)
        var expected: [Float] = []
        for i in 0..<shape.m {
            for j in 0..<shape.n {
                expected.append(
                    treeSum(0..<shape.shards) { shard in
                        var sum: Float = 0
                        for step in 0..<shape.steps {
                            for place in 0..<shape.width {
                                let row = step * shape.batch + shape.before + shard * shape.width + place
                                sum.addProduct(left.row(row)[i], right.row(row)[j])
                            }
                        }
                        return sum
                    })
            }
        }
        for vectors in Vectors.available {
            let product = TreeProduct(rows: shape.shards * shape.steps * shape.width, columns: shape.n + 5, using: vectors)
            // Room beside c must stay as it is.
            let c = Buffer(count: shape.m * (shape.n + 3))
            c.fill(5)
            let first = shape.before
            product.multiply(
                left.rows(first, count: rows - first), by: right.rows(first, count: rows - first), leaves,
                into: Matrix(c.base, rows: shape.m, columns: shape.n, stride: shape.n + 3))
            for i in 0..<shape.m {
                let row = Array(c.elements[i * (shape.n + 3)..<(i + 1) * (shape.n + 3)])
                #expect(Array(row.prefix(shape.n)) == Array(expected[i * shape.n..<(i + 1) * shape.n]), "row \(i), \(vectors)")
                #expect(row.suffix(3) == [5, 5, 5])
            }
        }
        withExtendedLifetime((a, b)) {}
    }

    /// Leaves of one row and of many, of neighbours and of rows far apart, in any order; and fewer rows than the product was made for.
    @Test(arguments: Vectors.available) func leavesMayHaveAnyRows(vectors: Vectors) {
        let lists: [[Int]] = [[5], Array(20..<200), [7, 3, 11, 2], [300, 0, 299], Array(stride(from: 201, to: 290, by: 3))]
        let (m, n, rows) = (41, 70, 301)
        let (a, left) = numbers(rows, m, seed: 1)
        let (b, right) = numbers(rows, n, seed: 2)
        let table = Leaves(lists.count, mostRows: rows)
        table.fill { leaf, append in lists[leaf].forEach(append) }
        let product = TreeProduct(rows: 4 * rows, columns: n, using: vectors)
        for leaves in [0..<5, 1..<4, 2..<3] {
            let c = Buffer(count: m * n)
            product.multiply(left, by: right, table[leaves], into: Matrix(c.base, rows: m, columns: n))
            for i in 0..<m {
                for j in 0..<n {
                    let expected = treeSum(leaves) { leaf in
                        lists[leaf].reduce(into: Float(0)) { $0.addProduct(left.row($1)[i], right.row($1)[j]) }
                    }
                    #expect(c.base[i * n + j] == expected, "(\(i), \(j)) of leaves \(leaves)")
                }
            }
        }
        withExtendedLifetime((a, b)) {}
    }

    @Test(arguments: shapes) fileprivate func rowsAreAddedAlongTheTree(_ shape: Shape) {
        let rows = shape.steps * shape.batch
        let (a, matrix) = numbers(rows, shape.m, seed: 3)
        let sums = Buffer(count: shape.m)
        TreeVector(length: shape.m + 2, leaves: shape.shards).sumRows(
            matrix.rows(shape.before, count: rows - shape.before),
            Leaves(shape.shards, steps: shape.steps, width: shape.width, batch: shape.batch), into: sums.base)
        for j in 0..<shape.m {
            let expected = treeSum(0..<shape.shards) { shard in
                (0..<shape.steps).reduce(0) { sum, step in
                    (0..<shape.width).reduce(sum) { $0 + matrix.row(step * shape.batch + shape.before + shard * shape.width + $1)[j] }
                }
            }
            #expect(sums.base[j] == expected)
        }
        withExtendedLifetime(a) {}
    }

    /// Whoever sums a node of the tree gets what the whole tree has there.
    @Test(arguments: 1...40) func nodesWithinAWholeAreThoseOfTheirOwn(count: Int) {
        func nodes(_ range: Range<Int>) -> [Range<Int>] {
            if range.count == 1 { return [range] }
            let middle = range.lowerBound + SumTree.leftLeaves(of: range.count)
            return [range] + nodes(range.lowerBound..<middle) + nodes(middle..<range.upperBound)
        }
        let all = nodes(0..<count)
        #expect(all.count == 2 * count - 1)
        for leaf in 0..<count {
            #expect(SumTree.sums(endingWith: leaf, of: count) == all.count { $0.count > 1 && $0.upperBound == leaf + 1 })
        }
    }
}
