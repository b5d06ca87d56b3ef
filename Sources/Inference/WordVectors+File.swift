import Files
import Kernels

extension WordVectors {
    /// Writes an embedding in word2vec's text format, as gensim's `KeyedVectors.load_word2vec_format` reads it: a line with V and E, then for
    /// each token a line with the token and its E values, in the fewest digits that give the same single-precision values back.
    /// - Parameters:
    ///   - embedding: `encoder.weight` [V, E].
    ///   - symbol: a token's spelling, without white space.
    /// - Throws: `FileError`; the path then holds what it held before.
    package static func write(_ embedding: Matrix, symbol: (Int) -> String, to path: String) throws {
        try File.publish(at: path) { write in
            var text = "\(embedding.rows) \(embedding.columns)\n"
            for row in 0..<embedding.rows {
                text += symbol(row)
                let values = UnsafeBufferPointer(start: embedding.row(row), count: embedding.columns)
                for value in values { text += " \(value)" }
                text += "\n"
                if text.utf8.count > 1 << 20 || row == embedding.rows - 1 {
                    try text.withUTF8 { try write(UnsafeRawBufferPointer($0)) }
                    text = ""
                }
            }
        }
    }
}
