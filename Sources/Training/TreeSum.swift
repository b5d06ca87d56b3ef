import Kernels

/// Computes the sum of one node of a `ShardTree` from those of nodes below it, block by block: the partial sums of a block stay in the
/// cache, and no memory of the size of a gradient is needed.
final class TreeSum {
    private indirect enum Node {
        case given(Int)
        case sum(Node, Node)

        /// The number of blocks of partial sums at any time.
        var depth: Int {
            switch self {
            case .given: 0
            case .sum(let left, let right): max(1, left.depth, 1 + right.depth)
            }
        }
    }

    /// Floats; 16 KiB.
    private static let block = 4096

    private let root: Node
    private let partial: Buffer

    /// - Parameter given: nodes that cover `node`, in the order of the sources of `run`.
    init(of node: Range<Int>, from given: [Range<Int>]) {
        func build(_ node: Range<Int>) -> Node {
            if let place = given.firstIndex(of: node) { return .given(place) }
            precondition(node.count > 1, "shard \(node.lowerBound) belongs to no rank")
            let (left, right) = ShardTree.children(of: node)
            return .sum(build(left), build(right))
        }
        root = build(node)
        partial = Buffer(count: root.depth * TreeSum.block)
    }

    /// - Parameters:
    ///   - sources: the given nodes' sums.
    ///   - offset: where they begin in each source.
    ///   - sum: may be in one of the sources.
    func run(_ sources: [UnsafePointer<Float>], from offset: Int, count: Int, into sum: UnsafeMutablePointer<Float>) {
        for start in stride(from: 0, to: count, by: TreeSum.block) {
            let length = min(TreeSum.block, count - start)
            switch root {
            case .given(let place):
                let source = sources[place] + offset
                if source != UnsafePointer(sum) { copy(source + start, to: sum + start, count: length) }
            case .sum(let left, let right):
                let a = value(left, sources, offset + start, length, level: 0)
                let b = value(right, sources, offset + start, length, level: 1)
                add(a, b, into: sum + start, count: length)
            }
        }
    }

    /// A block of a node's sum; in the partial sums of `level` and above, if it is computed.
    private func value(
        _ node: Node, _ sources: [UnsafePointer<Float>], _ start: Int, _ length: Int, level: Int
    ) -> UnsafePointer<Float> {
        switch node {
        case .given(let place): return sources[place] + start
        case .sum(let left, let right):
            let a = value(left, sources, start, length, level: level)
            let b = value(right, sources, start, length, level: level + 1)
            let result = partial.base + level * TreeSum.block
            add(a, b, into: result, count: length)
            return UnsafePointer(result)
        }
    }
}
