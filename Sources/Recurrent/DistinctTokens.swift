import Kernels

/// The distinct tokens of a chunk. `W x` of the lowest layer depends on a row's token alone, so that it is computed once for all places of
/// a token; and in the backward pass the deltas of those places are added up before they are multiplied. docs/mathematics.md (10a), (10b).
///
/// That needs vectors that depend on the token alone: no dropout of their values.
final class DistinctTokens {
    /// D.
    private(set) var count = 0
    /// In the order of their first places, [D].
    let tokens: Integers
    /// Of each row its token's number in this order, which is at most the row's own, [T*B].
    private let numbers: Integers
    private var rows = 0
    /// Of each token of the chunk that is being read, [V]; -1 for the others.
    private let numberOfToken: Integers

    /// Whether the lowest layer of a model can read them.
    private static func areUseful(_ model: ModelConfiguration, _ chunk: ChunkShape) -> Bool {
        guard model.values == nil, chunk.rows > 1, model.layer is GatedLayer.Type else { return false }
        // The factor of dropped weights multiplies the same deltas.
        return !chunk.training || model.dropout.input == 0 && model.dropout.weights == 0
    }

    /// Values of four bytes that it allocates.
    static func values(_ model: ModelConfiguration, _ chunk: ChunkShape) -> Double {
        if !areUseful(model, chunk) { return 0 }
        return min(chunk.values, Double(model.vocabulary)) + chunk.values + Double(model.vocabulary)
    }

    /// Nil where they are of no use.
    init?(_ model: ModelConfiguration, _ chunk: ChunkShape) {
        guard DistinctTokens.areUseful(model, chunk) else { return nil }
        tokens = Integers(count: min(chunk.rows, model.vocabulary))
        numbers = Integers(count: chunk.rows)
        numberOfToken = Integers(count: model.vocabulary, repeating: -1)
    }

    /// Reads a chunk.
    /// - Returns: whether enough rows repeat a token to make up for copying and adding. It decides the order of sums, so it must not depend
    ///   on anything but the tokens.
    func find(_ inputs: UnsafePointer<Int32>, count rows: Int) -> Bool {
        (self.rows, count) = (rows, 0)
        for row in 0..<rows {
            let token = Int(inputs[row])
            if numberOfToken[token] < 0 {
                numberOfToken[token] = Int32(count)
                tokens[count] = inputs[row]
                count += 1
            }
            numbers[row] = numberOfToken[token]
        }
        for number in 0..<count { numberOfToken[Int(tokens[number])] = -1 }
        return 4 * count <= 3 * rows
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
