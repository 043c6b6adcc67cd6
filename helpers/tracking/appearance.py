"""What a person looks like: features of the crop from a network's body, and their cosine distance.

Notebook 07 builds both by hand (PT §3, DT §3.2). As in Detect-and-Track's code the crop is resized to
a fixed size and the maps of one stage are flattened; the paper says res3, the code takes `layer3` (O-8).
"""

import io
from collections.abc import Sequence
from contextlib import redirect_stderr

import numpy as np
import torch
from torch import nn
from torchvision.models import resnet18
from torchvision.ops import roi_align

from helpers import WorkbookError
from helpers.nets.keypoint_rcnn import image_tensor
from helpers.people import People
from helpers.weights import from_torchvision

LAYERS = ("layer1", "layer2", "layer3")
#: Height and width of the crops in pixels. Detect-and-Track's 224 × 224 are for people ten times as large.
CROP = (64, 32)
#: What the published bodies, and the workbook's own, subtract and divide by.
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def imagenet_body() -> nn.Module:
    """ResNet-18 as trained on ImageNet (PT, DT). Raises WorkbookError where its weights cannot be had."""
    with redirect_stderr(io.StringIO()):  # torch announces the download there
        return from_torchvision(
            lambda: resnet18(weights="IMAGENET1K_V1", progress=False), "ResNet-18 trained on ImageNet"
        )


class CropEncoder:
    """An image and the boxes of its people → the maps of the crops at several stages, flattened.

    body: a ResNet, torchvision's or the workbook's own; layers: which stages, in rising order;
    size: height and width of the crops in pixels. All crops of a frame are one batch.
    Raises WorkbookError for a stage that the body does not have.
    """

    def __init__(self, body: nn.Module, layers: Sequence[str] = LAYERS, size: tuple[int, int] = CROP):
        unknown = [name for name in layers if name not in LAYERS or not hasattr(body, name)]
        if unknown:
            raise WorkbookError(f"layer {unknown[0]!r} of the body is unknown; there are {', '.join(LAYERS)}.")
        self.body, self.layers, self.size = body.eval(), tuple(layers), size

    @torch.inference_mode()
    def __call__(self, image: np.ndarray, boxes: np.ndarray) -> dict[str, np.ndarray]:
        """image uint8 H×W×3, boxes (N, 4) pixels → {layer: (N, D) float32}. A box of NaN gives zeros."""
        x = crops(image, boxes, self.size)
        x = (x - torch.tensor(MEAN)[:, None, None]) / torch.tensor(SPREAD)[:, None, None]
        x = self.body.maxpool(self.body.relu(self.body.bn1(self.body.conv1(x))))
        out, known = {}, np.isfinite(boxes).all(1)[:, None]
        for name in LAYERS[: 1 + LAYERS.index(self.layers[-1])]:
            x = getattr(self.body, name)(x)
            if name in self.layers:
                out[name] = x.flatten(1).numpy() * known
        return out


def crops(image: np.ndarray, boxes: np.ndarray, size: tuple[int, int] = CROP) -> torch.Tensor:
    """The boxes (N, 4) cut out of an uint8 H×W×3 image, bilinear: (N, 3, *size) in [0, 1].

    What lies outside the image repeats its border or is black.
    """
    boxes = torch.from_numpy(np.nan_to_num(np.asarray(boxes, np.float32)))
    return roi_align(image_tensor(image)[None], [boxes], size, sampling_ratio=2)


def cosine_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """1 − cosine of the angle between vectors (N, D) and (M, D): (N, M) in [0, 2]; a vector of zeros costs 1."""
    return 1.0 - unit(a) @ unit(b).T


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (N, D) divided by their length; zeros stay zeros."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)


class AppearanceCost:
    """Cosine distance (N, M) of the features of two frames' people, once it has been told them.

    A crop's features depend on nothing but frame and box, so these are what they are kept by.
    """

    def __init__(self) -> None:
        self._known: dict[tuple, np.ndarray] = {}

    def learn(self, people: People, features: np.ndarray) -> None:
        """Keep features (N, D) of people."""
        self._known.update(zip(_keys(people), features, strict=True))

    def features(self, people: People) -> np.ndarray:
        """What was learnt of people (N, D). Raises WorkbookError for someone unknown."""
        try:
            return np.stack([self._known[key] for key in _keys(people)])
        except KeyError as error:
            raise WorkbookError(
                f"appearance: frame {error.args[0][0]} has a person whose features were never computed."
            ) from None

    def __call__(self, previous: People, current: People) -> np.ndarray:
        if not len(previous) or not len(current):
            return np.zeros((len(previous), len(current)))
        return cosine_distance(self.features(previous), self.features(current))


def _keys(people: People) -> list[tuple]:
    return [(frame, box.tobytes()) for frame, box in zip(people.frame.tolist(), people.box, strict=True)]


def look(frames: Sequence[np.ndarray], detections: People, encoder: CropEncoder) -> dict[str, AppearanceCost]:
    """Costs of one video that know the features of all its detections, one per layer: computed once, used often."""
    costs = {name: AppearanceCost() for name in encoder.layers}
    for t, here in enumerate(detections.by_frame(len(frames))):
        for name, features in encoder(frames[t], here.box).items() if len(here) else ():
            costs[name].learn(here, features)
    return costs
