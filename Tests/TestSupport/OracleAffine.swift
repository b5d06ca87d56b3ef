/// y = W x + b for single vectors, or y = LN(W x) + b, and its gradients summed over every call of `backward`.
struct OracleAffine {
    let weight: [Double]  // [outputs, inputs]
    let bias: [Double]  // [outputs]
    var normalization: OracleNormalization?
    var weightGradient: [Double]
    var biasGradient: [Double]

    init(weight: [Double], bias: [Double], normalization: OracleNormalization? = nil) {
        precondition(weight.isEmpty || weight.count % bias.count == 0, "weight is not [\(bias.count), inputs]")
        self.weight = weight
        self.bias = bias
        self.normalization = normalization
        weightGradient = Array(repeating: 0, count: weight.count)
        biasGradient = Array(repeating: 0, count: bias.count)
    }

    /// Outputs `rows` only; all when nil.
    func callAsFunction(_ x: [Double], rows: Range<Int>? = nil) -> [Double] {
        let rows = rows ?? bias.indices
        let product = product(x, rows: rows)
        return zip(normalization?(product, rows: rows) ?? product, bias[rows]).map { $0 + $1 }
    }

    /// Takes dL/dy of outputs `rows` and their x; returns dL/dx.
    mutating func backward(_ dy: [Double], _ x: [Double], rows: Range<Int>? = nil) -> [Double] {
        let rows = rows ?? bias.indices
        addBiasGradient(dy, rows: rows)
        let product = product(x, rows: rows)
        let da = normalization?.backward(dy, product, rows: rows) ?? dy
        return backwardOfProduct(da, x, rows: rows)
    }

    /// W x.
    func product(_ x: [Double], rows: Range<Int>) -> [Double] {
        rows.map { row in
            var sum = 0.0
            for column in x.indices { sum += weight[row * x.count + column] * x[column] }
            return sum
        }
    }

    /// Takes dL/d(W x) and x; returns dL/dx.
    mutating func backwardOfProduct(_ da: [Double], _ x: [Double], rows: Range<Int>) -> [Double] {
        var dx = Array(repeating: 0.0, count: x.count)
        for (row, d) in zip(rows, da) {
            for column in x.indices {
                weightGradient[row * x.count + column] += d * x[column]
                dx[column] += d * weight[row * x.count + column]
            }
        }
        return dx
    }

    mutating func addBiasGradient(_ dy: [Double], rows: Range<Int>) {
        for (row, d) in zip(rows, dy) { biasGradient[row] += d }
    }
}
