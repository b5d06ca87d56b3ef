import Elementary
import Kernels

/// How a neural cache predicts.
package struct CacheSettings: Sendable, Equatable, Encodable {
    /// N, the positions that it keeps.
    package var positions: Int
    /// How much similar hidden vectors count more than others.
    package var theta: Double
    /// The weight of the cache in the mean; the model has the rest.
    package var weight: Double

    package init(positions: Int, theta: Double, weight: Double) {
        self.positions = positions
        self.theta = theta
        self.weight = weight
    }
}

/// A network with a neural cache (Grave, Joulin and Usunier 2017): the tokens that followed the last N positions come again with a
/// probability that grows with the similarity of the hidden vectors then and now. docs/mathematics.md (52) and (53).
///
/// A text begins with an empty cache, and so does a line for a network that reads each line by itself (`lineStart`). As long as the cache is
/// empty, the model alone predicts.
package final class CachePredictor: Blend {
    private let network: any HiddenStatePredictor
    private let positions: Int
    /// The weight of the cache.
    package var weight: Double
    /// The first one predicts; `parts` has the losses of all.
    package var thetas: [Double] { didSet { parts = [Double](repeating: 0, count: 1 + thetas.count) } }
    package private(set) var parts = [0.0, 0.0]

    private var texts: [CacheWindow] = []
    private var scores = Buffer(count: 0)  // [T, N + T]
    private var shares = Buffer(count: 0)  // [N]
    private var output = Buffer(count: 0)  // [V]
    /// The cache's probability of each row's target, one for each theta; below 0 where the cache is empty.
    private var probabilities: [Double] = []  // [T*B, thetas]
    private var steps = 0
    private var streams = 0

    /// - Parameter network: used for nothing else.
    package init(_ network: any HiddenStatePredictor, _ settings: CacheSettings) {
        precondition(settings.positions > 0 && settings.theta >= 0 && settings.weight >= 0 && settings.weight < 1)
        self.network = network
        positions = settings.positions
        weight = settings.weight
        thetas = [settings.theta]
    }

    package var vocabularySize: Int { network.vocabularySize }
    package var lineStart: Int32? { network.lineStart }
    package var chunkLength: Int { network.chunkLength }

    /// Bytes that `reserve` allocates for the cache, beside the network's; nil on overflow.
    package static func memory(positions: Int, hidden: Int, vocabulary: Int, streams: Int, steps: Int) -> Int? {
        let (positions, steps, spare) = (Double(positions), Double(steps), Double(CacheWindow.spare))
        let windows = Double(streams) * (positions + max(steps, spare)) * (Double(hidden) + 1)
        let values = windows + steps * (positions + steps) + positions + Double(vocabulary)
        return values < 0x1p54 ? Int(4 * values) : nil
    }

    package func reserve(streams: Int, steps: Int) throws {
        try network.reserve(streams: streams, steps: steps)
        texts = (0..<streams).map { _ in CacheWindow(positions: positions, width: network.hiddenSize, steps: steps) }
        scores = Buffer(count: steps * (positions + steps))
        shares = Buffer(count: positions)
        output = Buffer(count: vocabularySize)
    }

    package func refresh() throws { try network.refresh() }

    package func reset(streams: Int) {
        network.reset(streams: streams)
        self.streams = streams
        for index in texts.indices { texts[index].reset() }
    }

    package func read(_ tokens: UnsafePointer<Int32>, steps: Int) throws {
        try network.read(tokens, steps: steps)
        self.steps = steps
        let hidden = network.hidden
        for stream in 0..<streams {
            let own = Matrix(hidden.row(stream), rows: steps, columns: hidden.columns, stride: streams * hidden.stride)
            texts[stream].append(tokens + stream, stride: streams, hidden: own, forgetting: network.lineStart)
        }
    }

    package func losses(of targets: UnsafePointer<Int32>, each: (_ row: Int, _ nats: Double) -> Void) throws {
        let count = thetas.count
        probabilities = [Double](repeating: -1, count: steps * streams * count)
        for stream in 0..<streams {
            try texts[stream].multiply(0..<steps, into: scores)
            for t in 0..<steps where targets[t * streams + stream] >= 0 {
                let row = t * streams + stream
                let seen = texts[stream].seen(by: t, of: 0..<steps, in: scores)
                guard !seen.followers.isEmpty else { continue }
                for (index, theta) in thetas.enumerated() {
                    share(seen, theta)
                    var sum = 0.0
                    for (place, token) in seen.followers.enumerated() where token == targets[row] { sum += Double(shares.base[place]) }
                    probabilities[row * count + index] = sum
                }
            }
        }
        try network.losses(of: targets) { row, nats in
            parts[0] = nats
            for index in 0..<count {
                let probability = probabilities[row * count + index]
                parts[1 + index] = probability < 0 ? nats : -Elementary.logarithm(probability)
            }
            each(row, probabilities[row * count] < 0 ? nats : Mean.nats([nats, parts[1]], [1 - weight, weight]))
        }
    }

    package func logits(ofStream stream: Int) throws -> UnsafeMutableBufferPointer<Float> {
        let logits = try network.logits(ofStream: stream)
        try texts[stream].multiply(steps - 1..<steps, into: scores)
        let seen = texts[stream].seen(by: steps - 1, of: steps - 1..<steps, in: scores)
        guard !seen.followers.isEmpty else { return logits }
        share(seen, thetas[0])
        var sums: [Int32: Double] = [:]
        for (place, token) in seen.followers.enumerated() { sums[token, default: 0] += Double(shares.base[place]) }
        let total = Mean.logarithmOfTotal(logits, scratch: output)
        let rest = Elementary.logarithm(1 - weight) - total
        for word in logits.indices { logits[word] = Float(Double(logits[word]) + rest) }
        for (token, sum) in sums where sum > 0 {
            let model = Double(logits[Int(token)])
            logits[Int(token)] = Float(-Mean.nats([-model, -Elementary.logarithm(sum)], [1, weight]))
        }
        return logits
    }

    /// softmax(theta * scores) into `shares`. docs/mathematics.md (52).
    private func share(_ seen: (followers: UnsafeBufferPointer<Int32>, scores: UnsafePointer<Float>), _ theta: Double) {
        let factor = Float(theta)
        let count = seen.followers.count
        for (place, lanes) in LaneBlocks(count) { shares.base.store(seen.scores.load(place) * factor, place, lanes) }
        softmax(shares.base, count: count)
    }
}
