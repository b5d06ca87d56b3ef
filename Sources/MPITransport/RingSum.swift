import CMPIShim
import Collectives

/// An all-reduce on a ring that its owner moves on (Patarasuk and Yuan 2009): p - 1 steps in which each rank passes a
/// p-th of the numbers on to the next and adds what it gets, then p - 1 in which the sums go round. Every rank sends and
/// receives 2 (p - 1) / p of the bytes, both at the same time, and all end with the same bytes.
///
/// MPI's own non-blocking all-reduce sends twice as much for two ranks and moves only inside MPI calls as well.
final class RingSum: PendingSum {
    private let buffer: UnsafeMutableBufferPointer<Float>
    private let wire: WireFormat
    private let rank: Int
    private let size: Int
    private let tag: CInt
    private let handle: MPI_Comm?
    /// Floats of each rank's share that travel at once.
    private let pieceCount: Int

    /// Where it stands: this piece of the shares, and in it this step of 2 (p - 1).
    private var piece = 0
    private var step = 0
    private let requests = UnsafeMutablePointer<MPI_Request?>.allocate(capacity: 2)
    private let outgoing: UnsafeMutableRawPointer
    private let incoming: UnsafeMutableRawPointer

    init(
        _ buffer: UnsafeMutableBufferPointer<Float>, wire: WireFormat, rank: Int, size: Int, tag: CInt, largestMessage: Int,
        _ handle: MPI_Comm?
    ) throws {
        self.buffer = buffer
        self.wire = wire
        self.rank = rank
        self.size = size
        self.tag = tag
        self.handle = handle
        let share = (buffer.count + size - 1) / size
        pieceCount = min(share, largestMessage / MemoryLayout<Float>.stride)
        requests.initialize(repeating: lockstep_MPI_REQUEST_NULL(), count: 2)
        outgoing = .allocate(byteCount: max(1, pieceCount) * 4, alignment: 64)
        incoming = .allocate(byteCount: max(1, pieceCount) * 4, alignment: 64)
        if isUnderWay { try begin() }
    }

    deinit {
        requests.deallocate()
        outgoing.deallocate()
        incoming.deallocate()
    }

    private var share: Int { (buffer.count + size - 1) / size }
    private var isUnderWay: Bool { size > 1 && piece * pieceCount < share }

    func advance() throws -> Bool {
        while isUnderWay {
            var done: CInt = 0
            try check(MPI_Testall(2, requests, &done, lockstep_MPI_STATUSES_IGNORE()), "MPI_Testall")
            guard done != 0 else { return false }
            try next()
        }
        return true
    }

    /// What share `index` (counted round the ring) has in the current piece.
    private func part(_ index: Int) -> UnsafeMutableBufferPointer<Float> {
        let owner = (index % size + size) % size
        let range = owner * share + piece * pieceCount..<min((owner + 1) * share, owner * share + (piece + 1) * pieceCount)
        return UnsafeMutableBufferPointer(rebasing: buffer[range.clamped(to: 0..<buffer.count)])
    }

    /// In the first half the partial sum of share r - s goes out and that of r - s - 1 comes in; in the second half share
    /// r + 1 is complete here, and shares go on round the ring.
    private var sent: UnsafeMutableBufferPointer<Float> { part(step < size - 1 ? rank - step : rank + size - step) }
    private var received: UnsafeMutableBufferPointer<Float> { part(step < size - 1 ? rank - step - 1 : rank + size - step - 1) }

    private func begin() throws {
        let (next, previous) = (CInt((rank + 1) % size), CInt((rank + size - 1) % size))
        let (sent, received) = (sent, received)
        let width = wire == .float32 ? 4 : 2
        try check(
            MPI_Irecv(
                incoming, CInt(received.count * width), lockstep_MPI_BYTE(), previous, tag, handle, requests),
            "MPI_Irecv")
        var source: UnsafeMutableRawPointer? = UnsafeMutableRawPointer(sent.baseAddress)
        if wire == .bfloat16 {
            // Every rank ends with what travels, so a complete share is rounded where it is, too.
            encode(sent, rounding: step == size - 1)
            source = outgoing
        }
        try check(
            MPI_Isend(source, CInt(sent.count * width), lockstep_MPI_BYTE(), next, tag, handle, requests + 1), "MPI_Isend")
    }

    /// The transfers of a step are done: takes in what came, and begins the next.
    private func next() throws {
        take(received, adding: step < size - 1)
        step += 1
        if step == 2 * (size - 1) {
            step = 0
            piece += 1
        }
        if isUnderWay { try begin() }
    }

    private func take(_ part: UnsafeMutableBufferPointer<Float>, adding: Bool) {
        switch (wire, adding) {
        case (.float32, true):
            let values = incoming.assumingMemoryBound(to: Float.self)
            for i in part.indices { part[i] += values[i] }
        case (.float32, false):
            if let base = part.baseAddress {
                UnsafeMutableRawPointer(base).copyMemory(from: incoming, byteCount: part.count * 4)
            }
        case (.bfloat16, _):
            let values = incoming.assumingMemoryBound(to: UInt16.self)
            for i in part.indices {
                let value = Float(bitPattern: UInt32(values[i]) << 16)
                part[i] = adding ? part[i] + value : value
            }
        }
    }

    /// Rounds to nearest, ties to even; a NaN stays one.
    private func encode(_ part: UnsafeMutableBufferPointer<Float>, rounding: Bool) {
        let values = outgoing.assumingMemoryBound(to: UInt16.self)
        for i in part.indices {
            let bits = part[i].bitPattern
            let rounded = UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16)
            values[i] = part[i].isNaN ? 0x7FC0 : rounded
        }
        if rounding { for i in part.indices { part[i] = Float(bitPattern: UInt32(values[i]) << 16) } }
    }
}
