import CMPIShim
import Collectives

/// An all-reduce on a ring, advanced by its owner (Patarasuk and Yuan 2009): p - 1 steps in which each rank sends a
/// p-th of the numbers to the next rank and adds what it receives, then p - 1 that distribute the sums. Every rank sends and
/// receives 2 (p - 1) / p of the bytes, both at the same time, and all end with the same bytes.
///
/// MPI's own non-blocking all-reduce sends twice as much with two ranks, and it too advances only inside MPI calls.
final class RingSum: PersistentSum {
    private let communicator: MPICommunicator
    private let wire: WireFormat
    private let largestCount: Int
    /// The largest number of floats of each rank's share that are sent at once.
    private let pieceCount: Int
    private let requests = UnsafeMutablePointer<RequestHandle>.allocate(capacity: 2)
    /// A piece in the wire format. Single-precision numbers are sent from where they are.
    private let incoming: UnsafeMutableRawPointer
    private let outgoing: UnsafeMutableRawPointer?

    /// The buffer of the current or last sum.
    private var buffer = UnsafeMutableBufferPointer<Float>(start: nil, count: 0)
    private var tag: CInt = 0
    /// The progress: the current piece of the shares, and the current step of 2 (p - 1) for it.
    private var piece = 0
    private var step = 0

    init(upTo count: Int, wire: WireFormat, of communicator: MPICommunicator) {
        self.communicator = communicator
        self.wire = wire
        largestCount = count
        let share = (count + communicator.size - 1) / communicator.size
        pieceCount = max(1, min(share, communicator.largestMessage / MemoryLayout<Float>.stride))
        requests.initialize(repeating: lockstep_MPI_REQUEST_NULL(), count: 2)
        incoming = .allocate(byteCount: pieceCount * wire.width, alignment: 64)
        outgoing = wire == .float32 ? nil : .allocate(byteCount: pieceCount * wire.width, alignment: 64)
    }

    deinit {
        requests.deallocate()
        incoming.deallocate()
        outgoing?.deallocate()
    }

    private var rank: Int { communicator.rank }
    private var size: Int { communicator.size }
    private var share: Int { (buffer.count + size - 1) / size }
    private var isUnderWay: Bool { size > 1 && piece * pieceCount < share }

    func begin(_ buffer: UnsafeMutableBufferPointer<Float>) throws {
        precondition(!isUnderWay && buffer.count <= largestCount)
        self.buffer = buffer
        tag = communicator.nextTag()
        piece = 0
        step = 0
        if isUnderWay { try transfer() }
    }

    func advance() throws -> Bool {
        while isUnderWay {
            var done: CInt = 0
            try check(MPI_Testall(2, requests, &done, lockstep_MPI_STATUSES_IGNORE()), "MPI_Testall")
            guard done != 0 else { return false }
            try next()
        }
        return true
    }

    /// The part of share `index` (counted around the ring) that belongs to the current piece.
    private func part(_ index: Int) -> UnsafeMutableBufferPointer<Float> {
        let owner = (index % size + size) % size
        let range = owner * share + piece * pieceCount..<min((owner + 1) * share, owner * share + (piece + 1) * pieceCount)
        return UnsafeMutableBufferPointer(rebasing: buffer[range.clamped(to: 0..<buffer.count)])
    }

    /// In the first half, the partial sum of share r - s is sent and that of r - s - 1 received. In the second half, share
    /// r + 1 is complete on this rank, and complete shares are passed around the ring.
    private var sent: UnsafeMutableBufferPointer<Float> { part(step < size - 1 ? rank - step : rank + size - step) }
    private var received: UnsafeMutableBufferPointer<Float> { part(step < size - 1 ? rank - step - 1 : rank + size - step - 1) }

    /// Starts the transfers of a step.
    private func transfer() throws {
        let (next, previous) = (CInt((rank + 1) % size), CInt((rank + size - 1) % size))
        let (sent, received) = (sent, received)
        try check(
            MPI_Irecv(
                incoming, CInt(received.count * wire.width), lockstep_MPI_BYTE(), previous, tag, communicator.handle, requests),
            "MPI_Irecv")
        var source: UnsafeMutableRawPointer? = UnsafeMutableRawPointer(sent.baseAddress)
        if let outgoing {
            // Every rank ends with the numbers in wire format, so a complete share is rounded in place too.
            encode(sent, in: outgoing, rounding: step == size - 1)
            source = outgoing
        }
        try check(
            MPI_Isend(
                source, CInt(sent.count * wire.width), lockstep_MPI_BYTE(), next, tag, communicator.handle, requests + 1),
            "MPI_Isend")
    }

    /// After the transfers of a step: adds or stores what was received, and starts the next step.
    private func next() throws {
        take(received, adding: step < size - 1)
        step += 1
        if step == 2 * (size - 1) {
            step = 0
            piece += 1
        }
        if isUnderWay { try transfer() }
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

    /// Rounds to nearest, ties to even; a NaN stays a NaN.
    private func encode(_ part: UnsafeMutableBufferPointer<Float>, in outgoing: UnsafeMutableRawPointer, rounding: Bool) {
        let values = outgoing.assumingMemoryBound(to: UInt16.self)
        for i in part.indices {
            let bits = part[i].bitPattern
            let rounded = UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16)
            values[i] = part[i].isNaN ? 0x7FC0 : rounded
        }
        if rounding { for i in part.indices { part[i] = Float(bitPattern: UInt32(values[i]) << 16) } }
    }
}

extension WireFormat {
    /// Bytes of a number in wire format.
    fileprivate var width: Int { self == .float32 ? 4 : 2 }
}
