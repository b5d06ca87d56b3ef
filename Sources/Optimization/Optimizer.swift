import Elementary
import Kernels
import Recurrent

/// A rule that turns gradients into steps, as PyTorch defines it (`torch.optim`), so that settings carry over.
/// docs/mathematics.md (37) to (42b).
package struct OptimizerRule: Sendable, Equatable {
    package enum Name: String, Sendable, CaseIterable {
        case sgd, momentum, adagrad, adam, adamw
        /// SGD, and from some step on the average of its iterates (Polyak and Juditsky 1992; `torch.optim.ASGD`): the average, and not the
        /// iterate, is the model that training gives.
        case ntASGD = "nt_asgd"

        /// Buffers of the size of the parameters that the rule keeps from step to step, with PyTorch's names.
        package var slots: [String] {
            switch self {
            case .sgd: []
            case .momentum: ["momentum_buffer"]
            case .adagrad: ["sum"]
            case .adam, .adamw: ["exp_avg", "exp_avg_sq"]
            case .ntASGD: ["ax"]
            }
        }

        /// Whether the model may be an average of the weights that the rule steps.
        package var averages: Bool { self == .ntASGD }
    }

    package var name: Name
    package var momentum: Float
    package var nesterov: Bool
    package var beta1: Float
    package var beta2: Float
    package var epsilon: Float
    /// Added to the gradient (L2), but decoupled from it for adamw (Loshchilov and Hutter 2019).
    package var weightDecay: Float
    /// `nt_asgd`: the interval of its `AveragingTrigger`.
    package var nonMonotoneInterval = Default.nonMonotoneInterval

    /// The defaults of these numbers, in double precision as a configuration has them.
    package enum Default {
        package static let momentum = 0.9
        package static let beta1 = 0.9
        package static let beta2 = 0.999
        package static let epsilon = 1e-8
        package static let nonMonotoneInterval = 5
    }

    package init(
        _ name: Name, momentum: Float = Float(Default.momentum), nesterov: Bool = false, beta1: Float = Float(Default.beta1),
        beta2: Float = Float(Default.beta2), epsilon: Float = Float(Default.epsilon), weightDecay: Float = 0
    ) {
        self.name = name
        self.momentum = momentum
        self.nesterov = nesterov
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weightDecay = weightDecay
    }
}

/// An `OptimizerRule` with its slots.
package final class Optimizer {
    package let rule: OptimizerRule
    /// In the order of `rule.name.slots`.
    package let slots: [Arena]
    fileprivate let rows: [Row]
    /// The number of iterates in the average of `nt_asgd`; 0 before it begins.
    package var iterates = 0

    package convenience init(_ rule: OptimizerRule, layout: ParameterLayout) {
        self.init(rule, slots: rule.name.slots.map { _ in Arena(layout) })
    }

    /// - Parameter slots: as many as the rule has, initially zero.
    package init(_ rule: OptimizerRule, slots: [Arena]) {
        precondition(slots.count == rule.name.slots.count)
        self.rule = rule
        self.slots = slots
        rows = slots.map { $0.buffer.row() }
    }

    /// The average of the iterates; nil before it begins.
    package var average: Arena? { iterates > 0 ? slots[0] : nil }

    /// Whether a parameter whose gradient is zero stays unchanged, and all that is kept of it.
    package var leavesUntouchedAlone: Bool {
        switch rule.name {
        case .sgd, .adagrad, .ntASGD: rule.weightDecay == 0 && iterates == 0
        case .momentum, .adam, .adamw: false
        }
    }

    /// What one step does to every parameter.
    /// - Parameters:
    ///   - scale: multiplies each gradient component first (1 / tokens, times the norm clip's factor).
    ///   - limit: then components are cut to [-limit, limit]; nil: not at all.
    ///   - update: 1 for the first step of the run, for Adam's bias correction.
    ///   - iterates: the number in the average, that of this step included; 0: none yet.
    package func step(learningRate: Double, scale: Float, limit: Float?, update: Int, iterates: Int = 0) -> OptimizerStep {
        precondition(iterates == 0 || rule.name.averages)
        self.iterates = iterates
        return OptimizerStep(self, learningRate: learningRate, scale: scale, limit: limit, update: update)
    }
}

