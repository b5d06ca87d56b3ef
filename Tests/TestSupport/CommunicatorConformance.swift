import Collectives
import Diagnostics
import Foundation
import Randomness

/// Tests that every transport must pass. Collective: all ranks call it.
/// - Parameter lengths: elements of the buffers exchanged.
/// - Throws: `ConformanceFailure` on the ranks that saw the fault.
package func checkConformance(
    of communicator: any Communicator, lengths: [Int] = [0, 1, 10, 1000, 100_003]
) throws {
    let whole = try TwoSums(communicator, upTo: lengths.max() ?? 0, wire: .float32)
    let half = try TwoSums(communicator, upTo: lengths.max() ?? 0, wire: .bfloat16)
    for length in lengths {
        try checkSum(communicator, length, Double.self) { try communicator.sum($0) }
        try checkSum(communicator, length, Float.self) { try whole.sum($0) }
        // 8 bits of every partial sum; there is one per rank.
        try checkSum(communicator, length, Float.self, precision: 0x1p-9 * Double(communicator.size)) { try half.sum($0) }
        try checkBroadcast(communicator, length)
        try checkGathers(communicator, length)
        try checkGatherInPlace(communicator, length)
    }
    try checkValues(communicator)
    try checkBarrier(communicator)
    try checkMachines(communicator)
    try checkTogether(communicator)
    try checkAgree(communicator)
}

package struct ConformanceFailure: Error, CustomStringConvertible {
    package let description: String
}

private func expect(_ condition: Bool, _ communicator: any Communicator, _ what: @autoclosure () -> String) throws {
    guard condition else {
        throw ConformanceFailure(description: "rank \(communicator.rank) of \(communicator.size): \(what())")
    }
}

/// Values whose sum depends on the order of summation: the result must be near the exact sum, the same bytes on every
/// rank, and the same bytes again the second time.
private func checkSum<Element: BinaryFloatingPoint>(
    _ communicator: any Communicator, _ length: Int, _: Element.Type, precision: Double = Double(Element.ulpOfOne),
    _ sum: (UnsafeMutableBufferPointer<Element>) throws -> Void
) throws {
    let values = (0..<communicator.size).map { rank in
        var random = PhiloxSequence(seed: UInt64(length), purpose: .sampling, stream: UInt64(rank))
        return (0..<length).map { _ in Element(random.uniform() - 0.5) }
    }
    // One element more than is summed: nothing may be written beyond the buffer.
    func summed() throws -> [Element] {
        var buffer = values[communicator.rank] + [7]
        try buffer.withUnsafeMutableBufferPointer { try sum(UnsafeMutableBufferPointer(rebasing: $0[..<length])) }
        return buffer
    }
    let result = try summed()
    for i in 0..<length {
        let exact = values.reduce(0) { $0 + Double($1[i]) }
        let rounding = precision * Double(communicator.size)
        try expect(
            abs(Double(result[i]) - exact) <= rounding, communicator,
            "sum of \(length) \(Element.self): element \(i) is \(result[i]), expected \(exact)")
    }
    try expect(result[length] == 7, communicator, "sum of \(length) \(Element.self) wrote beyond its buffer")

    let bytes = result.withUnsafeBytes { Array($0) }
    let everyones = try communicator.allGather(bytes)
    try expect(
        everyones.allSatisfy { $0 == bytes }, communicator, "sum of \(length) \(Element.self) differs between ranks")
    try expect(
        try summed().withUnsafeBytes { Array($0) } == bytes, communicator,
        "sum of \(length) \(Element.self) differs when repeated")
}

/// Two sums under way together, with another call between; the same two for all buffers.
private struct TwoSums {
    private let communicator: any Communicator
    private let sums: [any PersistentSum]

    init(_ communicator: any Communicator, upTo count: Int, wire: WireFormat) throws {
        self.communicator = communicator
        sums = try [count / 3, count - count / 3].map { try communicator.makeSum(upTo: $0, wire: wire) }
        try expect(try sums.allSatisfy { try $0.advance() }, communicator, "a sum was under way before it began")
    }

