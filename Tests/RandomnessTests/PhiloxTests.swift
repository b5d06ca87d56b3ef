import Randomness
import Testing

/// Known answers published with the authors' Random123 library (kat_vectors, philox4x32 10).
@Test(arguments: [
    ([0, 0, 0, 0], [0, 0], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
    (
        [0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff], [0xffff_ffff, 0xffff_ffff],
        [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
    ),
    (
        [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0],
        [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
    ),
] as [([UInt32], [UInt32], [UInt32])])
func knownAnswers(counter: [UInt32], key: [UInt32], expected: [UInt32]) {
    let block = Philox(key: SIMD2(key[0], key[1])).block(Philox.Block(counter[0], counter[1], counter[2], counter[3]))
    #expect([block.x, block.y, block.z, block.w] == expected)
}

@Test func purposesAndSeedsAreIndependent() {
    let values = [
        PhiloxSequence(seed: 1, purpose: .dropout), PhiloxSequence(seed: 2, purpose: .dropout),
        PhiloxSequence(seed: 1, purpose: .sampling), PhiloxSequence(seed: 1, purpose: .dropout, stream: 1),
        PhiloxSequence(seed: 1 << 32, purpose: .dropout),
    ].map { sequence in
        var sequence = sequence
        return sequence.next()
    }
    #expect(Set(values).count == values.count)
}

@Test func normalHasUnitVariance() {
    var sequence = PhiloxSequence(seed: 7, purpose: .corpus)
    let draws = (0..<20_000).map { _ in sequence.normal() }
    let mean = draws.reduce(0, +) / 20_000
    let variance = draws.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 20_000
    #expect(abs(mean) < 0.03)
    #expect(abs(variance - 1) < 0.05)
}
