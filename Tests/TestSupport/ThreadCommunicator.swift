import Collectives
import Foundation

/// Runs `body` on `count` ranks that are threads of this process, and returns what each returned, indexed by rank.
///
/// Sums are made in rank order, so a test repeats to the bit. Nothing hangs that would hang under MPI: a rank that
/// waits for one that has failed or returned, or ranks that meet in different calls, get a `ThreadRankError`. So do ranks that wait for
/// each other in different groups, after ten minutes.
/// - Parameter ranksPerMachine: how many of them count as being on one machine; nil: all.
/// - Parameter wrongSum: one that arrives with a bit flipped.
/// - Parameter lateRoot: whether the root of a `gather` is late, and the others do not wait for it, as under MPI.
/// - Throws: the error of the rank that failed first; `ThreadRankError.aborted` if one called `abort`.
package func withThreadRanks<T: Sendable>(
    _ count: Int, ranksPerMachine: Int? = nil, wrongSum: WrongSum? = nil, lateRoot: Bool = false,
    _ body: @escaping @Sendable (any Communicator) throws -> T
) throws -> [T] {
    let meeting = Meeting(count: count, ranksPerMachine: ranksPerMachine ?? count, lateRoot: lateRoot)
    let results = Results<T>(count: count)
    for rank in 0..<count {
        let thread = Thread {
            let fault = wrongSum.flatMap { $0.rank == rank ? $0 : nil }
            let result = Result { try body(ThreadCommunicator(rank: rank, meeting: meeting, wrongSum: fault)) }
            results.set(result, of: rank)
            if case .failure(let error) = result { meeting.leave(rank, error) } else { meeting.leave(rank, nil) }
        }
        thread.stackSize = 16 << 20
        thread.start()
    }
    try meeting.waitUntilAllLeft()
    return try results.all()
}

/// The wire format of sums of single-precision numbers between machines.
package struct WrongSum: Sendable {
    let rank: Int
    /// From 1.
    let number: Int

    package init(rank: Int, number: Int) {
        self.rank = rank
        self.number = number
    }
}

package enum ThreadRankError: Error, Equatable {
    /// Another rank ended while this one waited for it in `call`.
    case left(rank: Int, during: String)
    /// Rank 0 and `rank` met in different calls, or with different counts.
    case mismatch(rank: Int, call: String, otherCall: String)
    case aborted(rank: Int, code: Int32)
    /// For ten minutes, not all ranks came to `call`.
    case alone(rank: Int, during: String)
}

private final class Results<T: Sendable>: @unchecked Sendable {
    private let lock = NSLock()
    private var results: [Result<T, any Error>?]

    init(count: Int) { results = Array(repeating: nil, count: count) }

    func set(_ result: Result<T, any Error>, of rank: Int) { lock.withLock { results[rank] = result } }

    func all() throws -> [T] { try lock.withLock { try results.map { try $0!.get() } } }
}

/// The one thing thread ranks do together: each brings bytes, all leave with everyone's.
private final class Meeting: @unchecked Sendable {
    let count: Int
    private let condition = NSCondition()
    private var arrived: [(call: String, bytes: [UInt8])?]
    /// The data of the last complete exchange. The next cannot complete before every rank has taken it, because it
    /// needs every rank.
    private var exchanged: Result<[[UInt8]], any Error> = .success([])
    private var completed = 0
    private var left: [Int] = []
    private var firstError: (any Error)?
    private var kept: [AnyObject] = []
    private var parts: [String: Meeting] = [:]
    /// What each rank has handed to the root of gathers that have not been completed yet.
    private var handed: [[[UInt8]]]
    let ranksPerMachine: Int
    let lateRoot: Bool

    init(count: Int, ranksPerMachine: Int, lateRoot: Bool = false) {
        self.count = count
        self.ranksPerMachine = ranksPerMachine
        self.lateRoot = lateRoot
        arrived = Array(repeating: nil, count: count)
        handed = Array(repeating: [], count: count)
    }

