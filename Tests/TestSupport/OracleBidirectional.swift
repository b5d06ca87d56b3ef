extension OracleModel {
    /// `run` with layers in both directions: each sequence of each stream by itself, every layer over all of it before the next. Sequences
    /// start where `lineStarts` says and at the start of the chunk, and end before the next and at the chunk's end. Only the forward
    /// state of a chunk's first sequence comes from `initialState`, and only that of its last is in `finalState`.
    func runInBothDirections(_ chunk: OracleChunk) -> OracleResult {
        precondition(chunk.lineStarts == nil || chunk.resets, "sequences without a reset are not sequences")
        precondition(chunk.finalStateWeights == nil && chunk.penalties.activation == 0 && chunk.penalties.slowness == 0)
        var forward = (0..<layers).map { layer($0) }
        var reverse = (0..<layers).map { layer($0, suffix: "_reverse") }
        var joins = (0..<layers).map(connection)
        var decoder = OracleAffine(
            weight: parameters[tied ? "encoder.weight" : "decoder.weight"]!, bias: parameters["decoder.bias"]!)
        let encoder = parameters["encoder.weight"]!
        var encoderGradient = Array(repeating: 0.0, count: encoder.count)
        var result = OracleResult(
            tokenLosses: Array(repeating: 0, count: chunk.steps * chunk.batch), finalState: chunk.initialState,
            initialStateGradients: zeroState(batch: chunk.batch))

        for (stream, steps) in sequences(of: chunk) {
            let positions = steps.map { $0 * chunk.batch + stream }
            var state = zeroState(batch: 1)
            if steps.lowerBound == 0, chunk.lineStarts?[stream] != true { state = chunk.initialState.map { $0.row(stream, of: chunk.batch) } }
            var x = positions.map { position in
                let token = Int(chunk.inputs[position])
                return dropped(Array(encoder[token * embedding..<(token + 1) * embedding]), chunk, site: 0, position: position)
            }
            var trace: [(forward: [OracleLayer.Step], reverse: [OracleLayer.Step])] = []  // of each layer, in the order of time
            for layer in forward.indices {
                let there = run(forward[layer], x, from: &state[layer])
                var start = zeroState(batch: 1)[layer]
                let back: [OracleLayer.Step] = run(reverse[layer], x.reversed(), from: &start).reversed()
                trace.append((there, back))
                x = positions.indices.map {
                    dropped(joins[layer].forward(x[$0], there[$0].hidden + back[$0].hidden), chunk, site: layer + 1, position: positions[$0])
                }
            }
            if steps.upperBound == chunk.steps {
                for layer in forward.indices { result.finalState[layer].setRow(stream, to: state[layer]) }
            }

            func loss(_ top: [Double], _ position: Int) -> [Double] {
                let target = Int(chunk.targets[position])
                let (loss, gradient) = crossEntropy(decoder(top), target: target)
                result.tokenLosses[position] = loss
                result.loss += loss
                result.count += target < 0 ? 0 : 1
                return decoder.backward(gradient, top)
            }
            var dx: [[Double]]
            if let pooling = chunk.pooling {
                let targets = positions.map { Int(chunk.targets[$0]) }
                guard targets.contains(where: { $0 >= 0 }) else { continue }  // padding
                let pool = OraclePool(pooling, tops: x, targets: targets, reverse: reverseColumns)
                dx = pool.backward(loss(pool.pooled, positions[pool.length - 1]))
            } else {
                dx = zip(x, positions).map(loss)
            }
            for layer in forward.indices.reversed() {
                let (there, back) = trace[layer]
                let parts = positions.indices.map {
                    let dy = dropped(dx[$0], chunk, site: layer + 1, position: positions[$0])
                    return joins[layer].backward(dy, there[$0].input, there[$0].hidden + back[$0].hidden)
                }
                let h = hidden[layer]
                let ahead = backward(&forward[layer], there.reversed(), parts.reversed().map { Array($0.hidden.prefix(h)) })
                let behind = backward(&reverse[layer], back, parts.map { Array($0.hidden.suffix(h)) })
                dx = positions.indices.map { t in
                    zip(zip(ahead[positions.count - 1 - t], behind[t]), parts[t].past).map { $0.0 + $0.1 + $1 }
                }
            }
            for (position, gradient) in zip(positions, dx) {
                let token = Int(chunk.inputs[position])
                let own = dropped(gradient, chunk, site: 0, position: position)
                for column in 0..<embedding { encoderGradient[token * embedding + column] += own[column] }
            }
        }

        for index in forward.indices {
            add(gradientsOf: forward[index], index, to: &result)
            add(gradientsOf: reverse[index], index, suffix: "_reverse", to: &result)
            add(gradientsOf: joins[index], index, to: &result)
        }
        add(embedding: encoderGradient, decoder, to: &result)
        return result
    }

    /// Those of the top that are made by layers which read from the end.
    private var reverseColumns: [Range<Int>] {
        let (top, h) = (width(belowLayer: layers), hidden[layers - 1])
        guard connections == .dense else { return [top - h..<top] }
        return hidden.indices.map { layer in width(belowLayer: layer + 1) - hidden[layer]..<width(belowLayer: layer + 1) }
    }

    private func sequences(of chunk: OracleChunk) -> [(stream: Int, steps: Range<Int>)] {
        (0..<chunk.batch).flatMap { stream in
            let starts = [0] + (1..<max(1, chunk.steps)).filter { chunk.lineStarts?[$0 * chunk.batch + stream] == true }
            return zip(starts, starts.dropFirst() + [chunk.steps]).map { (stream, $0..<$1) }
        }
    }

    /// The steps of one layer over one sequence, in the order in which it reads.
    private func run(_ layer: OracleLayer, _ inputs: [[Double]], from state: inout OracleState) -> [OracleLayer.Step] {
        inputs.map { x in
            let step = layer.forward(x, hidden: state.hidden, cell: state.cell)
            state = step.state
            return step
        }
    }

    /// - Parameters:
    ///   - steps: from the last that the layer has read to the first.
    ///   - above: dL/dh of each.
    /// - Returns: dL/dx of each.
    private func backward(_ layer: inout OracleLayer, _ steps: [OracleLayer.Step], _ above: [[Double]]) -> [[Double]] {
        var hidden = steps[0].state.hidden.map { _ in 0.0 }
        var cell = steps[0].state.cell.map { _ in 0.0 }
        return zip(steps, above).map { step, above in
            let gradient = layer.backward(step, above: above, hidden: hidden, cell: cell)
            (hidden, cell) = (gradient.hidden, gradient.cell)
            return gradient.input
        }
    }
}