    func sum(_ buffer: UnsafeMutableBufferPointer<Float>) throws {
        let cut = buffer.count / 3
        try sums[0].begin(UnsafeMutableBufferPointer(rebasing: buffer[..<cut]))
        try sums[1].begin(UnsafeMutableBufferPointer(rebasing: buffer[cut...]))
        for sum in sums { _ = try sum.advance() }
        try communicator.barrier()
        try communicator.finish(sums)
    }
}

/// Bytes that identify sender, position and purpose.
private func message(_ length: Int, from rank: Int, salt: Int) -> [UInt8] {
    (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8 &+ rank &* 97 &+ salt &* 13) }
}

private func checkBroadcast(_ communicator: any Communicator, _ length: Int) throws {
    for root in 0..<communicator.size {
        var buffer = message(length, from: communicator.rank, salt: 1) + [7]
        try buffer.withUnsafeMutableBytes {
            try communicator.broadcast(UnsafeMutableRawBufferPointer(rebasing: $0[..<length]), from: root)
        }
        try expect(
            buffer == message(length, from: root, salt: 1) + [7], communicator,
            "broadcast of \(length) bytes from \(root)")
    }
}

/// Lengths differ between ranks, and some are zero.
private func checkGathers(_ communicator: any Communicator, _ length: Int) throws {
    let all = (0..<communicator.size).map { message(length * ($0 % 3), from: $0, salt: 2) }
    let mine = all[communicator.rank]
    try expect(try communicator.allGather(mine) == all, communicator, "allGather around \(length) bytes")
    for root in 0..<communicator.size {
        let gathered = try communicator.gather(mine, at: root)
        try expect(
            gathered == (communicator.rank == root ? all : nil), communicator,
            "gather around \(length) bytes at \(root)")
    }
}

/// Some ranks have no numbers and no text; some texts are longer in bytes than in characters.
private func checkValues(_ communicator: any Communicator) throws {
    let numbers = (0..<communicator.size).map { rank in (0..<rank % 3).map { Int.max / 3 * $0 - rank } }
    try expect(try communicator.allGather(numbers: numbers[communicator.rank]) == numbers, communicator, "allGather of numbers")
    let texts = (0..<communicator.size).map { String(repeating: "é\n", count: $0 % 3) }
    try expect(try communicator.allGather(text: texts[communicator.rank]) == texts, communicator, "allGather of texts")
}

/// Only this rank's part is there before, and nothing may be written beyond the buffer.
private func checkGatherInPlace(_ communicator: any Communicator, _ length: Int) throws {
    let counts = (0..<communicator.size).map { length * (($0 + 1) % 3) }
    let parts = counts.enumerated().map { message(4 * $1, from: $0, salt: 3) }
    let empty = parts.map { [UInt8](repeating: 0, count: $0.count) }
    let before = empty[..<communicator.rank] + [parts[communicator.rank]] + empty[(communicator.rank + 1)...]
    var buffer = Array(before.joined()) + [7]
    try buffer.withUnsafeMutableBytes {
        try communicator.allGather(in: UnsafeMutableRawBufferPointer(rebasing: $0.dropLast()), counts: counts, stride: 4)
    }
    try expect(buffer == Array(parts.joined()) + [7], communicator, "allGather in place around \(length) times 4 bytes")
}

/// No rank leaves before the last has arrived, by the clock that the ranks of one machine share.
private func checkBarrier(_ communicator: any Communicator) throws {
    for late in 0..<communicator.size {
        try communicator.barrier()
        if communicator.rank == late { usleep(5000) }
        let arrival = DispatchTime.now().uptimeNanoseconds
        try communicator.barrier()
        let departure = DispatchTime.now().uptimeNanoseconds
        let arrivals = try communicator.allGather(withUnsafeBytes(of: arrival) { Array($0) })
        for (other, bytes) in arrivals.enumerated() {
            let arrival = bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
            try expect(departure >= arrival, communicator, "left the barrier before rank \(other) came")
        }
    }
}

/// Machines and numbers on machines cover the ranks, in order, and each group works as a communicator.
private func checkMachines(_ communicator: any Communicator) throws {
    let machines = try communicator.machineGroups()
    let (here, across) = (machines.here, machines.across)
    let place = across.rank * here.size + here.rank
    try expect(
        place == communicator.rank && here.size * across.size == communicator.size, communicator,
        "place \(place) of \(across.size) machines with \(here.size) ranks")
    let mine = UInt8(communicator.rank)
    let neighbours = (0..<here.size).map { [UInt8(across.rank * here.size + $0)] }
    try expect(try here.allGather([mine]) == neighbours, communicator, "ranks of this machine")
    let peers = (0..<across.size).map { [UInt8($0 * here.size + here.rank)] }
    try expect(try across.allGather([mine]) == peers, communicator, "ranks with this number")
    try checkSharedMemory(here)
}

