/// The loss that is differentiated. Published learning rates and clip thresholds assume one or the other.
package enum LossConvention: String, Sendable, CaseIterable {
    /// Mean over all tokens of the step, as PyTorch.
    case perToken = "per_token"
    /// Sum over the chunk's time, mean over the streams: Zaremba et al. 2014.
    case perStream = "per_stream"
}
