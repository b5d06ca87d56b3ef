/// Places in a chunk [T*B] of the rows of some shards: one shard after another, in each by time, then stream.
package struct ShardRows: RandomAccessCollection {
    private let shards: Range<Int>
    private let steps: Int  // T
    private let width: Int
    private let batch: Int  // B

    /// - Parameters:
    ///   - width: streams of a shard.
    ///   - batch: B, of all shards.
    package init(shards: Range<Int>, steps: Int, width: Int, batch: Int) {
        (self.shards, self.steps, self.width, self.batch) = (shards, steps, width, batch)
    }

    package var startIndex: Int { 0 }
    package var endIndex: Int { shards.count * steps * width }

    package subscript(place: Int) -> Int {
        let (shard, step) = (shards.lowerBound + place / (steps * width), place / width % steps)
        return step * batch + shard * width + place % width
    }
}
