import Glibc

/// The group of one: a process started without a launcher. MPI is not involved; every call returns at once.
package final class SingleRank: Communicator {
    package let rank = 0
    package let size = 1

    package init() {}

    package func sum(_ buffer: UnsafeMutableBufferPointer<Double>) {}
    package func makeSum(upTo count: Int, wire: WireFormat) -> any PersistentSum { SumWhenAsked { _ in } }
    package func broadcast(_ buffer: UnsafeMutableRawBufferPointer, from root: Int) { precondition(root == 0) }
    package func gather(_ bytes: [UInt8], at root: Int) -> [[UInt8]]? {
        precondition(root == 0)
        return [bytes]
    }
    package func allGather(_ bytes: [UInt8]) -> [[UInt8]] { [bytes] }
    package func allGather(in buffer: UnsafeMutableRawBufferPointer, counts: [Int], stride: Int) {}
    package func machineGroups() -> MachineGroups { MachineGroups(here: self, across: self) }
    package func shareMemory(_ count: Int) -> any SharedMemory { OwnMemory(count) }
    package func barrier() {}
    package func abort(_ code: Int32) -> Never { exit(code) }
}

private final class OwnMemory: SharedMemory {
    private let bytes: UnsafeMutableRawPointer
    private let floats: UnsafeMutableBufferPointer<Float>

    init(_ count: Int) {
        let room = count + 8
        bytes = .allocate(byteCount: room * MemoryLayout<Float>.stride, alignment: 64)
        let start = bytes.initializeMemory(as: Float.self, repeating: 0, count: room)
        floats = UnsafeMutableBufferPointer(start: start, count: count)
    }

    deinit { bytes.deallocate() }

    func part(of rank: Int) -> UnsafeMutableBufferPointer<Float> { floats }
}
