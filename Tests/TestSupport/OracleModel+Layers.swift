extension OracleModel {
    /// - Parameter suffix: `_reverse` for the layer that reads from the end.
    func layer(_ index: Int, suffix: String = "") -> OracleLayer {
        func own(_ name: String) -> [Double]? { parameters["rnn.\(name)_l\(index)\(suffix)"] }
        let (hidden, peepholes) = (hidden[index], own("weight_ch") ?? [])
        let parts = cell.gates == 3 ? [0..<2 * hidden, 2 * hidden..<3 * hidden] : [0..<cell.gates * hidden]
        func normalization(_ name: String, _ parts: [Range<Int>]) -> OracleNormalization? {
            own(name).map { OracleNormalization(gain: $0, parts: parts) }
        }
        func affine(_ side: String, gain: String) -> OracleAffine {
            OracleAffine(
                weight: own("weight" + side) ?? [], bias: own("bias" + side) ?? [], normalization: normalization(gain, parts))
        }
        var oracle = OracleLayer(
            cell: cell, hidden: hidden, input: cell.base == .window ? affine("", gain: "gain") : affine("_ih", gain: "gain_ih"),
            recurrent: affine("_hh", gain: "gain_hh"), absentGates: absentGates, peepholes: peepholes,
            peepholeGradient: Array(repeating: 0, count: peepholes.count))
        if cell == .elmanNormalized { oracle.sumNormalization = normalization("gain", parts) }
        oracle.cellNormalization = normalization("gain_c", [0..<hidden])
        oracle.cellBias = own("bias_c") ?? []
        oracle.cellBiasGradient = oracle.cellBias.map { _ in 0 }
        return oracle
    }

    func connection(_ index: Int) -> OracleConnection {
        OracleConnection(
            kind: connections,
            gate: parameters["rnn.highway_weight_l\(index)"].map {
                OracleAffine(weight: $0, bias: parameters["rnn.highway_bias_l\(index)"]!)
            })
    }

    func add(gradientsOf layer: OracleLayer, _ index: Int, suffix: String = "", to result: inout OracleResult) {
        func set(_ name: String, _ gradient: [Double]) { result.gradients["rnn.\(name)_l\(index)\(suffix)"] = gradient }
        let gains = [
            "gain": layer.sumNormalization?.gainGradient ?? (cell.base == .window ? layer.input.normalization?.gainGradient : nil),
            "gain_ih": layer.input.normalization?.gainGradient, "gain_hh": layer.recurrent.normalization?.gainGradient,
            "gain_c": layer.cellNormalization?.gainGradient, "bias_c": layer.cellBiasGradient,
        ]
        for (name, _) in cell.normalizations { set(name, gains[name]!!) }
        if cell.base == .window {
            set("weight", layer.input.weightGradient)
            set("bias", layer.input.biasGradient)
        } else {
            set("weight_ih", layer.input.weightGradient)
            set("weight_hh", layer.recurrent.weightGradient)
            set("bias_ih", layer.input.biasGradient)
            set("bias_hh", layer.recurrent.biasGradient)
        }
        if peepholes { set("weight_ch", layer.peepholeGradient) }
    }

    func add(gradientsOf join: OracleConnection, _ index: Int, to result: inout OracleResult) {
        guard let gate = join.gate else { return }
        result.gradients["rnn.highway_weight_l\(index)"] = gate.weightGradient
        result.gradients["rnn.highway_bias_l\(index)"] = gate.biasGradient
    }
}
