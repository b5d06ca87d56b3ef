import COpenSSL

/// SHA-256 (FIPS 180-4) by OpenSSL's libcrypto, fed piece by piece.
package final class Digest {
    private let context: OpaquePointer

    package init() {
        guard let context = EVP_MD_CTX_new() else { fatalError("out of memory") }
        self.context = context
        let ready = EVP_DigestInit_ex(context, EVP_sha256(), nil)
        precondition(ready == 1, "libcrypto without SHA-256")
    }

    deinit { EVP_MD_CTX_free(context) }

    package func update(_ bytes: UnsafeRawBufferPointer) {
        EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
    }

    /// 64 lower-case hexadecimal digits. The digest is used up.
    package func hexadecimal() -> String {
        var result = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        EVP_DigestFinal_ex(context, &result, &count)
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: result.prefix(Int(count)).flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    package static func sha256(_ bytes: UnsafeRawBufferPointer) -> String {
        let digest = Digest()
        digest.update(bytes)
        return digest.hexadecimal()
    }

    /// SHA-256 of a file's content, read in pieces of 1 MiB.
    /// - Throws: `FileError`.
    package static func sha256(ofFile path: String) throws -> String {
        let file = try File.open(path, .read)
        let digest = Digest()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { buffer.deallocate() }
        while true {
            let count = try file.read(into: buffer)
            if count == 0 { return digest.hexadecimal() }
            digest.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }
}
