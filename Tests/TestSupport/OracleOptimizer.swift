import Glibc

/// One optimizer step in double precision, as torch.optim defines each rule (its defaults where not given).
package struct OracleOptimizer: Sendable {
    package enum Rule: Sendable {
        case sgd
        /// The first step's velocity is the gradient itself.
        case momentum(Double)
        case nesterov(Double)
        case adagrad(epsilon: Double = 1e-10)
        /// Kingma and Ba 2015; weight decay is added to the gradient.
        case adam(beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8)
        /// Loshchilov and Hutter 2019; weight decay acts on the weights directly.
        case adamW(beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8)
        /// With t0 = 0 and lambd = 0: SGD, and `average`.
        case asgd
    }

    package let rule: Rule
    package let weightDecay: Double
    private var step = 0
    private var first: [String: [Double]] = [:]
    private var second: [String: [Double]] = [:]

    /// `asgd`: the averaged parameters, torch's `ax`.
    package var average: [String: [Double]] { second }

    package init(_ rule: Rule, weightDecay: Double = 0) {
        self.rule = rule
        self.weightDecay = weightDecay
    }

    package mutating func step(
        _ parameters: inout [String: [Double]], gradients: [String: [Double]], learningRate: Double
    ) {
        step += 1
        for (name, values) in parameters {
            var m = first[name] ?? Array(repeating: 0, count: values.count)
            var v = second[name] ?? Array(repeating: 0, count: values.count)
            parameters[name] = values.indices.map { k in
                updated(values[k], gradient: gradients[name]![k], learningRate: learningRate, m: &m[k], v: &v[k])
            }
            first[name] = m
            second[name] = v
        }
    }

    private func updated(
        _ parameter: Double, gradient: Double, learningRate: Double, m: inout Double, v: inout Double
    ) -> Double {
        let g = gradient + weightDecay * parameter
        switch rule {
        case .sgd:
            return parameter - learningRate * g
        case .momentum(let momentum):
            m = momentum * m + g
            return parameter - learningRate * m
        case .nesterov(let momentum):
            m = momentum * m + g
            return parameter - learningRate * (g + momentum * m)
        case .adagrad(let epsilon):
            v += g * g
            return parameter - learningRate * g / (v.squareRoot() + epsilon)
        case .asgd:
            let iterate = parameter - learningRate * g
            v += (iterate - v) / Double(max(1, step - 1))
            return iterate
        case .adam(let beta1, let beta2, let epsilon):
            return parameter - learningRate * adamDirection(g, beta1, beta2, epsilon, &m, &v)
        case .adamW(let beta1, let beta2, let epsilon):
            return parameter * (1 - learningRate * weightDecay)
                - learningRate * adamDirection(gradient, beta1, beta2, epsilon, &m, &v)
        }
    }

    private func adamDirection(
        _ g: Double, _ beta1: Double, _ beta2: Double, _ epsilon: Double, _ m: inout Double, _ v: inout Double
    ) -> Double {
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        let unbiasedFirst = m / (1 - pow(beta1, Double(step)))
        let unbiasedSecond = v / (1 - pow(beta2, Double(step)))
        return unbiasedFirst / (unbiasedSecond.squareRoot() + epsilon)
    }

    /// Scales all gradients by `limit / (norm + epsilon)` when that is below 1; returns the global norm before.
    /// PyTorch's clip_grad_norm_ has epsilon = 1e-6.
    @discardableResult
    package static func clip(_ gradients: inout [String: [Double]], norm limit: Double, epsilon: Double = 0) -> Double {
        let norm = gradients.values.joined().reduce(0) { $0 + $1 * $1 }.squareRoot()
        let scale = limit / (norm + epsilon)
        if scale < 1 { gradients = gradients.mapValues { $0.map { $0 * scale } } }
        return norm
    }
}
