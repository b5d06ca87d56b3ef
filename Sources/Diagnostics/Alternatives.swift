/// A choice in words: "1, 2 or 4".
package func alternatives(_ words: some Collection<String>) -> String {
    words.count < 2 ? words.joined() : words.dropLast().joined(separator: ", ") + " or " + Array(words).last!
}

/// The largest number up to `most` that divides `number`; 1 if `most` is less.
package func largestDivisor(of number: Int, upTo most: Int) -> Int { (1...max(1, most)).last { number % $0 == 0 }! }

/// The numbers that divide `number`, as alternatives; of many, the first ten and the last.
package func divisors(of number: Int) -> String {
    let all = (1...max(1, number)).filter { number % $0 == 0 }.map(String.init)
    return alternatives(all.count <= 12 ? all : all.prefix(10) + ["...", all.last!])
}
