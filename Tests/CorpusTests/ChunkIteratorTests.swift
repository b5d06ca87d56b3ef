import Testing

@testable import Corpus

/// The chunk's entries as lists, by stream.
private func next(
    _ iterator: inout ChunkIterator, length: Int
) -> (chunk: Chunk, inputs: [[Int32]], targets: [[Int32]]) {
    let width = iterator.streams.count
    var inputs = [Int32](repeating: -7, count: length * width)
    var targets = inputs
    let chunk = inputs.withUnsafeMutableBufferPointer { inputs in
        targets.withUnsafeMutableBufferPointer { iterator.next(length: length, inputs: inputs, targets: $0) }
    }
    let columns = { (values: [Int32]) in
        (0..<width).map { column in (0..<chunk.steps).map { values[$0 * width + column] } }
    }
    return (chunk, columns(inputs), columns(targets))
}

@Suite struct ChunkIteratorTests {
    /// Distinct ids, so that a multiset of them shows which position was read.
    private let tokens = TokenStore((0..<211).map { Int32($0 * 3) })

    private func epoch(
        _ remainder: StreamPartition.Remainder, streams: Int, ranks: Int, length: (Int) -> Int = { _ in 8 }
    ) throws -> (inputs: [[Int32]], targets: [[Int32]]) {
        let partition = try StreamPartition(tokens: tokens.count, streams: streams, remainder: remainder)
        var inputs: [[Int32]] = []
        var targets: [[Int32]] = []
        for rank in 0..<ranks {
            let owned = try StreamPartition.owned(by: rank, of: ranks, streams: streams)
            var iterator = try ChunkIterator(tokens, partition: partition, streams: owned)
            var ownInputs = [[Int32]](repeating: [], count: owned.count)
            var ownTargets = ownInputs
            var step = 0
            while iterator.position.epoch == 0 {
                let (chunk, someInputs, someTargets) = next(&iterator, length: length(step))
                #expect(chunk.startsEpoch == (step == 0))
                for index in ownInputs.indices {
                    ownInputs[index] += someInputs[index]
                    ownTargets[index] += someTargets[index]
                }
                step += 1
            }
            inputs += ownInputs
            targets += ownTargets
        }
        return (inputs, targets)
    }

    /// Every target but the tail's is trained exactly once, whatever the number of ranks.
    @Test(arguments: [1, 2, 3, 4, 7], [7, 11, 12])
    func trainingReadsTheCorpusLessTheTail(ranks: Int, streams: Int) throws {
        let (inputs, targets) = try epoch(.dropped, streams: streams, ranks: ranks)
        let trained = 210 - 210 % streams
        #expect(targets.joined().sorted() == (1...trained).map { Int32($0 * 3) })
        #expect(zip(inputs.joined(), targets.joined()).allSatisfy { $0 + 3 == $1 })
        #expect(inputs.allSatisfy { $0 == $0.sorted() && $0.count == 210 / streams })
    }

    @Test(arguments: [1, 2, 3, 4, 7], [7, 11, 12])
    func evaluationReadsEveryPredictionOnce(ranks: Int, streams: Int) throws {
        let (inputs, targets) = try epoch(.shared, streams: streams, ranks: ranks)
        let scored = targets.joined().filter { $0 != ChunkIterator.noTarget }
        #expect(scored == (1...210).map { Int32($0 * 3) })  // in order even
        for (input, target) in zip(inputs.joined(), targets.joined()) {
            #expect(target == ChunkIterator.noTarget ? input == 0 : input + 3 == target)
        }
    }

    @Test(arguments: [2, 3, 4, 7])
    func ranksShareWhatOneRankReads(ranks: Int) throws {
        let plan = UnrollPlan(random: 9, seed: 4)
        let alone = try epoch(.dropped, streams: 11, ranks: 1, length: plan.length)
        let together = try epoch(.dropped, streams: 11, ranks: ranks, length: plan.length)
        #expect(together.inputs == alone.inputs)
        #expect(together.targets == alone.targets)
    }

    @Test func lastChunkIsShorterAndTheNextEpochBegins() throws {
        let partition = try StreamPartition(tokens: 211, streams: 10, remainder: .dropped)
        var iterator = try ChunkIterator(tokens, partition: partition, streams: 0..<10)
        #expect((0..<4).map { _ in next(&iterator, length: 8).chunk.steps } == [8, 8, 5, 8])
        #expect(iterator.position == DataPosition(epoch: 1, offset: 8))
    }

