import Benchmark
import Files
import Foundation
import Testing

@Suite(.serialized) struct MeasuringTests {
    /// Allocations through Swift, C and the C library itself, and none of those before, after and on other threads.
    @Test func everyAllocationOfThisThreadIsCounted() throws {
        var kept: [UnsafeMutableRawPointer?] = Array(repeating: nil, count: 16)
        kept[15] = malloc(1)
        let other = Thread { for _ in 0..<1000 { free(malloc(100)) } }
        let count = try #require(
            AllocationCount.during {
                other.start()
                for i in 0..<10 { kept[i] = UnsafeMutableRawPointer.allocate(byteCount: 100, alignment: 1) }
                while !other.isFinished { sched_yield() }
            })
        // Starting the thread takes some on this one.
        #expect((10..<100).contains(count.calls))
        #expect(count.bytes >= 1000)

        let exact = try #require(
            AllocationCount.during {
                kept[10] = malloc(1000)
                kept[10] = realloc(kept[10], 3000)
                kept[11] = calloc(10, 20)
                posix_memalign(&kept[12], 64, 500)
                kept[13] = UnsafeMutableRawPointer(strdup("1234567"))
            })
        #expect(exact.calls == 5)
        #expect(exact.bytes == 1000 + 3000 + 200 + 500 + 8)
        // strdup's is the C library's.
        #expect(exact.own == 4)

        let none = try #require(AllocationCount.during { free(kept[10]) })
        #expect(none.calls == 0 && none.bytes == 0)
        for pointer in kept[0..<10] + kept[11...] { free(pointer) }
    }

    @Test func countingEndsWithAnError() throws {
        struct Failure: Error {}
        #expect(throws: Failure.self) { try AllocationCount.during { throw Failure() } }
        #expect(try #require(AllocationCount.during {}).calls == 0)
    }

    @Test func theKernelIsReadCorrectly() throws {
        let before = try #require(ProcessMemory.now.peak)
        let block = UnsafeMutableRawPointer.allocate(byteCount: 64 << 20, alignment: 4096)
        defer { block.deallocate() }
        block.initializeMemory(as: UInt8.self, repeating: 1, count: 64 << 20)
        let after = try #require(ProcessMemory.now.peak)
        #expect(after >= 64 << 20 && after >= before && after < before + (1 << 30))
    }
}
