import Collectives
import Optimization
import Recurrent

// The lists of names that settings choose from, each defined where it is used.

extension Cell: SettingChoice {}
extension Activation: SettingChoice {}
extension Normalization: SettingChoice {}
extension Peepholes: SettingChoice {}
extension Connections: SettingChoice {}
extension LineEnd.Rule: SettingChoice {}
extension Pooling: SettingChoice {}
extension OutputKind: SettingChoice {}
extension Batching: SettingChoice {}
extension BestModel: SettingChoice {}
extension SampledSoftmax.Loss: SettingChoice {}
extension LossConvention: SettingChoice {}
extension OptimizerRule.Name: SettingChoice {}
extension LearningRateSchedule.Name: SettingChoice {}
extension WireFormat: SettingChoice {}
extension RankSplit: SettingChoice {}