    /// A gather in which only the root waits.
    /// - Returns: all ranks' bytes for the root, nil for others.
    func gather(_ bytes: [UInt8], of rank: Int, at root: Int) throws -> [[UInt8]]? {
        condition.withLock {
            handed[rank].append(bytes)
            condition.broadcast()
        }
        if rank != root { return nil }
        Thread.sleep(forTimeInterval: 0.01)
        condition.lock()
        defer { condition.unlock() }
        let deadline = Date(timeIntervalSinceNow: 600)
        while handed.contains(where: \.isEmpty) {
            if let gone = left.first(where: { handed[$0].isEmpty }) { throw ThreadRankError.left(rank: gone, during: "gather") }
            if !condition.wait(until: deadline) { throw ThreadRankError.alone(rank: rank, during: "gather") }
        }
        return handed.indices.map { handed[$0].removeFirst() }
    }

    func exchange(_ bytes: [UInt8], of rank: Int, call: String) throws -> [[UInt8]] {
        condition.lock()
        defer { condition.unlock() }
        arrived[rank] = (call, bytes)
        let (mine, deadline) = (completed, Date(timeIntervalSinceNow: 600))
        if arrived.allSatisfy({ $0 != nil }) {
            let all = arrived.map { $0! }
            exchanged = Result {
                for (other, entry) in all.enumerated() where entry.call != all[0].call {
                    throw ThreadRankError.mismatch(rank: other, call: all[0].call, otherCall: entry.call)
                }
                return all.map(\.bytes)
            }
            arrived = Array(repeating: nil, count: count)
            completed += 1
            condition.broadcast()
        }
        while completed == mine {
            if let gone = left.first { throw ThreadRankError.left(rank: gone, during: call) }
            if !condition.wait(until: deadline) { throw ThreadRankError.alone(rank: rank, during: call) }
        }
        return try exchanged.get()
    }

    /// The meeting of some of these ranks, the same for all who use the name.
    func part(_ name: String, count: Int) -> Meeting {
        condition.lock()
        defer { condition.unlock() }
        if let part = parts[name] { return part }
        let part = Meeting(count: count, ranksPerMachine: count)
        parts[name] = part
        return part
    }

    /// Until the last rank is done: the others may still read it.
    func keep(_ memory: AnyObject) {
        condition.lock()
        defer { condition.unlock() }
        kept.append(memory)
    }

    func leave(_ rank: Int, _ error: (any Error)?) {
        condition.lock()
        defer { condition.unlock() }
        left.append(rank)
        if firstError == nil { firstError = error }
        for part in parts.values { part.leave(rank, nil) }
        condition.broadcast()
    }

    func waitUntilAllLeft() throws {
        condition.lock()
        defer { condition.unlock() }
        while left.count < count { condition.wait() }
        if let firstError { throw firstError }
    }
}

private final class ThreadMemory: SharedMemory {
    private let own: UnsafeMutableBufferPointer<Float>
    var parts: [UnsafeMutableBufferPointer<Float>] = []

    init(_ own: UnsafeMutableBufferPointer<Float>) { self.own = own }
    deinit { own.deallocate() }
    func part(of rank: Int) -> UnsafeMutableBufferPointer<Float> { parts[rank] }
}

private final class ThreadCommunicator: Communicator {
    let rank: Int
    var size: Int { meeting.count }
    private let meeting: Meeting

    private let wrongSum: WrongSum?
    private var sums = 0

    init(rank: Int, meeting: Meeting, wrongSum: WrongSum? = nil) {
        self.rank = rank
        self.meeting = meeting
        self.wrongSum = wrongSum
    }

    func sum(_ buffer: UnsafeMutableBufferPointer<Double>) throws { try sum(in: buffer) }

    func makeSum(upTo count: Int, wire: WireFormat) -> any PersistentSum {
        SumWhenAsked { [self] buffer in
            try sum(in: buffer)
            sums += 1
            if sums == wrongSum?.number { buffer[0] = Float(bitPattern: buffer[0].bitPattern ^ 1 << 23) }
        }
    }

