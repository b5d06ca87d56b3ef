import Collectives
import TestSupport
import Testing

/// The test double itself: what it promises to tests of training.
@Suite struct ThreadCommunicatorTests {
    @Test(arguments: [1, 2, 3, 4, 7])
    func conforms(ranks: Int) throws {
        let seen = try withThreadRanks(ranks) { communicator in
            try checkConformance(of: communicator)
            return [communicator.rank, communicator.size]
        }
        #expect(seen == (0..<ranks).map { [$0, ranks] })
    }

    private struct Broken: Error, Equatable {}

    @Test func failingRankFreesTheOthers() {
        #expect(throws: Broken()) {
            try withThreadRanks(3) { communicator in
                if communicator.rank == 1 { throw Broken() }
                try communicator.barrier()
            }
        }
    }

    @Test func returningRankFreesTheOthers() {
        #expect(throws: ThreadRankError.left(rank: 1, during: "allGather")) {
            try withThreadRanks(3) { communicator in
                if communicator.rank != 1 { _ = try communicator.allGather([]) }
            }
        }
    }

    @Test func abortEndsTheGroup() {
        #expect(throws: ThreadRankError.aborted(rank: 2, code: 70)) {
            try withThreadRanks(3) { communicator in
                if communicator.rank == 2 { communicator.abort(70) }
                try communicator.barrier()
            }
        }
    }

    @Test func meetingInDifferentCallsIsAnError() {
        let expected = ThreadRankError.mismatch(rank: 1, call: "sum of 3 Double", otherCall: "sum of 2 Double")
        #expect(throws: expected) {
            try withThreadRanks(2) { communicator in
                var values = [Double](repeating: 0, count: 3 - communicator.rank)
                try values.withUnsafeMutableBufferPointer { try communicator.sum($0) }
            }
        }
    }
}
