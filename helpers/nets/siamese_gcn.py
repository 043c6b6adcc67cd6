"""LightTrack's Siamese graph network: a pose becomes a point; the nearer two points, the more alike their poses.

Notebook 10 builds it joint by joint (LT §3.4). Joints are in the workbook's order, which is the released one. Where the
released code departs from the paper, both forms are here and `SiameseGcnConfig` names them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.sparse.csgraph import shortest_path
from torch import nn

from helpers import WorkbookError
from helpers.nets import pose_pairs, released
from helpers.people import Video
from helpers.skeleton import INDEX, N_JOINTS

# fmt: off
#: The bones along which joints tell one another what they know; hips hang on the shoulder of their side.
BONES = (
    (0, 1), (1, 2), (3, 4), (4, 5), (2, 8), (8, 7), (7, 6), (8, 12), (12, 9), (9, 10), (10, 11), (9, 3), (12, 13),
    (13, 14),
)
# fmt: on
#: The joint that stands for the body's centre.
CENTRE = INDEX["head_bottom"]
#: How far the distances to the centre are counted, in bones; the released code stops after the first (O-17).
PARTITIONS = {"true": np.inf, "released": 1}


@dataclass(frozen=True)
class SiameseGcnConfig:
    """partition: of `PARTITIONS`; importance: every bone has a weight that is learned, in each of the two layers.

    width: channels of a joint; features: numbers of a pose. paper: poses are divided by their boxes' sides, points lie
    on the unit sphere and the loss is the paper's; else whole pixels, points anywhere and the released loss (O-15).
    margin: how far apart points of different poses are asked to lie. Raises WorkbookError for another partition.
    """

    partition: str = "true"
    importance: bool = True
    width: int = 64
    features: int = 128
    paper: bool = True
    margin: float = 1.0

    def __post_init__(self):
        if self.partition not in PARTITIONS:
            raise WorkbookError(f"graph partition {self.partition!r} is unknown; there are {', '.join(PARTITIONS)}.")


#: What was released: 22,786 parameters.
RELEASED = SiameseGcnConfig("released", paper=False)


def hops(furthest: float = np.inf) -> np.ndarray:
    """(15, 15) number of bones from joint to joint, inf beyond the furthest that is counted."""
    graph = np.zeros((N_JOINTS, N_JOINTS))
    graph[tuple(np.transpose(BONES))] = 1
    distance = shortest_path(graph, directed=False, unweighted=True)
    return np.where(distance <= furthest, distance, np.inf)


def partitioned(partition: str = "true") -> np.ndarray:
    """(3, 15, 15): how much joint w hears from joint v, in three sets of neighbours with weights of their own.

    [0]: itself; [1]: neighbours as far from the body's centre as it or further; [2]: nearer ones (LT §3.4, figure 4).
    What a joint hears is a mean: a column's sum over all sets is 1. With "released" nearly all distances are
    infinite, so alike, and most neighbours are in set 1. Raises KeyError for another partition.
    """
    near = hops() <= 1
    heard = near / near.sum(0)
    far = hops(PARTITIONS[partition])[CENTRE]
    nearer, alone = far[:, None] < far[None, :], np.eye(N_JOINTS, dtype=bool)
    return np.stack([heard * alone, heard * (~nearer & ~alone), heard * nearer])


class GraphConvolution(nn.Module):
    """Every joint's channels, for each set of neighbours another linear map of them, summed over what it hears."""

    def __init__(self, into: int, out: int, sets: int = 3):
        super().__init__()
        self.sets, self.conv = sets, nn.Conv2d(into, out * sets, 1)

    def forward(self, x: torch.Tensor, heard: torch.Tensor) -> torch.Tensor:
        """x (N, into, 1, 15), heard (sets, 15, 15) → (N, out, 1, 15)."""
        mapped = self.conv(x).unflatten(1, (self.sets, -1))
        return torch.einsum("nkctv,kvw->nctw", mapped, heard)


class Block(nn.Module):
    """A graph convolution, then ReLU; the released code works out a shortcut beside it that it never adds."""

    def __init__(self, into: int, out: int):
        super().__init__()
        self.gcn = GraphConvolution(into, out)

    def forward(self, x: torch.Tensor, heard: torch.Tensor) -> torch.Tensor:
        """As `GraphConvolution`, at least 0."""
        return self.gcn(x, heard).relu()


