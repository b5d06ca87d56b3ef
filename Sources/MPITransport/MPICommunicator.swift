import CMPIShim
import Collectives
import Glibc

/// The ranks of an MPI job. Blocking calls only: pointers are used during the call and never kept.
///
/// Large transfers are split into pieces of at most `largestMessage` bytes per rank. Counts in MPI are 32-bit, and in pieces of
/// 8 MB an all-reduce is 2 to 4 times as fast as in one call, because what one rank has just written is still in the
/// cache when its neighbour reads it.
package final class MPICommunicator: Communicator {
    package let rank: Int
    package let size: Int
    private(set) var handle: CommHandle
    let largestMessage: Int
    private var windows: [WindowHandle] = []
    /// The number of sums started so far, which is the tag of their messages.
    private var begun = 0
    private var parts: [MPICommunicator] = []
    /// For `allGather(in:)`: the bytes of each rank, and their displacements.
    private let counts: UnsafeMutablePointer<CInt>
    private let displacements: UnsafeMutablePointer<CInt>

    convenience init(duplicating parent: CommHandle, largestMessage: Int) throws {
        var handle = lockstep_MPI_COMM_NULL()
        try check(MPI_Comm_dup(parent, &handle), "MPI_Comm_dup")
        try self.init(handle, largestMessage: largestMessage)
    }

    /// - Parameter handle: this communicator takes ownership of it.
    private init(_ handle: CommHandle, largestMessage: Int) throws {
        precondition(largestMessage >= MemoryLayout<Double>.size && largestMessage <= CInt.max)
        try check(MPI_Comm_set_errhandler(handle, lockstep_MPI_ERRORS_RETURN()), "MPI_Comm_set_errhandler")
        var rank: CInt = 0
        var size: CInt = 0
        try check(MPI_Comm_rank(handle, &rank), "MPI_Comm_rank")
        try check(MPI_Comm_size(handle, &size), "MPI_Comm_size")
        self.handle = handle
        self.rank = Int(rank)
        self.size = Int(size)
        self.largestMessage = largestMessage
        counts = .allocate(capacity: self.size)
        displacements = .allocate(capacity: self.size)
    }

    deinit {
        counts.deallocate()
        displacements.deallocate()
    }

    func free() throws {
        for part in parts { try part.free() }
        parts = []
        for index in windows.indices { try check(MPI_Win_free(&windows[index]), "MPI_Win_free") }
        windows = []
        try check(MPI_Comm_free(&handle), "MPI_Comm_free")
    }

    package func sum(_ buffer: UnsafeMutableBufferPointer<Double>) throws {
        guard let base = buffer.baseAddress else { return }
        for piece in pieces(of: buffer.count, atMost: largestMessage / MemoryLayout<Double>.stride) {
            try check(
                MPI_Allreduce(
                    lockstep_MPI_IN_PLACE(), base + piece.lowerBound, CInt(piece.count), lockstep_MPI_DOUBLE(),
                    lockstep_MPI_SUM(), handle),
                "MPI_Allreduce")
        }
    }

    package func makeSum(upTo count: Int, wire: WireFormat) -> any PersistentSum { RingSum(upTo: count, wire: wire, of: self) }

    /// A tag for a new sum that no sum in progress uses.
    func nextTag() -> CInt {
        begun += 1
        // MPI guarantees tags up to 32767; two sums that far apart are never in progress at the same time.
        return CInt(begun % 32768)
    }

    package func broadcast(_ buffer: UnsafeMutableRawBufferPointer, from root: Int) throws {
        guard let base = buffer.baseAddress else { return }
        for piece in pieces(of: buffer.count, atMost: largestMessage) {
            try check(
                MPI_Bcast(base + piece.lowerBound, CInt(piece.count), lockstep_MPI_BYTE(), CInt(root), handle),
                "MPI_Bcast")
        }
    }

    package func gather(_ bytes: [UInt8], at root: Int) throws -> [[UInt8]]? {
        let parts = try inRounds(bytes, receiving: rank == root) { piece, round in
            try check(
                MPI_Gatherv(
                    piece.baseAddress, CInt(piece.count), lockstep_MPI_BYTE(), round.buffer, round.counts,
                    round.displacements, lockstep_MPI_BYTE(), CInt(root), handle),
                "MPI_Gatherv")
        }
        return rank == root ? parts : nil
    }

    package func allGather(_ bytes: [UInt8]) throws -> [[UInt8]] {
        try inRounds(bytes, receiving: true) { piece, round in
            try check(
                MPI_Allgatherv(
                    piece.baseAddress, CInt(piece.count), lockstep_MPI_BYTE(), round.buffer, round.counts,
                    round.displacements, lockstep_MPI_BYTE(), handle),
                "MPI_Allgatherv")
        }
    }

    package func allGather(in buffer: UnsafeMutableRawBufferPointer, counts parts: [Int], stride: Int) throws {
        precondition(parts.count == size && parts.reduce(0, +) * stride == buffer.count && buffer.count <= CInt.max)
        for piece in pieces(of: parts.max()! * stride, atMost: largestMessage) {
            var start = 0
            for rank in 0..<size {
                let own = piece.clamped(to: 0..<parts[rank] * stride)
                counts[rank] = CInt(own.count)
                displacements[rank] = CInt(start + own.lowerBound)
                start += parts[rank] * stride
            }
            try check(
                MPI_Allgatherv(
                    lockstep_MPI_IN_PLACE(), 0, lockstep_MPI_BYTE(), buffer.baseAddress, counts, displacements,
                    lockstep_MPI_BYTE(), handle),
                "MPI_Allgatherv")
        }
    }

    /// The layout of one round: rank r's `counts[r]` bytes are at `displacements[r]`.
    private struct Round {
        var buffer: UnsafeMutableRawPointer?
        var counts: [CInt]
        var displacements: [CInt]
    }

    /// Collects bytes of unequal lengths in rounds whose total MPI can count in 32 bits. All ranks first learn all
    /// lengths, so they agree on the number of rounds.
    private func inRounds(
        _ bytes: [UInt8], receiving: Bool, _ exchange: (UnsafeRawBufferPointer, Round) throws -> Void
    ) throws -> [[UInt8]] {
        var length = Int64(bytes.count)
        var lengths = [Int64](repeating: 0, count: size)
        try check(
            MPI_Allgather(&length, 1, lockstep_MPI_INT64_T(), &lengths, 1, lockstep_MPI_INT64_T(), handle),
            "MPI_Allgather")

        var parts = [[UInt8]](repeating: [], count: size)
        let share = min(largestMessage, Int(CInt.max) / size)
        for piece in pieces(of: Int(lengths.max()!), atMost: share) {
            let counts = lengths.map { CInt(piece.clamped(to: 0..<Int($0)).count) }
            var total: CInt = 0
            let displacements = counts.map { count in
                defer { total += count }
                return total
            }
            var received = [UInt8](repeating: 0, count: receiving ? Int(total) : 0)
            try bytes.withUnsafeBytes { mine in
                try received.withUnsafeMutableBytes { theirs in
                    try exchange(
                        UnsafeRawBufferPointer(rebasing: mine[piece.clamped(to: 0..<mine.count)]),
                        Round(buffer: theirs.baseAddress, counts: counts, displacements: displacements))
                }
            }
            guard receiving else { continue }
            for source in 0..<size {
                parts[source] += received[Int(displacements[source])...].prefix(Int(counts[source]))
            }
        }
        return parts
    }

    /// Ranks that can share memory are on one machine. To let one machine act as several, the
    /// environment variable `LOCKSTEP_RANKS_PER_MACHINE` sets the number of ranks that count as one machine.
    package func machineGroups() throws -> MachineGroups {
        var machine = lockstep_MPI_COMM_NULL()
        if let pretended = getenv("LOCKSTEP_RANKS_PER_MACHINE").flatMap({ Int(String(cString: $0)) }), pretended > 0 {
            try check(MPI_Comm_split(handle, CInt(rank / pretended), CInt(rank), &machine), "MPI_Comm_split")
        } else {
            try check(
                MPI_Comm_split_type(handle, lockstep_MPI_COMM_TYPE_SHARED(), CInt(rank), lockstep_MPI_INFO_NULL(), &machine),
                "MPI_Comm_split_type")
        }
        let here = try part(machine)
        let equal = try allGather(numbers: [here.size]).allSatisfy { $0 == [here.size] }
        guard equal else { return MachineGroups(here: SingleRank(), across: self) }
        var peers = lockstep_MPI_COMM_NULL()
        try check(MPI_Comm_split(handle, CInt(here.rank), CInt(rank), &peers), "MPI_Comm_split")
        return MachineGroups(here: here, across: try part(peers))
    }

    private func part(_ handle: CommHandle) throws -> MPICommunicator {
        let part = try MPICommunicator(handle, largestMessage: largestMessage)
        parts.append(part)
        return part
    }

    package func requireSharedMemory(_ count: Int) throws {
        // The window of a single rank is ordinary memory.
        guard size > 1 else { return }
        let free = SharedMemoryFolder.free.map { Double($0) } ?? .infinity
        // The sum of all requests, and the free memory that the first rank sees.
        var sums: [Double] = [Double(count * MemoryLayout<Float>.stride), rank == 0 ? free : 0]
        try sums.withUnsafeMutableBufferPointer { try sum($0) }
        let needed = sums[0] + Double(size * SharedMemoryFolder.messages)
        guard sums[1] >= needed else {
            throw SharedMemoryError(needed: Int(needed), free: Int(sums[1]), ranks: size)
        }
    }

    /// The window is freed with the communicator, not with the returned object: freeing is collective, and a rank that
    /// fails alone must not wait for the others.
    package func shareMemory(_ count: Int) throws -> any SharedMemory {
        try requireSharedMemory(count)
        // MPI guarantees no alignment, but the same bytes have the same alignment wherever a process maps them.
        let alignment = 64
        let extra = alignment + 32
        var base: UnsafeMutableRawPointer?
        var window = lockstep_MPI_WIN_NULL()
        try check(
            MPI_Win_allocate_shared(
                MPI_Aint(count * MemoryLayout<Float>.stride + extra), 1, lockstep_MPI_INFO_NULL(), handle, &base, &window),
            "MPI_Win_allocate_shared")
        windows.append(window)
        let parts = try (0..<size).map { rank in
            var bytes: MPI_Aint = 0
            var unit: CInt = 0
            var start: UnsafeMutableRawPointer?
            try check(MPI_Win_shared_query(window, CInt(rank), &bytes, &unit, &start), "MPI_Win_shared_query")
            let floats = (Int(bytes) - extra) / MemoryLayout<Float>.stride
            let aligned = start?.alignedUp(toMultipleOf: alignment).bindMemory(to: Float.self, capacity: floats)
            return UnsafeMutableBufferPointer(start: aligned, count: floats)
        }
        parts[rank].update(repeating: 0)
        try barrier()
        return MPISharedMemory(parts)
    }

    package func barrier() throws {
        try check(MPI_Barrier(handle), "MPI_Barrier")
    }

    package func abort(_ code: Int32) -> Never {
        MPI_Abort(handle, code)
        _exit(code)
    }
}

private final class MPISharedMemory: SharedMemory {
    private let parts: [UnsafeMutableBufferPointer<Float>]
    init(_ parts: [UnsafeMutableBufferPointer<Float>]) { self.parts = parts }
    func part(of rank: Int) -> UnsafeMutableBufferPointer<Float> { parts[rank] }
}

/// Consecutive ranges that cover `0 ..< count`.
private func pieces(of count: Int, atMost limit: Int) -> some Sequence<Range<Int>> {
    stride(from: 0, to: count, by: limit).lazy.map { $0..<Swift.min($0 + limit, count) }
}