    private func sum<Element: BinaryFloatingPoint>(in buffer: UnsafeMutableBufferPointer<Element>) throws {
        let parts = try meeting.exchange(
            Array(UnsafeRawBufferPointer(buffer)), of: rank, call: "sum of \(buffer.count) \(Element.self)")
        buffer.update(repeating: 0)
        for part in parts {
            part.withUnsafeBytes { part in
                for i in buffer.indices {
                    buffer[i] += part.loadUnaligned(fromByteOffset: i * MemoryLayout<Element>.stride, as: Element.self)
                }
            }
        }
    }

    func broadcast(_ buffer: UnsafeMutableRawBufferPointer, from root: Int) throws {
        let bytes = rank == root ? Array(buffer) : []
        let call = "broadcast of \(buffer.count) bytes from \(root)"
        buffer.copyBytes(from: try meeting.exchange(bytes, of: rank, call: call)[root])
    }

    func gather(_ bytes: [UInt8], at root: Int) throws -> [[UInt8]]? {
        if meeting.lateRoot { return try meeting.gather(bytes, of: rank, at: root) }
        let parts = try meeting.exchange(bytes, of: rank, call: "gather at \(root)")
        return rank == root ? parts : nil
    }

    func allGather(_ bytes: [UInt8]) throws -> [[UInt8]] {
        try meeting.exchange(bytes, of: rank, call: "allGather")
    }

    func allGather(in buffer: UnsafeMutableRawBufferPointer, counts: [Int], stride: Int) throws {
        let start = counts[..<rank].reduce(0, +) * stride
        let parts = try meeting.exchange(
            Array(buffer[start..<start + counts[rank] * stride]), of: rank, call: "allGather of \(counts) times \(stride) bytes")
        buffer.copyBytes(from: parts.joined())
    }

    func machineGroups() throws -> MachineGroups {
        let perMachine = meeting.ranksPerMachine
        guard size % perMachine == 0 else { return MachineGroups(here: SingleRank(), across: self) }
        let (machine, number) = rank.quotientAndRemainder(dividingBy: perMachine)
        return MachineGroups(
            here: ThreadCommunicator(rank: number, meeting: meeting.part("machine \(machine)", count: perMachine)),
            across: ThreadCommunicator(
                rank: machine, meeting: meeting.part("number \(number)", count: size / perMachine), wrongSum: wrongSum))
    }

    /// One allocation by each rank; the addresses are what they exchange.
    func shareMemory(_ count: Int) throws -> any SharedMemory {
        let bytes = UnsafeMutableRawPointer.allocate(byteCount: count * 4 + 32, alignment: 64)
        let start = bytes.initializeMemory(as: Float.self, repeating: 0, count: count + 8)
        let own = UnsafeMutableBufferPointer(start: start, count: count)
        let memory = ThreadMemory(own)
        let address = withUnsafeBytes(of: (UInt(bitPattern: own.baseAddress), UInt(count))) { Array($0) }
        for part in try meeting.exchange(address, of: rank, call: "shareMemory") {
            part.withUnsafeBytes {
                memory.parts.append(
                    UnsafeMutableBufferPointer(
                        start: UnsafeMutablePointer(bitPattern: $0.loadUnaligned(as: UInt.self)),
                        count: Int($0.loadUnaligned(fromByteOffset: 8, as: UInt.self))))
            }
        }
        meeting.keep(memory)
        return memory
    }

    func barrier() throws { _ = try meeting.exchange([], of: rank, call: "barrier") }

    /// The others get an error. This thread cannot be unwound, so it is parked.
    func abort(_ code: Int32) -> Never {
        meeting.leave(rank, ThreadRankError.aborted(rank: rank, code: code))
        while true { Thread.sleep(forTimeInterval: 1000) }
    }
}
