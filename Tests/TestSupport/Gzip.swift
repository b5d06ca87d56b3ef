import CZlib

/// One gzip member.
package func gzipped(_ bytes: [UInt8]) -> [UInt8] {
    var stream = z_stream()
    let withGzipHeader: Int32 = 15 + 16
    deflateInit2_(
        &stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, withGzipHeader, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
        Int32(MemoryLayout<z_stream>.size))
    defer { deflateEnd(&stream) }
    var bytes = bytes
    return bytes.withUnsafeMutableBufferPointer { input in
        [UInt8](unsafeUninitializedCapacity: Int(deflateBound(&stream, UInt(input.count))) + 64) { output, count in
            (stream.next_in, stream.avail_in) = (input.baseAddress, UInt32(input.count))
            (stream.next_out, stream.avail_out) = (output.baseAddress, UInt32(output.count))
            precondition(deflate(&stream, Z_FINISH) == Z_STREAM_END)
            count = output.count - Int(stream.avail_out)
        }
    }
}
