import Collectives
import TestSupport
import Testing

@Test func singleRankConforms() throws {
    try checkConformance(of: SingleRank())
}
