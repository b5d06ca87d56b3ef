import Kernels

/// The distinct tokens of a chunk, or of each shard in it. `W x` of the lowest layer depends on a row's token alone, so that it is
/// computed once for all places of a token; and in the backward pass the deltas of those places are added up before they are multiplied.
/// docs/mathematics.md (10a), (10b).
///
/// That needs vectors that depend on the token alone: no dropout of their values. Sums by shards may depend on nothing but the shard's
/// own tokens, so that each shard counts its own.
final class DistinctTokens {
    /// D; the sum of all shards' numbers, if these count their own.
    private(set) var count = 0
    /// In the order of their first places, [T*B], of which D are used.
    let tokens: Integers
    /// With shards: which of the D rows each of them has.
    let leaves: Leaves?
    /// Of each row its token's number in this order, which is at most the row's own, [T*B].
    private let numbers: Integers
    private var rows = 0
    /// While a chunk or shard is read: the first row of each of its tokens, [V]; -1 for the others.
    private let firstRows: Integers

    /// Whether the lowest layer of a model can read them.
    private static func areUseful(_ model: ModelConfiguration, _ chunk: ChunkShape) -> Bool {
        guard model.values == nil, chunk.rows > 1, model.layer is GatedLayer.Type else { return false }
        // The factor of dropped weights multiplies the same deltas.
        return !chunk.training || model.dropout.input == 0 && model.dropout.weights == 0
    }

    /// Values of four bytes that it allocates.
    /// - Parameter shards: that count their own; 0: none.
    static func values(_ model: ModelConfiguration, _ chunk: ChunkShape, shards: Int) -> Double {
        if !areUseful(model, chunk) { return 0 }
        return 2 * chunk.values + Double(model.vocabulary) + (shards > 0 ? Leaves.values(shards, rows: chunk.values) : 0)
    }

    /// Nil where they are of no use.
    init?(_ model: ModelConfiguration, _ chunk: ChunkShape, shards: Int) {
        guard DistinctTokens.areUseful(model, chunk) else { return nil }
        tokens = Integers(count: chunk.rows)
        numbers = Integers(count: chunk.rows)
        firstRows = Integers(count: model.vocabulary, repeating: -1)
        leaves = shards > 0 ? Leaves(shards, mostRows: chunk.rows) : nil
    }

    /// Reads a chunk.
    /// - Parameter shards: their rows, if they count their own.
    /// - Returns: whether enough rows repeat a token to make up for copying and adding; with shards, in any of them. Where that is not so,
    ///   each row counts by itself. It decides the order of sums, so it must not depend on anything but the tokens.
    func find(_ inputs: UnsafePointer<Int32>, count rows: Int, in shards: Leaves?) -> Bool {
        self.rows = rows
        if let shards {
            for shard in shards.range { findFirstRows(inputs, shards.rows(of: shard)) }
        } else {
            findFirstRows(inputs, 0..<Int32(rows))
        }
        count = 0
        for row in 0..<rows {
            let first = Int(numbers.base[row])
            if first < row {
                numbers.base[row] = numbers.base[first]
            } else {
                tokens.base[count] = inputs[row]
                numbers.base[row] = Int32(count)
                count += 1
            }
        }
        if let shards { numberLeaves(shards) }
        return count < rows
    }

    /// Finds the first row of each row's token among some rows; where too few repeat a token, each row is its own first.
    private func findFirstRows(_ inputs: UnsafePointer<Int32>, _ rows: some RandomAccessCollection<Int32>) {
        let (firsts, numbers) = (firstRows.base, numbers.base)
        var distinct = 0
        for row in rows {
            let first = firsts + Int(inputs[Int(row)])
            if first.pointee < 0 {
                first.pointee = row
                distinct += 1
            }
            numbers[Int(row)] = first.pointee
        }
        for row in rows { firsts[Int(inputs[Int(row)])] = -1 }
        if 4 * distinct > 3 * rows.count { for row in rows { numbers[Int(row)] = row } }
    }

    /// A shard's tokens, in the order of their first places.
    private func numberLeaves(_ shards: Leaves) {
        leaves?.fill { shard, append in
            var last: Int32 = -1
            for row in shards.rows(of: shard) where numbers.base[Int(row)] > last {
                last = numbers.base[Int(row)]
                append(Int(last))
            }
        }
    }

    /// From one row for each token to one for each row of the chunk, in place: from [D, ...] to [T*B, ...].
    /// - Parameter columns: of the row, which this rank copies.
    func spread(_ base: UnsafeMutablePointer<Float>, _ columns: Slices) {
        let width = columns.width
        for row in (0..<rows).reversed() where Int(numbers[row]) != row {
            let (from, to) = (base + Int(numbers[row]) * width, base + row * width)
            columns.forEach { copy(from + $0.lowerBound, to: to + $0.lowerBound, count: $0.count) }
        }
    }

    /// Adds up the rows of each token in their order, in place: from [T*B, ...] to [D, ...].
    /// - Parameter columns: of the row, which this rank adds up.
    func sum(_ base: UnsafeMutablePointer<Float>, _ columns: Slices) {
        let width = columns.width
        var begun = 0
        for row in 0..<rows {
            let number = Int(numbers[row])
            let (from, to) = (base + row * width, base + number * width)
            if number < begun {
                columns.forEach { add(to + $0.lowerBound, from + $0.lowerBound, into: to + $0.lowerBound, count: $0.count) }
            } else {
                begun += 1
                if number != row { columns.forEach { copy(from + $0.lowerBound, to: to + $0.lowerBound, count: $0.count) } }
            }
        }
    }
}
