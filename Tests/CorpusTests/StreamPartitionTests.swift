import Testing

@testable import Corpus

@Suite struct StreamPartitionTests {
    @Test func equalStreamsLeaveATail() throws {
        let partition = try StreamPartition(tokens: 24, streams: 5, remainder: .dropped)  // 23 predictions
        #expect((0..<5).map { partition.start(of: $0) } == [0, 4, 8, 12, 16])
        #expect((0..<5).map { partition.length(of: $0) } == [4, 4, 4, 4, 4])
        #expect(partition.steps == 4)
        #expect(partition.tail == 3)
        #expect(partition.predictions == 20)
    }

    @Test func sharedRemainderLeavesNone() throws {
        let partition = try StreamPartition(tokens: 24, streams: 5, remainder: .shared)
        #expect((0..<5).map { partition.start(of: $0) } == [0, 5, 10, 15, 19])
        #expect((0..<5).map { partition.length(of: $0) } == [5, 5, 5, 4, 4])
        #expect(partition.steps == 5)
        #expect(partition.tail == 0)
        #expect(partition.predictions == 23)
    }

    @Test func tooFewTokensSaysTheMinimum() throws {
        _ = try StreamPartition(tokens: 6, streams: 5, remainder: .dropped)
        for remainder in [StreamPartition.Remainder.dropped, .shared] {
            #expect(throws: PartitionError.tooFewTokens(name: "f", tokens: 5, streams: 5, setting: nil)) {
                try StreamPartition(tokens: 5, streams: 5, remainder: remainder, name: "f")
            }
        }
        #expect(throws: PartitionError.self) { try StreamPartition(tokens: 0, streams: 1, remainder: .shared) }
        #expect(throws: PartitionError.self) { try StreamPartition(tokens: 9, streams: .max, remainder: .dropped) }
    }

    @Test(arguments: [1, 2, 3, 4, 7, 12])
    func ranksOwnEachStreamOnceAndEvenly(ranks: Int) throws {
        for streams in ranks...40 {
            let owned = try (0..<ranks).map { try StreamPartition.owned(by: $0, of: ranks, streams: streams) }
            #expect(owned.flatMap { Array($0) } == Array(0..<streams))
            #expect(owned.enumerated().allSatisfy { $1.lowerBound == $0 * streams / ranks })
            #expect(owned.map(\.count).max()! - owned.map(\.count).min()! <= 1)
        }
    }

    @Test func noRankMayBeIdle() throws {
        #expect(throws: PartitionError.fewerStreamsThanRanks(streams: 3, ranks: 4)) {
            try StreamPartition.owned(by: 0, of: 4, streams: 3)
        }
        #expect(try StreamPartition.owned(by: 2, of: 3, streams: .max).upperBound == .max)
    }
}
