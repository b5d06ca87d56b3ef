import CProducts

/// The fixed binary tree along which consecutive leaves are added up, whoever adds them: each node's left child has half of
/// its leaves, or one more.
///
/// Sums in single precision depend on their order. This order depends on the number of leaves alone.
package enum SumTree {
    /// The leaves of the left child of a node with two or more leaves.
    package static func leftLeaves(of count: Int) -> Int { lockstep_left_leaves(count) }

    /// Nodes that are complete with this leaf, the leaf itself left out.
    package static func sums(endingWith leaf: Int, of count: Int) -> Int {
        if count == 1 { return 0 }
        let left = leftLeaves(of: count)
        if leaf < left { return sums(endingWith: leaf, of: left) }
        return sums(endingWith: leaf - left, of: count - left) + (leaf == count - 1 ? 1 : 0)
    }

    /// Sums held at a time beside the node's own while its leaves are added up from left to right.
    ///
    /// - Parameter isWhole: whether a node with a given number of leaves is computed at once.
    package static func partialSums(of count: Int, where isWhole: (Int) -> Bool) -> Int {
        if count == 1 || isWhole(count) { return 0 }
        let left = leftLeaves(of: count)
        return max(partialSums(of: left, where: isWhole), 1 + partialSums(of: count - left, where: isWhole))
    }
}

/// Products `c = a^T b` over a chunk's rows whose elements are one chain of fused multiply-adds in each leaf, the leaves
/// added up along `SumTree`.
package final class TreeProduct {
    private let vectors: Vectors
    private let workspace: Buffer
    private let threads: Int
    private let rows: Int
    private let columns: Int

    /// - Parameters:
    ///   - rows: k, the most of all leaves together.
    ///   - columns: n, the most that b has.
    /// - Throws: `VectorsError`.
    package convenience init(rows: Int, columns: Int) throws { try self.init(rows: rows, columns: columns, using: Vectors.chosen) }

    /// The same with instructions of the caller's choice, which this processor must have.
    package init(rows: Int, columns: Int, using vectors: Vectors) {
        self.vectors = vectors
        self.rows = rows
        self.columns = columns
        threads = Arithmetic.threads
        workspace = Buffer(count: lockstep_tree_workspace(vectors.kernels, rows, columns, threads))
    }

    /// Floats of the workspace.
    package static func count(rows: Int, columns: Int) -> Int {
        lockstep_tree_workspace((try? Vectors.chosen)?.kernels ?? Vectors.portable.kernels, rows, columns, Arithmetic.threads)
    }

    /// - Parameters:
    ///   - a: [.., m], `b`: [.., n], whose rows the leaves list.
    ///   - c: [m, n].
    package func multiply(_ a: Matrix, by b: Matrix, _ leaves: Leaves, into c: Matrix) {
        multiply(a, Slices(0..<a.columns, ofBlocks: 1, width: a.columns), by: b, leaves, into: c)
    }

    /// The same for some rows of c: the same units in each block of rows, for which b is packed once.
    package func multiply(_ a: Matrix, _ slices: Slices, by b: Matrix, _ leaves: Leaves, into c: Matrix) {
        precondition(c.rows == a.columns && c.columns == b.columns && slices.width == c.rows)
        precondition(leaves.rowCount <= rows && b.columns <= columns)
        if slices.isEmpty { return }
        var parts = lockstep_slices(count: slices.blocks, stride: slices.stride)
        var list = lockstep_leaves(
            count: leaves.count, begins: leaves.begins.base + leaves.range.lowerBound, rows: leaves.rows.base)
        let first = slices.units.lowerBound
        withExtendedLifetime(leaves) {
            lockstep_multiply_tree(
                vectors.kernels, slices.units.count, c.columns, &parts, a.base + first, a.stride, b.base, b.stride, &list,
                c.row(first), c.stride, threads, workspace.base)
        }
    }
}

/// A vector that leaves add to, one after another: the sum of each along `SumTree`.
package final class TreeVector {
    private let length: Int
    private let sums: Buffer  // [depth + 1, length], a stack
    private var count = 0
    private var done = 0
    private var top = 0

    /// - Parameter leaves: the most of a sum.
    package init(length: Int, leaves: Int) {
        self.length = length
        sums = Buffer(count: TreeVector.levels(leaves) * length)
    }

    static func levels(_ leaves: Int) -> Int { 1 + SumTree.partialSums(of: leaves) { _ in false } }
    package static func count(length: Int, leaves: Int) -> Int { levels(leaves) * length }

    package func begin(leaves: Int) {
        (count, done, top) = (leaves, 0, 0)
        clear()
    }

    /// Zero at first; for the leaf at hand to be added to.
    package var leaf: UnsafeMutablePointer<Float> { sums.base + top * length }

    /// The leaf at hand is complete.
    package func endLeaf() {
        for _ in 0..<SumTree.sums(endingWith: done, of: count) {
            let (left, right) = (leaf - length, leaf)
            for (j, lanes) in LaneBlocks(length) { left.store(left.load(j) + right.load(j), j, lanes) }
            top -= 1
        }
        done += 1
        if done < count {
            top += 1
            clear()
        }
    }

    private func clear() { leaf.update(repeating: 0, count: length) }

    /// `result` = the sum of all leaves.
    package func end(into result: UnsafeMutablePointer<Float>) {
        precondition(done == count && top == 0)
        copy(sums.base, to: result, count: length)
    }

    /// `result[j] = sum over the leaves' rows of matrix[i, j]`.
    package func sumRows(_ matrix: Matrix, _ leaves: Leaves, into result: UnsafeMutablePointer<Float>) {
        precondition(matrix.columns <= length)
        begin(leaves: leaves.count)
        for index in leaves.range {
            let sum = leaf
            for row in leaves.rows(of: index) {
                let row = matrix.row(Int(row))
                for (j, lanes) in LaneBlocks(matrix.columns) { sum.store(sum.load(j) + row.load(j), j, lanes) }
            }
            endLeaf()
        }
        precondition(top == 0)
        copy(sums.base, to: result, count: matrix.columns)
    }
}
