import Files

/// A stretch of an input file that belongs to one split.
struct TextRegion {
    let input: InputFile
    /// Bytes; up to `Int.max` for a text whose size is not known yet.
    let range: Range<Int>

    /// The whole text.
    init(_ input: InputFile) { self.init(input: input, range: input.text) }

    init(input: InputFile, range: Range<Int>) {
        self.input = input
        self.range = range
    }

    /// Presents the region piece by piece.
    /// - Parameters:
    ///   - bufferSize: bytes to read at once; grows when not even one word fits.
    ///   - body: returns how many bytes it consumed; the rest comes again. The last piece must be consumed whole.
    /// - Throws: `FileError`, `GzipError`, `PrepareError.inputChanged`.
    func forEachPiece(bufferSize: Int, _ body: (TextPiece) throws -> Int) throws {
        var buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bufferSize, alignment: 64)
        defer { buffer.deallocate() }
        let isOpenEnded = range.upperBound == .max
        var offset = range.lowerBound
        var held = 0
        var remaining = range.count
        var isLast = false
        try input.seek(to: offset)
        while !isLast {
            if held == buffer.count {
                let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: held * 2, alignment: 64)
                larger.copyMemory(from: UnsafeRawBufferPointer(buffer))
                buffer.deallocate()
                buffer = larger
            }
            let room = UnsafeMutableRawBufferPointer(rebasing: buffer[held..<min(buffer.count, held + min(remaining, buffer.count))])
            let count = try input.read(into: room)
            guard count > 0 || isOpenEnded else { throw PrepareError.inputChanged(path: input.path) }
            input.count(UnsafeRawBufferPointer(rebasing: room[..<count]))
            held += count
            remaining -= count
            isLast = isOpenEnded ? count == 0 : remaining == 0
            // The last piece must not be empty: one byte is kept for it until the end is known.
            let shown = isOpenEnded && !isLast ? held - 1 : held
            if shown == 0 { continue }
            let text = UnsafeRawBufferPointer(rebasing: buffer[..<shown]).assumingMemoryBound(to: UInt8.self)
            let consumed = try body(TextPiece(bytes: text, offset: offset, file: input.path, isLast: isLast))
            offset += consumed
            held -= consumed
            buffer.baseAddress!.copyMemory(from: buffer.baseAddress! + consumed, byteCount: held)
        }
        assert(held == 0)
    }
}