/// Scaling, clipping and update in one pass over the memory.
package struct OptimizerStep {
    private let rule: OptimizerRule
    private let slots: [Row]
    private let scale: Float
    private let limit: Lanes
    private let rate: Float
    /// Adam: the learning rate over the first bias correction, and one over the root of the second.
    private let stepSize: Float
    private let root: Float
    private let iterates: Int

    fileprivate init(_ optimizer: Optimizer, learningRate: Double, scale: Float, limit: Float?, update: Int) {
        rule = optimizer.rule
        slots = optimizer.rows
        iterates = optimizer.iterates
        self.scale = scale
        self.limit = Lanes(repeating: limit ?? .greatestFiniteMagnitude)
        rate = Float(learningRate)
        stepSize = Float(learningRate / (1 - Elementary.power(Double(rule.beta1), update)))
        root = Float(1 / (1 - Elementary.power(Double(rule.beta2), update)).squareRoot())
    }

    /// Updates the parameters in `range` of the arena; call it for each parameter once.
    package func apply(to parameters: Arena, gradients: Arena, range: Range<Int>) {
        let count = range.count
        let p = parameters.buffer.row(at: range.lowerBound)
        let g = gradients.buffer.row(at: range.lowerBound)
        let (scale, limit, rate, decay) = (scale, limit, rate, rule.weightDecay)
        /// The gradient as the rule sees it.
        @inline(__always) func gradient(_ j: LaneBlocks.Element, decayed: Bool) -> Lanes {
            let clipped = minimum(maximum(g[j] * scale, -limit), limit)
            return decayed ? clipped + p[j] * decay : clipped
        }
        switch rule.name {
        case .sgd:
            for j in LaneBlocks(count) { p[j] = p[j] - gradient(j, decayed: true) * rate }
        case .ntASGD:
            for j in LaneBlocks(count) { p[j] = p[j] - gradient(j, decayed: true) * rate }
            average(p, in: slots[0] + range.lowerBound, count: count)
        case .momentum:
            // Polyak 1964; Nesterov's form as Sutskever et al. 2013.
            let v = slots[0] + range.lowerBound
            let momentum = rule.momentum
            let nesterov = rule.nesterov
            for j in LaneBlocks(count) {
                let d = gradient(j, decayed: true)
                let velocity = v[j] * momentum + d
                v[j] = velocity
                p[j] = p[j] - (nesterov ? d + velocity * momentum : velocity) * rate
            }
        case .adagrad:
            // Duchi et al. 2011.
            let sums = slots[0] + range.lowerBound
            let epsilon = rule.epsilon
            for j in LaneBlocks(count) {
                let d = gradient(j, decayed: true)
                let sum = sums[j] + d * d
                sums[j] = sum
                p[j] = p[j] - d * rate / (squareRoot(sum) + epsilon)
            }
        case .adam, .adamw:
            // Kingma and Ba 2015, algorithm 1.
            let (m, v) = (slots[0] + range.lowerBound, slots[1] + range.lowerBound)
            let (beta1, beta2, epsilon) = (rule.beta1, rule.beta2, rule.epsilon)
            let (stepSize, root) = (stepSize, root)
            let decoupled = rule.name == .adamw
            let shrink = decoupled ? 1 - rate * decay : 1
            for j in LaneBlocks(count) {
                let d = gradient(j, decayed: !decoupled)
                let mean = m[j] * beta1 + d * (1 - beta1)
                let square = v[j] * beta2 + d * d * (1 - beta2)
                m[j] = mean
                v[j] = square
                p[j] = p[j] * shrink - mean * stepSize / (squareRoot(square) * root + epsilon)
            }
        }
    }

    /// As `torch.optim.ASGD` with t0 = 0 and lambd = 0: the second iterate replaces the first, so that the average of k > 1 iterates
    /// is the mean of those from the second on.
    private func average(_ iterate: Row, in mean: Row, count: Int) {
        if iterates == 0 { return }
        if iterates <= 2 {
            for j in LaneBlocks(count) { mean[j] = iterate[j] }
            return
        }
        let share = Float(1 / Double(iterates - 1))
        for j in LaneBlocks(count) { mean[j] = mean[j] + (iterate[j] - mean[j]) * share }
    }
}
