"""All networks, by the class of their configuration: a new one is its own file and one entry here.

Every module has the same face: `Config`, a frozen dataclass; `build(config)` with random weights;
`start_from(first, config)`, the network before training, from another's weights or None;
`batches(videos, config, batch, seed)`, a function step → what a step of training sees; and
`detect(model, frames, which)` for those that find people (joints in given `boxes`, if that is all
they find) or `score(model, state, detections)` for those that link them. In training `model(*batch)`
gives named losses; where it does not, the module has `losses(model, *batch)`. Where joints may lie outside
their boxes the module says so: FREE_JOINTS.
"""

from types import ModuleType

from helpers import WorkbookError
from helpers.nets import (
    deconv_pose,
    high_resolution,
    inflate,
    keypoint_rcnn,
    mobile_pose,
    pyramid_pose,
    siamese_gcn,
    track_lstm,
    tubes,
)

_TOP_DOWN = (deconv_pose, high_resolution, mobile_pose, pyramid_pose)
NETWORKS: dict[type, ModuleType] = {
    module.Config: module for module in (keypoint_rcnn, inflate, tubes, track_lstm, siamese_gcn, *_TOP_DOWN)
}


def module_of(config) -> ModuleType:
    """The module of a network from its configuration. Raises WorkbookError for one that is not registered."""
    if type(config) not in NETWORKS:
        raise WorkbookError(f"network {type(config).__name__} is not registered in helpers/nets/registry.py.")
    return NETWORKS[type(config)]
