import Glibc
import Randomness

/// A recurrent language model in double precision, one vector at a time, written from docs/mathematics.md and sharing
/// nothing with the product: what the product's tests compare against. Slow on purpose.
package struct OracleModel: Sendable {
    package var cell: OracleCell
    package var vocabulary: Int
    package var embedding: Int
    /// H of each layer.
    package var hidden: [Int]
    package var connections: OracleConnections
    /// Whether each layer reads in both directions, with H values for each; see `runInBothDirections`.
    package var bidirectional: Bool
    /// The output weights are the embedding; there is no `decoder.weight`. Needs what it reads to have the embedding's width.
    package var tied: Bool
    /// LSTM: blocks of i, f, g, o that are left out.
    package var absentGates: Set<Int> = []
    /// LSTM: diagonal peepholes.
    package var peepholes = false
    /// Row-major, PyTorch's names, the shapes of `parameterShapes`.
    package var parameters: [String: [Double]]

    package var layers: Int { hidden.count }

    /// Layers of one size.
    package init(
        cell: OracleCell, layers: Int, vocabulary: Int, embedding: Int, hidden: Int, tied: Bool,
        absentGates: Set<Int> = [], peepholes: Bool = false, parameters: [String: [Double]]
    ) {
        self.init(
            cell: cell, vocabulary: vocabulary, embedding: embedding, hidden: Array(repeating: hidden, count: layers),
            tied: tied, absentGates: absentGates, peepholes: peepholes, parameters: parameters)
    }

    package init(
        cell: OracleCell, vocabulary: Int, embedding: Int, hidden: [Int], connections: OracleConnections = .none, bidirectional: Bool = false, tied: Bool,
        absentGates: Set<Int> = [], peepholes: Bool = false, parameters: [String: [Double]]
    ) {
        self.cell = cell
        self.connections = connections
        self.bidirectional = bidirectional
        self.vocabulary = vocabulary
        self.embedding = embedding
        self.hidden = hidden
        self.tied = tied
        self.absentGates = absentGates
        self.peepholes = peepholes
        self.parameters = parameters
        precondition(!tied || embedding == width(belowLayer: layers), "tying needs the embedding's width at the top")
        for (name, shape) in parameterShapes {
            precondition(parameters[name]?.count == shape.reduce(1, *), "\(name) is not \(shape)")
        }
    }

    /// Weights and biases uniform in [-range, range).
    package static func random(
        cell: OracleCell, layers: Int, vocabulary: Int, embedding: Int, hidden: Int, tied: Bool,
        absentGates: Set<Int> = [], peepholes: Bool = false, range: Double = 0.5, seed: UInt64
    ) -> OracleModel {
        random(
            cell: cell, vocabulary: vocabulary, embedding: embedding, hidden: Array(repeating: hidden, count: layers), tied: tied,
            absentGates: absentGates, peepholes: peepholes, range: range, seed: seed)
    }

    package static func random(
        cell: OracleCell, vocabulary: Int, embedding: Int, hidden: [Int], connections: OracleConnections = .none, bidirectional: Bool = false, tied: Bool,
        absentGates: Set<Int> = [], peepholes: Bool = false, range: Double = 0.5, seed: UInt64
    ) -> OracleModel {
        var numbers = PhiloxSequence(seed: seed, purpose: .initialisation)
        var parameters: [String: [Double]] = [:]
        let shapes = shapes(
            cell: cell, vocabulary: vocabulary, embedding: embedding, hidden: hidden, connections: connections, bidirectional: bidirectional,
            tied: tied, peepholes: peepholes)
        for (name, shape) in shapes {
            parameters[name] = numbers.uniforms(shape.reduce(1, *), range: range)
        }
        return OracleModel(
            cell: cell, vocabulary: vocabulary, embedding: embedding, hidden: hidden, connections: connections, bidirectional: bidirectional,
            tied: tied, absentGates: absentGates, peepholes: peepholes, parameters: parameters)
    }

    /// In the order of PyTorch's state_dict.
    package var parameterShapes: [(name: String, shape: [Int])] {
        Self.shapes(
            cell: cell, vocabulary: vocabulary, embedding: embedding, hidden: hidden, connections: connections, bidirectional: bidirectional,
            tied: tied, peepholes: peepholes)
    }

    private static func shapes(
        cell: OracleCell, vocabulary: Int, embedding: Int, hidden: [Int], connections: OracleConnections, bidirectional: Bool,
        tied: Bool, peepholes: Bool
    ) -> [(name: String, shape: [Int])] {
        let widths = widths(embedding: embedding, hidden: hidden, connections: connections, bidirectional: bidirectional)
        var shapes = [("encoder.weight", [vocabulary, embedding])]
        for (layer, h) in hidden.enumerated() {
            for suffix in bidirectional ? ["", "_reverse"] : [""] {
                let place = "l\(layer)\(suffix)"
                if cell.base == .window {
                    shapes += [("rnn.weight_\(place)", [h, OracleCell.windowLength * widths[layer]]), ("rnn.bias_\(place)", [h])]
                } else {
                    shapes += [
                        ("rnn.weight_ih_\(place)", [cell.gates * h, widths[layer]]),
                        ("rnn.weight_hh_\(place)", [cell.gates * h, h]),
                        ("rnn.bias_ih_\(place)", [cell.gates * h]),
                        ("rnn.bias_hh_\(place)", [cell.gates * h]),
                    ]
                }
                shapes += cell.normalizations.map { ("rnn.\($0.name)_\(place)", [$0.blocks * h]) }
                if peepholes { shapes.append(("rnn.weight_ch_\(place)", [3, h])) }
            }
            if connections == .highway {
                let width = (bidirectional ? 2 : 1) * h
                shapes += [("rnn.highway_weight_l\(layer)", [width, widths[layer]]), ("rnn.highway_bias_l\(layer)", [width])]
            }
        }
        if !tied { shapes.append(("decoder.weight", [vocabulary, widths.last!])) }
        shapes.append(("decoder.bias", [vocabulary]))
        return shapes.map { (name: $0.0, shape: $0.1) }
    }

    /// Width of what layer `index` reads; for `layers`, of what the output layer reads.
    package func width(belowLayer index: Int) -> Int {
        Self.widths(embedding: embedding, hidden: hidden, connections: connections, bidirectional: bidirectional)[index]
    }

    private static func widths(embedding: Int, hidden: [Int], connections: OracleConnections, bidirectional: Bool) -> [Int] {
        hidden.reduce(into: [embedding]) { widths, h in
            let output = (bidirectional ? 2 : 1) * h
            widths.append(connections == .dense ? widths.last! + output : output)
        }
    }

    /// The state every stream starts an epoch with, one element per layer.
    package func zeroState(batch: Int) -> [OracleState] {
        hidden.enumerated().map { layer, h in
            let width = cell.base == .window ? (OracleCell.windowLength - 1) * self.width(belowLayer: layer) : h
            let zeros = Array(repeating: 0.0, count: batch * width)
            return OracleState(hidden: zeros, cell: cell.base == .lstm ? zeros : [])
        }
    }

    /// Forward and backward through one chunk.
    package func run(_ chunk: OracleChunk) -> OracleResult {
        check(chunk)
        if bidirectional { return runInBothDirections(chunk) }
        var layers = (0..<layers).map { layer($0) }
        var joins = layers.indices.map(connection)
        var decoder = OracleAffine(
            weight: parameters[tied ? "encoder.weight" : "decoder.weight"]!, bias: parameters["decoder.bias"]!)
        let encoder = parameters["encoder.weight"]!
        var encoderGradient = Array(repeating: 0.0, count: encoder.count)

        // Everything a stream does is independent of the other streams, so take them one after the other.
        var result = OracleResult(
            tokenLosses: Array(repeating: 0, count: chunk.steps * chunk.batch),
            finalState: chunk.initialState, initialStateGradients: zeroState(batch: chunk.batch))
        for stream in 0..<chunk.batch {
            // Forward
            var state = chunk.initialState.map { $0.row(stream, of: chunk.batch) }
            var trace: [[OracleLayer.Step]] = []  // [T][L]
            var logitGradients: [[Double]] = []  // [T][V]
            for t in 0..<chunk.steps {
                let position = t * chunk.batch + stream
                let token = Int(chunk.inputs[position])
                if chunk.resets, chunk.lineStarts?[position] == true { state = zeroState(batch: 1) }
                let word = encoder[token * embedding..<(token + 1) * embedding].map { $0 * (chunk.wordDropout?[token] ?? 1) }
                var x = dropped(word, chunk, site: 0, position: position)
                trace.append([])
                for layer in layers.indices {
                    let disturbance = chunk.disturbance.flatMap { $0.layer == layer && $0.step == t ? $0 : nil }
                    layers[layer].cellDisturbance = disturbance.flatMap { $0.isOfCell ? ($0.place, $0.amount) : nil }
                    var step = layers[layer].forward(x, hidden: state[layer].hidden, cell: state[layer].cell)
                    if let disturbance, !disturbance.isOfCell { step.hidden[disturbance.place] += disturbance.amount }
                    trace[t].append(step)
                    state[layer] = step.state
                    x = dropped(joins[layer].forward(x, step.hidden), chunk, site: layer + 1, position: position)
                }
                let target = chunk.pooling == nil ? Int(chunk.targets[position]) : -1
                let (loss, gradient) = crossEntropy(decoder(x), target: target)
                logitGradients.append(gradient)
                result.tokenLosses[position] = loss
                result.loss += loss
                result.count += target < 0 ? 0 : 1
            }
            for layer in layers.indices { result.finalState[layer].setRow(stream, to: state[layer]) }

            let positions = (0..<chunk.steps).map { $0 * chunk.batch + stream }
            let raw = trace.map { joins.last!.forward($0.last!.input, $0.last!.hidden) }
            let tops = zip(raw, positions).map { dropped($0, chunk, site: layers.count, position: $1) }
            let pool = chunk.pooling.map { OraclePool($0, tops: tops, targets: positions.map { Int(chunk.targets[$0]) }) }
            var topGradients = tops.map { $0.map { _ in 0.0 } }
            if let pool {
                let (loss, gradient) = crossEntropy(decoder(pool.pooled), target: pool.target)
                result.tokenLosses[positions[pool.length - 1]] = loss
                result.loss += loss
                result.count += 1
                topGradients = pool.backward(decoder.backward(gradient, pool.pooled))
            }
            let penalties = chunk.penalties.of(
                raw: raw, dropped: tops, starts: positions.map { chunk.lineStarts?[$0] ?? false })
            result.penalty += penalties.penalty

            // Backward: what flows into the state after the last step comes from the extra loss term alone.
            var stateGradient = (chunk.finalStateWeights ?? zeroState(batch: chunk.batch))
                .map { $0.row(stream, of: chunk.batch) }
            for t in (0..<chunk.steps).reversed() {
                let position = t * chunk.batch + stream
                let read = pool == nil ? decoder.backward(logitGradients[t], tops[t]) : topGradients[t]
                var dx = zip(read, penalties.dropped[t]).map { $0 + $1 }
                for layer in layers.indices.reversed() {
                    dx = dropped(dx, chunk, site: layer + 1, position: position)
                    if layer == layers.count - 1 { dx = zip(dx, penalties.raw[t]).map { $0 + $1 } }
                    let parts = joins[layer].backward(dx, trace[t][layer].input, trace[t][layer].hidden)
                    let gradient = layers[layer].backward(
                        trace[t][layer], above: parts.hidden, hidden: stateGradient[layer].hidden, cell: stateGradient[layer].cell)
                    stateGradient[layer] = OracleState(hidden: gradient.hidden, cell: gradient.cell)
                    dx = zip(gradient.input, parts.past).map { $0 + $1 }
                }
                if chunk.lineStarts?[position] == true { stateGradient = zeroState(batch: 1) }
                dx = dropped(dx, chunk, site: 0, position: position)
                let token = Int(chunk.inputs[position])
                for column in 0..<embedding { encoderGradient[token * embedding + column] += dx[column] * (chunk.wordDropout?[token] ?? 1) }
            }
            for layer in layers.indices {
                result.initialStateGradients[layer].setRow(stream, to: stateGradient[layer])
            }
        }

        for (index, layer) in layers.enumerated() { add(gradientsOf: layer, index, to: &result) }
        for (index, join) in joins.enumerated() { add(gradientsOf: join, index, to: &result) }
        add(embedding: encoderGradient, decoder, to: &result)
        return result
    }

    /// Embedding and output weights, which share one gradient where they are tied.
    func add(embedding gradient: [Double], _ decoder: OracleAffine, to result: inout OracleResult) {
        var gradient = gradient
        if tied {
            gradient = zip(gradient, decoder.weightGradient).map { $0 + $1 }
        } else {
            result.gradients["decoder.weight"] = decoder.weightGradient
        }
        result.gradients["encoder.weight"] = gradient
        result.gradients["decoder.bias"] = decoder.biasGradient
    }

    func dropped(_ x: [Double], _ chunk: OracleChunk, site: Int, position: Int) -> [Double] {
        guard let multipliers = chunk.dropout?[site] else { return x }
        return x.indices.map { x[$0] * multipliers[position * x.count + $0] }
    }

    func check(_ chunk: OracleChunk) {
        let positions = chunk.steps * chunk.batch
        precondition(chunk.inputs.count == positions && chunk.targets.count == positions, "tokens are not [T, B]")
        precondition(chunk.inputs.allSatisfy { (0..<vocabulary).contains(Int($0)) }, "input outside the vocabulary")
        precondition(chunk.targets.allSatisfy { (-1..<vocabulary).contains(Int($0)) }, "target outside the vocabulary")
        let shape = zeroState(batch: chunk.batch).map(\.shape)
        precondition(chunk.initialState.map(\.shape) == shape, "initial state is not [L][B, H]")
        precondition(chunk.finalStateWeights.map { $0.map(\.shape) == shape } ?? true, "weights are not [L][B, H]")
        if let dropout = chunk.dropout {
            let sizes = (0...layers).map(width(belowLayer:))
            precondition(dropout.map(\.count) == sizes.map { $0 * positions }, "dropout sites are not [T, B, E or H]")
        }
    }
}
