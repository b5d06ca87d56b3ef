import Kernels
import Recurrent

/// A gradient in blocks whose squares are added up by themselves, so that their order is everyone's: about 4096 floats of a
/// tensor, and of the embedding whole rows.
struct GradientBlocks {
    struct Block {
        let tensor: Int
        let range: Range<Int>
    }

    /// What is one rank's.
    struct Share {
        /// Without the embedding where that is summed by rows.
        let range: Range<Int>
        /// The blocks of `range`.
        let blocks: Range<Int>
        /// Whether the embedding is summed by rows.
        let isSparse: Bool
        /// Then the blocks of it beside `range`: every p-th, since frequent tokens have neighbouring ids.
        let embedding: [Int]
    }

    private static let length = 4096

    let all: [Block]
    /// Floats of the embedding.
    let embedding: Range<Int>
    /// E.
    let columns: Int
    /// Blocks of the embedding, which are the first.
    let embeddingBlocks: Int
    private let rowsOfBlock: Int
    private let isFrozen: Bool
    private let end: Int

    init(_ layout: ParameterLayout) {
        let entry = layout.embedding
        embedding = entry.range
        isFrozen = entry.isFrozen
        columns = entry.shape[1]
        rowsOfBlock = max(1, GradientBlocks.length / columns)
        end = layout.count
        let rows = rowsOfBlock * columns
        all = layout.entries.enumerated().flatMap { tensor, entry in
            let length = tensor == 0 ? rows : GradientBlocks.length
            return stride(from: entry.offset, to: entry.range.upperBound, by: length).map {
                Block(tensor: tensor, range: $0..<min($0 + length, entry.range.upperBound))
            }
        }
        embeddingBlocks = all.count { $0.tensor == 0 }
    }

    /// A frozen embedding is nobody's.
    func share(of rank: Int, of ranks: Int, isSparse: Bool) -> Share {
        let isSparse = isSparse && !isFrozen
        let first = isSparse || isFrozen ? embeddingBlocks : 0
        let cut = { rank in first + (all.count - first) * rank / ranks }
        let blocks = cut(rank)..<cut(rank + 1)
        let start = { block in block < all.count ? all[block].range.lowerBound : end }
        return Share(
            range: start(blocks.lowerBound)..<start(blocks.upperBound), blocks: blocks, isSparse: isSparse,
            embedding: isSparse ? Array(stride(from: rank, to: first, by: ranks)) : [])
    }

    /// Rows of a block of the embedding.
    func rows(of block: Int) -> Range<Int> {
        block * rowsOfBlock..<block * rowsOfBlock + all[block].range.count / columns
    }

    func block(ofRow row: Int) -> Int { row / rowsOfBlock }

    func range(ofRow row: Int) -> Range<Int> {
        embedding.lowerBound + row * columns..<embedding.lowerBound + (row + 1) * columns
    }

    /// The sum of a block's squares: of the embedding that of its rows, of which those that are zero add nothing.
    func square(_ gradient: Arena, _ block: Int) -> Double {
        let block = all[block]
        if block.tensor > 0 { return sumOfSquares(gradient.buffer.base + block.range.lowerBound, count: block.range.count) }
        return stride(from: block.range.lowerBound, to: block.range.upperBound, by: columns).reduce(0) {
            $0 + sumOfSquares(gradient.buffer.base + $1, count: columns)
        }
    }

    func square(_ gradient: Arena, row: Int) -> Double {
        sumOfSquares(gradient.buffer.base + range(ofRow: row).lowerBound, count: columns)
    }
}
