"""Networks made physically smaller: what pruning left without effect is removed."""

from tf_lottery.export.compaction.compacting import compact
from tf_lottery.export.compaction.outcome import CompactedLayer, CompactedModel

__all__ = ["CompactedLayer", "CompactedModel", "compact"]