/// Parts of unequal lengths, aligned, zero at first; what one rank writes all others read.
private func checkSharedMemory(_ communicator: any Communicator) throws {
    let rank = communicator.rank
    let length = { (rank: Int) in rank % 3 * 1001 }
    let memory = try communicator.shareMemory(length(rank))
    for other in 0..<communicator.size {
        let part = memory.part(of: other)
        try expect(part.count == length(other), communicator, "part of rank \(other) has \(part.count) floats")
        try expect(Int(bitPattern: part.baseAddress) % 64 == 0, communicator, "part of rank \(other) is not aligned")
        try expect(part.allSatisfy { $0 == 0 }, communicator, "part of rank \(other) is not zero at first")
    }
    try communicator.barrier()
    memory.part(of: rank).update(repeating: Float(rank + 1))
    try communicator.barrier()
    for other in 0..<communicator.size {
        try expect(
            memory.part(of: other).allSatisfy { $0 == Float(other + 1) }, communicator, "what rank \(other) wrote")
    }
}

private enum Refusal: DiagnosedError {
    case file(String)
    case setting

    var kind: FailureKind {
        switch self {
        case .file: .data
        case .setting: .usage
        }
    }

    var diagnosis: Diagnosis {
        switch self {
        case .file(let path): Diagnosis("no such file", file: path)
        case .setting: Diagnosis("bad setting")
        }
    }
}

private func checkTogether(_ communicator: any Communicator) throws {
    let rank = communicator.rank
    let size = communicator.size
    try expect(try communicator.together("working") { rank * 10 } == rank * 10, communicator, "together lost its value")

    func failure(_ body: () throws -> Void) throws -> CollectiveFailure? {
        do {
            try communicator.together("opening", body)
            return nil
        } catch let failure as CollectiveFailure {
            return failure
        }
    }
    func expectFailure(_ kind: FailureKind, _ line: String, _ body: () throws -> Void) throws {
        let failure = try failure(body)
        try expect(
            failure?.kind == kind && failure?.description == line, communicator,
            "together: expected '\(line)', got '\(failure.map(\.description) ?? "success")'")
    }

    try expectFailure(.data, "d/x: no such file") { throw Refusal.file("d/x") }
    guard size > 1 else { return }
    for bad in 0..<size {
        try expectFailure(.data, "opening: rank \(bad): d/x: no such file") {
            if rank == bad { throw Refusal.file("d/x") }
        }
    }
    // The lowest failing rank decides the kind; equal messages appear once.
    let others = size == 2 ? "rank 1" : "ranks 1-\(size - 1)"
    try expectFailure(.usage, "opening: rank 0: bad setting | \(others): d/x: no such file") {
        throw rank == 0 ? Refusal.setting : Refusal.file("d/x")
    }
    if size == 7 {
        try expectFailure(.data, "opening: ranks 0-1, 3, 5-6: d/x: no such file") {
            if rank != 2, rank != 4 { throw Refusal.file("d/x") }
        }
    }
    // After a failure the ranks are still in step.
    try expect(try communicator.together("continuing") { rank } == rank, communicator, "together after a failure")
}

private func checkAgree(_ communicator: any Communicator) throws {
    try communicator.agree(on: "abc", named: "the data's hash")
    guard communicator.size > 1 else { return }
    let last = communicator.size - 1
    do {
        try communicator.agree(on: communicator.rank == last ? "abd" : "abc", named: "the data's hash", kind: .data)
    } catch let failure as CollectiveFailure {
        let most = last == 1 ? "rank 0" : "ranks 0-\(last - 1)"
        let line = "the ranks disagree on the data's hash; found 'abc' on \(most), 'abd' on rank \(last); "
            + "start every rank with the same program, configuration and data"
        return try expect(
            failure.kind == .data && failure.description == line, communicator, "agree: '\(failure.description)'")
    }
    try expect(false, communicator, "agree overlooked a difference")
}
