"""Where proposals come from: anchors and the region proposal network."""

from cascadekit.models.proposals.anchors import AnchorGenerator
from cascadekit.models.proposals.mscnn_proposals import MSCNNProposals
from cascadekit.models.proposals.rpn_head import RPNHead
from cascadekit.models.proposals.rpn_output import RPNOutput

__all__ = ["AnchorGenerator", "MSCNNProposals", "RPNHead", "RPNOutput"]