    @Test func entriesAreTimeMajor() throws {
        let partition = try StreamPartition(tokens: 211, streams: 10, remainder: .dropped)
        var iterator = try ChunkIterator(tokens, partition: partition, streams: 1..<4)
        var inputs = [Int32](repeating: -7, count: 6)
        var targets = inputs
        inputs.withUnsafeMutableBufferPointer { inputs in
            targets.withUnsafeMutableBufferPointer { _ = iterator.next(length: 2, inputs: inputs, targets: $0) }
        }
        #expect(inputs == [21, 42, 63, 22, 43, 64].map { $0 * 3 })
        #expect(targets == [22, 43, 64, 23, 44, 65].map { $0 * 3 })
    }

    /// A run stopped after any number of steps resumes as if it had not been stopped.
    @Test func resumesFromAnyPosition() throws {
        let plan = UnrollPlan(random: 6, seed: 1)
        let partition = try StreamPartition(tokens: 211, streams: 4, remainder: .dropped)
        var whole = try ChunkIterator(tokens, partition: partition, streams: 0..<4)
        for step in 0..<30 {
            var resumed = try ChunkIterator(tokens, partition: partition, streams: 0..<4, position: whole.position)
            let expected = next(&whole, length: plan.length(atStep: step))
            let found = next(&resumed, length: plan.length(atStep: step))
            #expect(found == expected)
            #expect(resumed.position == whole.position)
        }
        #expect(whole.position.epoch > 1)
    }

    @Test(arguments: [(-1, 0), (0, -1), (0, 21), (0, Int.max)])
    func positionsOutsideAreRefused(epoch: Int, offset: Int) throws {
        let partition = try StreamPartition(tokens: 211, streams: 10, remainder: .dropped)
        #expect(throws: PartitionError.positionOutside(epoch: epoch, offset: offset, steps: 21)) {
            try ChunkIterator(
                tokens, partition: partition, streams: 0..<10, position: DataPosition(epoch: epoch, offset: offset))
        }
    }
}

@Suite struct UnrollPlanTests {
    @Test func fixedLengthsAreFixed() {
        let plan = UnrollPlan(fixed: 35)
        #expect((0..<100).allSatisfy { plan.length(atStep: $0) == 35 })
        #expect(plan.maximumLength == 35)
        #expect(plan.learningRateScale(steps: 12) == 1)
    }

    /// Mean T or T/2, 19 to 1; standard deviation 5.
    @Test func randomLengthsHaveThePapersDistribution() {
        let plan = UnrollPlan(random: 70, seed: 1)
        let lengths = (0..<10_000).map { plan.length(atStep: $0) }
        #expect(lengths.allSatisfy { 5...plan.maximumLength ~= $0 })
        let long = lengths.filter { $0 > 52 }
        #expect(abs(Double(long.count) / 10_000 - 0.95) < 0.01)
        let mean = Double(long.reduce(0, +)) / Double(long.count)
        #expect(abs(mean - 70) < 0.2)
        let variance = long.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(long.count)
        #expect(abs(variance.squareRoot() - 5) < 0.15)
        let short = lengths.filter { $0 <= 52 }
        #expect(abs(Double(short.reduce(0, +)) / Double(short.count) - 35) < 1)
        #expect(plan.learningRateScale(steps: 35) == 0.5)
    }

    @Test func lengthsStayInBoundsAtAnyBase() {
        for base in [1, 2, 9, 30] {
            let plan = UnrollPlan(random: base, seed: 2)
            let lengths = (0..<5000).map { plan.length(atStep: $0) }
            #expect(lengths.min() == 5)
            #expect(lengths.max()! <= base + 20)
        }
    }

    @Test func lengthsDependOnSeedAndStepOnly() {
        let lengths = { (seed: UInt64) in (0..<50).map { UnrollPlan(random: 35, seed: seed).length(atStep: $0) } }
        #expect(lengths(1) == lengths(1))
        #expect(lengths(1) != lengths(2))
        #expect(Set(lengths(1)).count > 5)
    }
}