class SiameseGcn(nn.Module):
    """Poses (N, 15, 2), normalised as the caller likes, → features (N, 128). Names of parameters as released."""

    def __init__(self, config: SiameseGcnConfig):
        super().__init__()
        self.config = config
        self.register_buffer("A", torch.tensor(partitioned(config.partition), dtype=torch.float32))
        self.data_bn = nn.BatchNorm1d(2 * N_JOINTS)
        self.st_gcn_networks = nn.ModuleList([Block(2, config.width), Block(config.width, config.width)])
        if config.importance:
            self.edge_importance = nn.ParameterList([torch.ones(self.A.shape) for _ in self.st_gcn_networks])
        self.fcn = nn.Conv2d(config.width, config.features, 1)

    def forward(self, poses: torch.Tensor) -> torch.Tensor:
        """Features (N, features). Raises WorkbookError for another shape."""
        if poses.ndim != 3 or poses.shape[1:] != (N_JOINTS, 2):
            raise WorkbookError(f"graph network: poses (N, {N_JOINTS}, 2) are needed, not {tuple(poses.shape)}.")
        x = self.data_bn(poses.flatten(1)).unflatten(1, (N_JOINTS, 2)).mT[:, :, None]  # (N, 2, 1, 15)
        for k, block in enumerate(self.st_gcn_networks):
            x = block(x, self.A * self.edge_importance[k] if self.config.importance else self.A)
        found = self.fcn(x.mean((2, 3), keepdim=True)).flatten(1)
        return nn.functional.normalize(found) if self.config.paper else found


def build(config: SiameseGcnConfig) -> SiameseGcn:
    """The network with random weights, drawn as released (normal, deviation 0.02), in evaluation mode."""
    model = SiameseGcn(config)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)
    return model.eval()


def load_released(path: Path | str) -> SiameseGcn:
    """The network of the published file: poses (N, 15, 2) in the order of `skeleton.JOINTS` → (N, 128), not normalised.

    The file's own partition `A` is what joints hear through. The released tracker fed whole pixels from the
    enlarged box's corner, a joint that is missing at (0, 0) of the image. Raises WorkbookError for another file.
    """
    tensors = released.tensors_of(path)
    last = tensors.get("fcn.weight")
    sizes = {} if last is None or last.ndim != 4 else {"features": last.shape[0], "width": last.shape[1]}
    config = SiameseGcnConfig("released", "edge_importance.0" in tensors, paper=False, **sizes)
    return released.take(build(config), tensors, path, "Siamese graph network")


def closeness_loss(a: torch.Tensor, b: torch.Tensor, same: torch.Tensor, margin: float, paper: bool) -> torch.Tensor:
    """The contrastive loss of pairs of features (N, F), same (N,) 1 or 0.

    Half of D² where they are the same; where not, of max(0, margin − D²), the mean over pairs (LT eq. 3), or, released,
    of max(0, margin − D)², their sum (O-15).
    """
    square = (a - b).square().sum(1)
    if paper:
        return (same * square + (1 - same) * (margin - square).clamp(min=0)).mean() / 2
    away = (margin - square.clamp(min=1e-12).sqrt()).clamp(min=0).square()
    return (same * square + (1 - same) * away).sum() / 2


Config = SiameseGcnConfig


def start_from(first: SiameseGcn | None, config: SiameseGcnConfig) -> SiameseGcn:
    """The network before training: another's weights, or random ones."""
    model = build(config)
    if first is not None:
        model.load_state_dict(first.state_dict())
    return model


def batches(videos: Sequence[Video], config: SiameseGcnConfig, batch: int, seed: int) -> Callable[[int], tuple]:
    """A function step → (poses, poses, same): pairs of true people, see `pose_pairs.Pairs`."""
    pairs = pose_pairs.Pairs(videos, config.paper)
    return lambda step: pairs.batch(batch, step, seed)


def losses(model: SiameseGcn, a: torch.Tensor, b: torch.Tensor, same: torch.Tensor) -> dict[str, torch.Tensor]:
    """The named loss of one step; both sides of the pairs go through the network at once."""
    first, second = model(torch.cat([a, b])).chunk(2)
    return {"loss": closeness_loss(first, second, same, model.config.margin, model.config.paper)}


def score(model: SiameseGcn, before: torch.Tensor, now: torch.Tensor) -> torch.Tensor:
    """How far poses (N, 15, 2) and (M, 15, 2) lie apart, (N, M): every pose goes through the network once."""
    with torch.inference_mode():
        return torch.cdist(model(before), model(now))
