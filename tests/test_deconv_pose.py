"""Top-down pose networks against torchvision, layers written out, OpenCV, SciPy and by hand; and bad input."""

import copy
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from torch import nn
from torchvision.models import resnet50

from helpers import WorkbookError, puppets, weights
from helpers.detections import predicting, stored
from helpers.evaluation.oks import oks_ap
from helpers.experiments import poses
from helpers.nets import crops, deconv_pose, heatmaps, high_resolution, mobile_pose, pyramid_pose, top_down
from helpers.nets.counting import GIBI, multiply_adds, parameters
from helpers.nets.resnet import BodyConfig
from helpers.people import Video, concatenate, nobody, people
from helpers.skeleton import COCO, FLIP, INDEX, JOINTS, N_JOINTS
from helpers.training import obtain, stage_one, weight_file
from helpers.training.plans import POSE_ROWS

BODY = BodyConfig(18, width=8)
TINY = deconv_pose.Config(64, 32, body=BODY, channels=8)
FAMILY = {
    deconv_pose: TINY,
    high_resolution: high_resolution.Config(64, 32, channels=4),
    mobile_pose: mobile_pose.Config(64, 32, share=0.25, channels=8),
    pyramid_pose: pyramid_pose.Config(64, 32, body=BODY, channels=16),
}


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def shaken(model: nn.Module) -> nn.Module:
    """Weights and statistics that differ everywhere, so that no layer is nearly the identity or nearly zero."""
    for m in model.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.normal_(0, 0.3)
            m.running_var.uniform_(0.5, 2)
            m.weight.data.uniform_(0.5, 1.5)
            m.bias.data.normal_(0, 0.2)
        elif isinstance(m, nn.Conv2d | nn.ConvTranspose2d):
            m.weight.data.normal_(0, (2 / m.weight[0].numel()) ** 0.5)
    return model.eval()


# --- the released network, written out -------------------------------------------------------------


BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def normalisation(name: str, n: int) -> dict[str, torch.Tensor]:
    """Of a layer that the released network calls so."""
    values = {"weight": torch.rand(n) + 0.5, "bias": torch.randn(n) / 5, "running_mean": torch.randn(n) / 5}
    values |= {"running_var": torch.rand(n) + 0.5, "num_batches_tracked": torch.tensor(7)}
    return {f"{name}.{k}": v for k, v in values.items()}


def convolution(name: str, *shape: int) -> dict[str, torch.Tensor]:
    return {f"{name}.weight": torch.randn(shape) * (2 / np.prod(shape[1:])) ** 0.5}


def as_released(depth=18, joints=17, number=3, kernel=4, width=8, channels=8) -> dict[str, torch.Tensor]:
    """A dictionary of the released network's names and shapes, from the paper's description; random numbers."""
    long, out, into = depth >= 50, {}, width
    out |= convolution("conv1", width, 3, 7, 7) | normalisation("bn1", width)
    for stage, repeats in enumerate(BLOCKS[depth], 1):
        planes = width * 2 ** (stage - 1)
        end = planes * (4 if long else 1)
        for i in range(repeats):
            name, sizes = f"layer{stage}.{i}", [(into, planes, 3), (planes, planes, 3)]
            if long:
                sizes = [(into, planes, 1), (planes, planes, 3), (planes, end, 1)]
            for k, (a, b, side) in enumerate(sizes, 1):
                out |= convolution(f"{name}.conv{k}", b, a, side, side) | normalisation(f"{name}.bn{k}", b)
            if i == 0 and (into != end or stage > 1):
                out |= convolution(f"{name}.downsample.0", end, into, 1, 1)
                out |= normalisation(f"{name}.downsample.1", end)
            into = end
    for k in range(number):
        out |= convolution(f"deconv_layers.{3 * k}", into, channels, kernel, kernel)
        out |= normalisation(f"deconv_layers.{3 * k + 1}", channels)
        into = channels
    return out | convolution("final_layer", joints, channels, 1, 1) | {"final_layer.bias": torch.randn(joints)}


def run_released(t: dict[str, torch.Tensor], x: torch.Tensor, number: int, kernel: int) -> torch.Tensor:
    """What the released network computes, layer by layer from its tensors (eps 1e-5, strides in the 3 × 3 ones)."""

    def norm(name, x):
        parts = (t[f"{name}.{k}"] for k in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, *parts, eps=1e-5)

    x = F.max_pool2d(F.relu(norm("bn1", F.conv2d(x, t["conv1.weight"], stride=2, padding=3))), 3, 2, 1)
    for name in sorted(
        {n.rsplit(".conv", 1)[0] for n in t if ".conv1." in n}, key=lambda n: [*map(int, n[5:].split("."))]
    ):
        stride, y = 2 if name[5:] in ("2.0", "3.0", "4.0") else 1, x
        parts = [k for k in (1, 2, 3) if f"{name}.conv{k}.weight" in t]
        for k in parts:
            w = t[f"{name}.conv{k}.weight"]
            here = stride if k == (2 if len(parts) == 3 else 1) else 1
            y = norm(f"{name}.bn{k}", F.conv2d(y, w, stride=here, padding=w.shape[-1] // 2))
            y = F.relu(y) if k < len(parts) else y
        if f"{name}.downsample.0.weight" in t:
            x = norm(f"{name}.downsample.1", F.conv2d(x, t[f"{name}.downsample.0.weight"], stride=stride))
        x = F.relu(x + y)
    padding, more = {4: (1, 0), 3: (1, 1), 2: (0, 0)}[kernel]
    for k in range(number):
        w = t[f"deconv_layers.{3 * k}.weight"]
        x = F.relu(norm(f"deconv_layers.{3 * k + 1}", F.conv_transpose2d(x, w, None, 2, padding, more)))
    return F.conv2d(x, t["final_layer.weight"], t["final_layer.bias"])


@pytest.mark.parametrize(
    "depth, number, kernel", [(18, 3, 4), (34, 2, 4), (50, 3, 2), (50, 2, 3), (101, 3, 4), (152, 3, 3)]
)
def test_released_weights_give_the_released_heatmaps(tmp_path, depth, number, kernel):
    tensors = as_released(depth, 17, number, kernel)
    torch.save(tensors, tmp_path / "pose.pth")
    model = deconv_pose.load_released(tmp_path / "pose.pth")
    x = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        ours, theirs = model(x), run_released(tensors, x, number, kernel)
    side = 4 if number == 3 else 8
    assert ours.shape == (2, 17, 64 // side, 96 // side) and theirs.std() > 0.1
    torch.testing.assert_close(ours, theirs, atol=1e-5 * float(theirs.abs().max()), rtol=0)
    assert model.config.body.depth == depth and not model.training and model.config.bgr


def test_names_and_shapes_are_the_released_ones_at_full_width():
    with torch.device("meta"):
        ours = deconv_pose.build(deconv_pose.Config(joints=16)).state_dict()
        theirs = as_released(50, 16, width=64, channels=256)
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}
    assert ours["deconv_layers.0.weight"].shape == (2048, 256, 4, 4) and "deconv_layers.7.running_var" in ours


def test_released_files_come_wrapped_prefixed_and_without_counters(tmp_path):
    tensors, x = as_released(joints=15), torch.randn(1, 3, 32, 32)
    old = {k: v for k, v in tensors.items() if "num_batches" not in k}  # before PyTorch 0.4.1
    forms = [tensors, {"state_dict": tensors, "epoch": 140}, {f"module.{k}": v for k, v in tensors.items()}, old]
    forms.append({"epoch": 3, "state_dict": {f"module.{k}": v for k, v in old.items()}, "optimizer": {"state": {}}})
    said = []
    for k, form in enumerate(forms):
        torch.save(form, tmp_path / f"{k}.pth")
        said.append(deconv_pose.load_released(tmp_path / f"{k}.pth", joints=15)(x))
    assert all(torch.equal(one, said[0]) for one in said)
    assert said[0].shape == (1, 15, 8, 8)


class NotAllowed:
    pass


@pytest.mark.parametrize(
    "change, sentence",
    [
        (lambda t: t | {"final_layer.bias": torch.zeros(16)}, r"tensor final_layer\.bias is 16, not 17\.$"),
        (
            lambda t: {k: v for k, v in t.items() if k != "bn1.weight"},
            r"ResNet-18 .*; the tensor bn1\.weight is missing\.$",
        ),
        (lambda t: t | {"fc.weight": torch.zeros(3)}, r"it has no tensor fc\.weight\.$"),
        (lambda t: t | {"bn1.bias": torch.full((8,), float("nan"))}, r"the tensor bn1\.bias is not finite\.$"),
        (lambda t: {k: v for k, v in t.items() if "final" not in k}, r"final_layer\.weight is missing\.$"),
        (lambda t: {k: v for k, v in t.items() if "deconv" not in k}, r"deconv_layers\.0\.weight is missing\.$"),
        (
            lambda t: {k: v for k, v in t.items() if "layer3.1" not in k},
            r"\(2, 2, 1, 2\) blocks in its stages are of none",
        ),
        (lambda t: {k: v for k, v in t.items() if k != "conv1.weight"}, r"the tensor conv1\.weight is missing\.$"),
        (lambda t: t | {"conv1.weight": torch.tensor(1.0)}, r"the tensor conv1\.weight is missing\.$"),
        (lambda t: t | {"bn1.running_var": torch.full((8,), -1.0)}, r"bn1\.running_var holds negative variances\.$"),
        (lambda t: t | {"bn1.bias": torch.full((8,), 1e300, dtype=torch.float64)}, r"bn1\.bias is not finite\.$"),
        *(
            (lambda t, name=name, odd=odd: t | {name: odd(t[name])}, f"tensor {name} holds no plain real numbers")
            for name, odd in {
                "bn1.bias": torch.Tensor.to_sparse,
                "bn1.weight": lambda v: v.to("meta"),
                "conv1.weight": lambda v: v.to(torch.complex64),
                "bn1.running_mean": lambda v: v > 0,
                "final_layer.weight": lambda v: v[:0],
                "deconv_layers.0.weight": lambda v: torch.zeros(0, 300000, 4, 4),
                "deconv_layers.3.weight": lambda v: v[:1].expand(300000, *v.shape[1:]),
            }.items()
        ),
        (lambda t: t | {"conv1.weight": torch.zeros(300000, 1, 1, 1)}, r"conv1\.weight is 300000 × 1 × 1 × 1, not"),
        (lambda t: t | as_released(kernel=5), r"3 deconvolutions of kernel 5 cannot be"),
        (lambda t: {}, r"holds no dictionary of tensors, alone or under state_dict\.$"),
        (lambda t: {"state_dict": 3}, r"holds no dictionary of tensors"),
        (lambda t: [1, 2], r"holds no dictionary of tensors"),
        (lambda t: NotAllowed(), r"is no readable file of PyTorch weights"),
    ],
)
def test_a_file_of_something_else_is_one_sentence(tmp_path, change, sentence):
    torch.save(change(as_released()), tmp_path / "pose.pth")
    with pytest.raises(WorkbookError, match=sentence) as fault:
        deconv_pose.load_released(tmp_path / "pose.pth")
    assert "\n" not in str(fault.value)


def test_wrong_joints_sizes_and_no_file_are_one_sentence(tmp_path):
    torch.save(as_released(joints=17), tmp_path / "pose.pth")
    with pytest.raises(WorkbookError, match=r"pose\.pth: is a network of 17 joints, not of 15\.$"):
        deconv_pose.load_released(tmp_path / "pose.pth", joints=15)
    with pytest.raises(WorkbookError, match=r"crops of 250 × 192 do not divide by the body's 32\.$"):
        deconv_pose.load_released(tmp_path / "pose.pth", 250)
    with pytest.raises(WorkbookError, match=r"none\.pth: is missing\.$"):
        deconv_pose.load_released(tmp_path / "none.pth")
    (tmp_path / "pose.pth").write_bytes(b"half a file")
    with pytest.raises(WorkbookError, match=r"pose\.pth: is no readable file of PyTorch weights"):
        deconv_pose.load_released(tmp_path / "pose.pth")


def test_a_high_resolution_file_loads_by_its_names(tmp_path):
    config = high_resolution.Config(64, 32, 17, channels=4)
    model = shaken(high_resolution.build(config))
    names = model.state_dict().keys()
    # as released: transitions and exchanges are numbered even where nothing is computed
    assert {
        "transition1.1.0.0.weight",
        "transition3.3.0.1.bias",
        "stage2.0.fuse_layers.1.0.0.0.weight",
        "stage3.3.branches.2.3.conv2.weight",
        "stage4.0.fuse_layers.3.0.2.1.running_mean",
        "stage4.2.fuse_layers.0.3.1.weight",
    } <= names
    assert not any(n.startswith(("stage4.2.fuse_layers.1", "transition2.0", "stage2.0.fuse_layers.0.0")) for n in names)
    torch.save({"state_dict": {f"module.{k}": v for k, v in model.state_dict().items()}}, tmp_path / "hr.pth")
    x = torch.randn(1, 3, 64, 64)
    again = high_resolution.load_released(tmp_path / "hr.pth", joints=17)
    torch.testing.assert_close(again(x), model(x))
    with pytest.raises(WorkbookError, match="network of 17 joints, not of 15"):
        high_resolution.load_released(tmp_path / "hr.pth", joints=15)
    torch.save(as_released(channels=4), tmp_path / "hr.pth")
    with pytest.raises(WorkbookError, match="no high-resolution network of 4 channels; the tensor conv1.weight is 8"):
        high_resolution.load_released(tmp_path / "hr.pth")


# --- sizes -----------------------------------------------------------------------------------------


def counted(module, config) -> tuple[float, float, float]:
    """Millions of parameters, multiply-adds as tables print them (2³⁰), and those that are computed (10⁹)."""
    with torch.device("meta"):
        model = module.build(config)
    printed, real = (multiply_adds(model, config.size, as_printed) for as_printed in (True, False))
    return parameters(model) / 1e6, printed / GIBI, real / 1e9


@pytest.mark.parametrize(
    "depth, millions, printed", [(50, 34.0, (8.9, 20.0)), (101, 53.0, (12.4, 27.9)), (152, 68.6, (15.7, 35.3))]
)
def test_sizes_are_the_published_ones(depth, millions, printed):
    """Parameters to 0.1 %, multiply-adds to 1.2 %: tables cut 8.99 off to 8.9, and made 20.0 of it as 2.25 × 8.9."""
    for height, giga in zip((256, 384), printed, strict=True):
        config = deconv_pose.Config(height, height * 3 // 4, len(COCO), body=BodyConfig(depth))
        has, says, computed = counted(deconv_pose, config)
        assert has == pytest.approx(millions, rel=0.001)
        assert says == pytest.approx(giga, rel=0.005 if depth > 50 else 0.012)
        assert round(giga, 1) == round(printed[0] * (height / 256) ** 2, 1)
        assert computed == pytest.approx(says * GIBI / 1e9 - 3 / 4 * _on_outputs(2048, *config.size), rel=1e-3)


def _on_outputs(into, height, width):
    """Multiply-adds in 10⁹ of three 4 × 4 deconvolutions of 256 channels, if each were a convolution on its output."""
    cells = [height * width // 4**k for k in (4, 3, 2)]
    return 16 * 256 * (into * cells[0] + 256 * cells[1] + 256 * cells[2]) / 1e9


def test_both_counts_by_hand():
    """One deconvolution: 4 × 4 weights at each input cell, or, as tables have it, at each of four times as many."""
    config = deconv_pose.Config(64, 32, body=BodyConfig(18, width=8), channels=8, deconvolutions=1)
    with torch.device("meta"):
        model = deconv_pose.build(config)
    whole = [multiply_adds(model, config.size, p) for p in (True, False)]
    assert whole[0] - whole[1] == 3 * (2 * 1) * 64 * 8 * 16
    with torch.device("meta"):
        plain = nn.Conv2d(5, 7, 3, padding=1)
    plain_model = nn.Sequential(nn.Conv2d(3, 5, 1, device="meta"), plain)
    assert multiply_adds(plain_model, (6, 4)) == multiply_adds(plain_model, (6, 4), True) == 24 * (3 * 5 + 5 * 7 * 9)
    assert parameters(plain) == 5 * 7 * 9 + 7


def test_the_other_networks_have_their_published_sizes():
    for channels, size, millions, giga in ((48, (384, 288), 63.6, 32.9), (32, (256, 192), 28.5, 7.1)):
        has, says, _ = counted(high_resolution, high_resolution.Config(*size, len(COCO), channels=channels))
        assert has == pytest.approx(millions, rel=0.002) and says == pytest.approx(giga, rel=0.005)
    has = counted(pyramid_pose, pyramid_pose.Config(256, 192, len(COCO), body=BodyConfig(50)))[0]
    assert has == pytest.approx(27.0, rel=0.002)
    with torch.device("meta"):
        assert parameters(mobile_pose.build(mobile_pose.Config()).body) == 3_206_976  # MobileNet without its classifier


# --- bodies and the family ---------------------------------------------------------------------------


def test_the_body_computes_torchvisions_features():
    theirs = shaken(resnet50())
    ours = deconv_pose.build(deconv_pose.Config(64, 32, channels=8))
    missing, unexpected = ours.load_state_dict(theirs.state_dict(), strict=False)
    assert all(name.startswith(("deconv_layers", "final_layer")) for name in missing)
    assert set(unexpected) == {"fc.weight", "fc.bias"}
    x, seen = torch.randn(1, 3, 64, 32), []
    ours.layer4.register_forward_hook(lambda *args: seen.append(args[-1]))
    ours(x)
    for name in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"):
        x = getattr(theirs, name)(x)
    torch.testing.assert_close(seen[0], x)


@pytest.mark.parametrize("module", FAMILY, ids=lambda m: m.__name__.rsplit(".", 1)[-1])
def test_every_network_of_the_family_has_the_same_face(module):
    config = FAMILY[module]
    model = module.build(config)
    assert not model.training and isinstance(config, top_down.CropConfig)
    assert module.detect is top_down.detect and module.batches is top_down.batches
    assert model(torch.zeros(2, 3, 64, 32)).shape == (2, N_JOINTS, 16, 8)
    assert model(torch.zeros(1, 3, 96, 160)).shape == (1, N_JOINTS, 24, 40)  # any size
    images, target, weight = top_down.batches(puppets.videos("train", n=2), config, 4, 0)(0)
    model.train()
    losses = module.losses(model, images, target, weight)
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in model.parameters()), "a part is not connected"
    other = module.start_from(model.eval(), replace(config, joints=17))
    before = model.state_dict()
    heads = ("final_layer", "levels")
    kept = {k: torch.equal(v, before[k]) for k, v in other.state_dict().items() if not k.startswith(heads)}
    assert all(kept.values()) and other.final_layer.out_channels == 17
    with pytest.raises(WorkbookError, match="crops of 65 × 32 do not divide"):
        replace(config, height=65)


def test_a_pyramid_is_pulled_by_its_hardest_joints_only():
    model = shaken(pyramid_pose.build(FAMILY[pyramid_pose])).train()
    images, target, weight = torch.randn(2, 3, 64, 32), torch.rand(2, 15, 16, 8), torch.ones(2, 15)
    says, refined = model.both(images)
    losses = pyramid_pose.losses(model, images, target, weight)
    each = ((refined - target) ** 2).mean((2, 3)) / 2
    expected = each.sort(1, descending=True).values[:, :7].mean()
    torch.testing.assert_close(losses["loss_refined"], expected, rtol=1e-4, atol=1e-6)
    level = torch.stack([((s - target) ** 2).mean() / 2 for s in says]).mean()
    torch.testing.assert_close(losses["loss_pyramid"], level * 7 / 15, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("change", [{"kernel": 5}, {"deconvolutions": 0}, {"kernel": 1}])
def test_impossible_heads_are_one_sentence(change):
    with pytest.raises(WorkbookError, match="kernels are 2, 3, 4, and at least one is needed"):
        replace(TINY, **change)


# --- crops -----------------------------------------------------------------------------------------


boxes_of = st.lists(st.floats(-500, 2000), min_size=4, max_size=4)


@settings(max_examples=100, deadline=None)
@given(boxes_of, st.floats(-180, 180), st.floats(0.5, 2), st.lists(st.floats(-3000, 3000), min_size=6, max_size=6))
def test_there_and_back_is_exact(box, angle, zoom, points):
    maps = crops.affines([box], (256, 192), angle, zoom)
    points = np.reshape(points, (1, 3, 2))
    np.testing.assert_allclose(crops.moved(crops.inverse(maps), crops.moved(maps, points)), points, atol=1e-3)
    np.testing.assert_allclose(crops.moved(maps, crops.moved(crops.inverse(maps), points)), points, atol=1e-3)


@pytest.mark.parametrize("box", [[100, 50, 160, 250], [10, 20, 200, 60], [-30, 5, 12, 400]])
def test_a_crop_is_the_one_of_three_points(box):
    """Middle, a point half the width up from it, turned, and the third corner: how the released code defines it."""
    height, width, angle, zoom = 256, 192, 35.0, 1.2
    middle, (w, h) = np.array([box[0] + box[2], box[1] + box[3]]) / 2, (box[2] - box[0], box[3] - box[1])
    wide = max(w, h * width / height) * 1.25 * zoom
    turn = np.deg2rad(angle)
    up = np.array([wide / 2 * np.sin(turn), -wide / 2 * np.cos(turn)])

    def third(a, b):
        return b + np.array([-(a - b)[1], (a - b)[0]])

    source = [middle, middle + up, third(middle, middle + up)]
    aim = [np.array([width / 2, height / 2]), np.array([width / 2, height / 2 - width / 2])]
    expected = cv2.getAffineTransform(np.float32(source), np.float32([*aim, third(*aim)]))
    ours = crops.affines([box], (height, width), -angle, zoom)[0]
    np.testing.assert_allclose(ours, expected, atol=2e-3)


def test_one_warp_is_scipys_and_opencvs_of_each():
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (3, 40, 60, 3), dtype=np.uint8)
    whose = np.array([2, 0, 2, 2, 0])
    boxes = np.array([[5, 5, 25, 35], [-20, -10, 20, 15], [30, 2, 61, 41], [10.3, 8.2, 12.9, 30], [70, 50, 90, 80]])
    maps = crops.affines(boxes, (32, 24), [0, 20, -50, 90, 0])
    ours = crops.warp(crops.stacked(frames), whose, maps, (32, 24)).permute(0, 2, 3, 1).numpy() * 255
    assert ours.shape == (5, 32, 24, 3)
    for crop, t, there, back in zip(ours, whose, maps, crops.inverse(maps), strict=True):
        rows = back[::-1, :2][:, ::-1]  # SciPy counts rows first
        by_scipy = [
            ndimage.affine_transform(
                frames[t, ..., c].astype(float), rows, back[::-1, 2], (32, 24), order=1, mode="grid-constant"
            )
            for c in range(3)
        ]
        np.testing.assert_allclose(crop, np.stack(by_scipy, -1), atol=0.02)
        by_opencv = cv2.warpAffine(frames[t].astype(np.float32), there, (24, 32), flags=cv2.INTER_LINEAR)
        assert np.abs(crop - by_opencv).mean() < 2  # OpenCV rounds places to a 32nd of a pixel
    alone = [
        crops.warp(crops.stacked(frames[t : t + 1]), [0], m[None], (32, 24)) for t, m in zip(whose, maps, strict=True)
    ]
    np.testing.assert_allclose(ours / 255, torch.cat(alone).permute(0, 2, 3, 1), atol=1e-4)


def test_boxes_outside_of_one_pixel_and_of_none():
    frame = np.full((20, 30, 3), 200, np.uint8)
    boxes = [[100, 100, 140, 160], [5, 5, 6, 6], [7, 7, 7, 7]]
    maps = crops.affines(boxes, (64, 48))
    outside, pixel, point = crops.warp(crops.stacked([frame]), [0, 0, 0], maps, (64, 48))
    assert (outside == 0).all() and (pixel > 0.7).all() and np.isfinite(maps).all() and (point > 0.7).all()
    assert crops.warp(crops.stacked([frame]), [], maps[:0], (64, 48)).shape == (0, 3, 64, 48)
    tiny = crops.warp(crops.stacked([frame[:1, :1]]), [0], crops.affines([[-1, -1, 1, 1]], (64, 48)), (64, 48))
    assert torch.isfinite(tiny).all()


@pytest.mark.parametrize(
    "boxes, sentence",
    [
        ([[0, 0, 1, np.nan], [0, 0, 1, 1]], "box 0 is not finite"),
        ([[0, 0, 1, 1], [0, 0, np.inf, 1]], "box 1 is not finite"),
        ([0, 0, 1, 1], r"boxes of shape \(N, 4\) needed, got \(4,\)"),
        (np.zeros((2, 5)), r"got \(2, 5\)"),
    ],
)
def test_wrong_boxes_are_one_sentence(boxes, sentence):
    with pytest.raises(WorkbookError, match=sentence):
        crops.affines(boxes, (64, 48))


@pytest.mark.parametrize("frame", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_a_wrong_frame_is_one_sentence(frame):
    with pytest.raises(WorkbookError, match="frames: uint8"):
        crops.stacked([frame])


def test_training_frames_may_have_many_sizes():
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, size, dtype=np.uint8) for size in ((30, 40, 3), (44, 22, 3))]
    maps = crops.affines([[15, 10, 45, 35], [10, 20, 30, 50]], (32, 24), 20)
    together = crops.warp(crops.stacked(frames, alike=False), [0, 1], maps, (32, 24))
    for k, frame in enumerate(frames):
        torch.testing.assert_close(
            together[k], crops.warp(crops.stacked([frame]), [0], maps[k : k + 1], (32, 24))[0], atol=1e-4, rtol=0
        )


def test_frames_of_two_sizes_are_one_sentence():
    with pytest.raises(WorkbookError, match=r"all of one video need one size, found 4 × 4 and 5 × 4\.$"):
        crops.stacked([np.zeros((4, 4, 3), np.uint8), np.zeros((5, 4, 3), np.uint8)])


# --- heatmaps ----------------------------------------------------------------------------------------


def test_targets_by_hand():
    xy = torch.tensor([[[8.0, 4.0], [9.9, 4.0], [10.0, 4.0], [-30.0, 4.0], [0.0, 0.0], [float("nan"), 0.0]]])
    present = torch.tensor([[True, True, True, True, False, False]])
    heat, weight = heatmaps.targets(xy, present, (20, 16), 4, 1.0)
    assert heat.shape == (1, 6, 20, 16) and weight.tolist() == [[1, 1, 1, 0, 0, 0]]
    assert heat[0, 0, 1, 2] == 1 and heat[0, 1, 1, 2] == 1 and heat[0, 2, 1, 3] == 1  # 2.475 to 2, 2.5 to 3
    assert heat[0, 0, 1, 5].item() == pytest.approx(np.exp(-4.5)) and heat[0, 0, 1, 6] == 0  # three sigmas, no more
    assert heat[0, 0, 3, 3].item() == pytest.approx(np.exp(-(1 + 4) / 2))
    assert (heat[0, 3:] == 0).all()
    half_in, counts = heatmaps.targets(torch.tensor([[[-8.0, 40.0]]]), torch.tensor([[True]]), (20, 16), 4, 1.0)
    assert counts.item() == 1 and half_in[0, 0, 10, 0].item() == pytest.approx(np.exp(-2))


def test_losses_by_hand():
    target = torch.zeros(2, 3, 2, 2)
    heat = torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1).expand(2, 3, 2, 2).clone()
    weight = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    assert heatmaps.masked_mse(heat, target, weight).item() == pytest.approx((1 + 4 + 1 + 4 + 9) / 6 / 2)
    assert heatmaps.hard_joints_mse(heat, target, weight, 2).item() == pytest.approx((1 + 4 + 4 + 9) / 4 / 2)
    assert heatmaps.hard_joints_mse(heat, target, weight, 9) == heatmaps.masked_mse(heat, target, weight)


def test_what_is_masked_pulls_nothing():
    heat = torch.rand(2, 3, 4, 4, requires_grad=True)
    weight = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    heatmaps.masked_mse(heat, torch.rand(2, 3, 4, 4), weight).backward()
    assert ((heat.grad.abs().sum((2, 3)) > 0) == (weight > 0)).all()


def test_peaks_and_quarter_offsets_by_hand():
    heat = torch.zeros(1, 4, 6, 8)
    heat[0, 0, 3, 4], heat[0, 0, 3, 5], heat[0, 0, 2, 4], heat[0, 0, 4, 4] = 1.0, 0.5, 0.3, 0.2  # right and up
    heat[0, 1, 3, 4], heat[0, 1, 3, 5], heat[0, 1, 3, 3] = 1.0, 0.5, 0.5  # neither
    heat[0, 2, 1, 4], heat[0, 2, 1, 5] = 1.0, 0.5  # row 1: too near the border
    heat[0, 3] = -1.0
    heat[0, 3, 3, 3] = -0.5  # nothing above 0
    cell, score = heatmaps.peaks(heat)
    assert cell.tolist() == [[[4, 3], [4, 3], [4, 1], [0, 0]]] and score.tolist() == [[1, 1, 1, -0.5]]
    assert heatmaps.quarter_offset(heat, cell).tolist() == [[[4.25, 2.75], [4, 3], [4, 1], [0, 0]]]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 7), st.integers(1, 7))
def test_quarter_offsets_are_the_loops(seed, h, w):
    heat = torch.from_numpy(np.random.default_rng(seed).integers(-2, 9, (2, 3, h, w))).float()
    cell, _ = heatmaps.peaks(heat)
    ours = heatmaps.quarter_offset(heat, cell)
    for n in range(2):
        for j in range(3):
            (x, y), map_, off = cell[n, j].tolist(), heat[n, j], [0.0, 0.0]
            if 1 < x < w - 1 and 1 < y < h - 1:
                off = [np.sign(map_[y, x + 1] - map_[y, x - 1]) / 4, np.sign(map_[y + 1, x] - map_[y - 1, x]) / 4]
            assert ours[n, j].tolist() == [x + float(off[0]), y + float(off[1])]


def test_a_mirrored_map_turns_back_with_its_joints():
    heat = torch.rand(1, N_JOINTS, 4, 6)
    right, left = INDEX["right_wrist"], INDEX["left_wrist"]
    back = heatmaps.unflipped(heat, 0)
    assert torch.equal(back[0, right], heat[0, left].flip(-1)) and torch.equal(heatmaps.unflipped(back, 0), heat)
    shifted = heatmaps.unflipped(heat)
    assert torch.equal(shifted[..., 1:], back[..., :-1]) and torch.equal(shifted[..., 0], back[..., 0])


class Sums(nn.Module):
    """A network that mirrors as its input does: every joint's map is the input's mean over 4 × 4 pixels, above 0."""

    def __init__(self, config=TINY):
        super().__init__()
        self.config, self.scale = config, nn.Parameter(torch.ones(1))

    def forward(self, x):
        return F.avg_pool2d(x.mean(1, keepdim=True), 4).expand(-1, self.config.joints, -1, -1) * self.scale + 3


def test_the_flip_test_changes_nothing_for_a_network_that_mirrors():
    images = torch.rand(2, 3, 64, 32)
    model = Sums()
    plain, both = (top_down.heat_of(model, images, flip, shift=0) for flip in (False, True))
    torch.testing.assert_close(plain, both)
    assert not torch.allclose(top_down.heat_of(model, images, True, shift=1), plain)


def test_the_shift_is_what_strided_cells_need():
    """A joint at pixel x lies in cell x / 4; mirrored and back it comes three quarters of a cell too far left."""
    for stride, wrong in ((2, 0.5), (4, 0.75)):
        width, x = 48, 20
        mirrored_cell = (width - 1 - x) / stride
        back = (width // stride - 1) - mirrored_cell
        assert x / stride - back == pytest.approx(wrong)


# --- training examples and finding joints ------------------------------------------------------------


def dotted(xy, size=(80, 60), radius=2) -> np.ndarray:
    """A dark frame with a bright dot."""
    frame = np.full((size[1], size[0], 3), 10, np.uint8)
    cv2.circle(frame, (round(xy[0] * 16), round(xy[1] * 16)), radius * 16, (255, 255, 255), -1, cv2.LINE_AA, 4)
    return frame


def somebody(xy, box, joint="left_wrist", frame=0, **more):
    present = np.zeros((1, N_JOINTS), bool)
    present[0, INDEX[joint]] = True
    return people(frame=[frame], box=[box], xy=np.tile(np.array(xy, float), (1, N_JOINTS, 1)), present=present, **more)


def test_targets_stand_on_what_the_crops_show():
    """Turned, zoomed and mirrored: the dot in the crop is where the target is, under its name or its mirror's."""
    xy, box = (37.0, 22.0), [20.0, 10.0, 50.0, 50.0]
    video = Video("v", (80, 60), np.ones(1, bool), somebody(xy, box), frames=[dotted(xy)])
    draw = top_down.batches([video], TINY, 64, 0)
    images, target, weight = draw(0)
    assert images.shape == (64, 3, 64, 32) and target.shape == (64, 15, 16, 8)
    names = weight.argmax(1)
    assert (weight.sum(1) <= 1).all() and set(names[weight.sum(1) > 0].tolist()) == {
        INDEX["left_wrist"],
        INDEX["right_wrist"],
    }
    assert 0.3 < (names == INDEX["right_wrist"]).float().mean() < 0.7
    seen = 0
    for image, heat in zip(images.mean(1), target.amax(1), strict=True):
        if heat.max() < 1 or not 4 < (place := int(image.argmax())) % 32 < 28 or not 4 < place // 32 < 60:
            continue
        bright = torch.nonzero(image > image.max() - 0.3).float().mean(0)
        cell = torch.nonzero(heat == heat.max()).float().mean(0) * 4
        assert (bright - cell).abs().max() < 3.2, (bright, cell)  # half a cell, and the dot's size
        seen += 1
    assert seen > 30
    again = top_down.batches([video], TINY, 64, 0)
    again(5)
    assert all(torch.equal(a, b) for a, b in zip(again(0), (images, target, weight), strict=True))
    assert not torch.equal(top_down.batches([video], TINY, 64, 1)(0)[0], images)


@pytest.mark.parametrize("mirrored", [0.0, 1.0])
def test_every_joint_is_mirrored_to_the_pixel_under_its_mirrors_name(monkeypatch, mirrored):
    """Without turns and zooms: pixel x of W comes to W − 1 − x, and every joint stands at another x."""
    for name, value in (("ZOOM", 0.0), ("TURNED", 0.0), ("MIRRORED", mirrored)):
        monkeypatch.setattr(top_down, name, value)
    xy = np.stack([20.3 + 1.7 * np.arange(N_JOINTS), 11.2 + 2.3 * np.arange(N_JOINTS)], -1)[None]
    one = people(frame=[0], box=[[15.0, 5, 55, 50]], xy=xy)
    video = Video("v", (80, 60), np.ones(1, bool), one, frames=[dotted((30, 30))])
    images, target, weight = top_down.batches([video], TINY, 1, 0)(0)
    maps = crops.affines(one.box, TINY.size)
    place, seen = crops.moved(maps, xy), crops.warp(crops.stacked(video.frames), [0], maps, TINY.size)
    if mirrored:
        place = np.stack([TINY.width - 1 - place[..., 0], place[..., 1]], -1)[:, FLIP]
        seen = seen.flip(-1)
    torch.testing.assert_close(images, top_down.normalised(seen))
    cells, score = heatmaps.peaks(target)
    assert (score == 1).all() and (weight == 1).all()
    assert (cells.numpy() == np.floor(place / TINY.stride + 0.5)).all()


def test_steps_and_seeds_are_two_numbers_and_a_batch_has_its_size():
    (video,) = puppets.videos("train", n=1)
    assert np.bincount(top_down.usable(video).frame).max() > 3
    draws = [top_down.batches([video], TINY, 3, seed) for seed in range(3)]
    seen = {draw(step)[0].numpy().tobytes() for draw in draws for step in range(4)}
    assert len(seen) == 12 and draws[0](0)[0].shape == (3, 3, 64, 32)


def test_only_people_with_a_joint_and_a_box_in_the_image_are_trained_on():
    one = somebody((30, 30), [20.0, 20.0, 40.0, 40.0])
    unseen = one.replace(present=np.zeros((1, N_JOINTS), bool))
    outside = one.replace(box=[[200.0, 0, 240, 40]])
    boxless = one.replace(box=np.full((1, 4), np.nan))
    video = Video(
        "v", (80, 60), np.ones(1, bool), concatenate([unseen, outside, one, boxless]), frames=[dotted((30, 30))]
    )
    assert len(top_down.usable(video)) == 1
    assert top_down.batches([video], TINY, 3, 0)(0)[0].shape[0] == 3
    with pytest.raises(WorkbookError, match="nobody with a joint and a box is labelled"):
        top_down.batches([replace(video, people=outside)], TINY, 3, 0)


def test_joints_come_back_where_they_were():
    config = replace(TINY, height=128, width=96)
    model = Sums(config)
    for xy in ((37.0, 22.0), (30.0, 41.0)):
        found = top_down.detect(model, [dotted(xy)], boxes=somebody(xy, [20.0, 10.0, 50.0, 50.0]), flip=False)
        assert np.abs(found.xy[0] - xy).max() < 1.5 and found.present.all()
        both = top_down.detect(model, [dotted(xy)], boxes=somebody(xy, [20.0, 10.0, 50.0, 50.0]), shift=0)
        np.testing.assert_allclose(both.xy, found.xy, atol=0.3)


def test_quarter_offsets_bring_joints_nearer():
    model = Sums(replace(TINY, height=128, width=96))
    rng, errors = np.random.default_rng(0), {True: [], False: []}
    for _ in range(30):
        xy = rng.uniform([30, 20], [42, 42])
        for quarter, off in errors.items():
            # a cell's mean looks at pixels 4 c … 4 c + 3: its middle is 1.5 pixels of the crop right of 4 c
            boxes = somebody(xy, [20.0, 10.0, 50.0, 50.0])
            maps = crops.affines(boxes.box, (128, 96))
            found = top_down.detect(model, [dotted(xy)], boxes=boxes, flip=False, quarter=quarter)
            off.append(
                np.linalg.norm(crops.moved(maps, found.xy)[0, 0] + 1.5 - crops.moved(maps, xy[None, None])[0, 0])
            )
    assert np.mean(errors[True]) < 0.9 * np.mean(errors[False])


def test_scores_are_the_boxs_times_the_mean_of_sure_joints(monkeypatch):
    heat = torch.zeros(1, N_JOINTS, 16, 8)
    heat[0, :4, 5, 4] = torch.tensor([0.9, 0.5, 0.19, 0.1])
    monkeypatch.setattr(top_down, "heat_of", lambda *args: heat)
    found = top_down.detect(
        Sums(), [dotted((30, 30))], boxes=somebody((3, 3), [10.0, 10, 40, 50], score=[0.5], track=[4])
    )
    assert found.score == pytest.approx([0.5 * 0.7]) and found.joint_score[0, :4].tolist() == pytest.approx(
        [0.9, 0.5, 0.19, 0.1]
    )
    assert found.track.tolist() == [-1] and np.isnan(found.head).all()  # nothing of the truth but its boxes
    heat[:] = 1.25
    assert top_down.detect(Sums(), [dotted((30, 30))], boxes=somebody((3, 3), [10.0, 10, 40, 50])).score == [1]
    heat[:] = 0
    assert top_down.detect(Sums(), [dotted((30, 30))], boxes=somebody((3, 3), [10.0, 10, 40, 50])).score == [0]


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    return shaken(deconv_pose.build(TINY))


def test_people_of_many_frames_are_looked_at_together(tiny):
    (video,) = puppets.videos("val", n=1)
    some = poses.thinned(video, 12)
    boxes = top_down.usable(some)
    whole, one_by_one = (top_down.detect(tiny, video.frames, boxes=boxes, batch=b) for b in (1000, 1))
    assert sorted(zip(boxes.frame, boxes.box[:, 0], strict=True)) == sorted(
        zip(whole.frame, whole.box[:, 0], strict=True)
    )
    np.testing.assert_allclose(whole.xy, one_by_one.xy, atol=1e-2)
    np.testing.assert_allclose(whole.joint_score, one_by_one.joint_score, atol=1e-5)
    few = top_down.detect(tiny, video.frames, which=[int(boxes.frame[0])], boxes=boxes)
    assert set(few.frame) == {boxes.frame[0]} and len(few) == (boxes.frame == boxes.frame[0]).sum()
    turned = top_down.detect(tiny, video.frames, boxes=boxes[::-1])
    assert (np.diff(turned.frame) >= 0).all() and len(turned) == len(boxes)


def test_nobody_no_boxes_and_bad_boxes(tiny):
    frames = [dotted((30, 30))]
    assert len(top_down.detect(tiny, frames, boxes=nobody())) == 0 == len(top_down.look(tiny, frames, nobody()))
    assert len(top_down.detect(tiny, frames, which=[], boxes=somebody((3, 3), [0.0, 0, 9, 9]))) == 0
    with pytest.raises(WorkbookError, match="finds joints in people's boxes; give boxes"):
        top_down.detect(tiny, frames)
    with pytest.raises(WorkbookError, match="box 0 is not finite"):
        top_down.detect(tiny, frames, boxes=somebody((3, 3), [np.nan] * 4))
    for box in ([300.0, 300, 320, 340], [5.0, 5, 6, 6], [5.0, 5, 5, 5], [40.0, 50, 10, 20]):
        found = top_down.detect(tiny, frames, boxes=somebody((3, 3), box))
        assert np.isfinite(found.xy).all() and np.isfinite(found.score).all()


def test_a_network_of_cocos_joints_gives_the_workbooks():
    model = Sums(replace(TINY, joints=17))
    found = top_down.detect(model, [dotted((35, 30))], boxes=somebody((3, 3), [20.0, 10.0, 50.0, 50.0]), shift=0)
    assert found.xy.shape == (1, N_JOINTS, 2) and np.abs(found.xy - [35, 30]).max() < 2
    flip = top_down.flip_of(17)
    assert (flip[flip] == np.arange(17)).all() and COCO[flip[COCO.index("left_ear")]] == "right_ear"
    assert top_down.flip_of(15) is FLIP and JOINTS[FLIP[INDEX["nose"]]] == "nose"
    with pytest.raises(WorkbookError, match="16 joints are no set that is known"):
        top_down.detect(Sums(replace(TINY, joints=16)), [dotted((35, 30))], boxes=somebody((3, 3), [0.0, 0, 9, 9]))


def test_colours_are_normalised_and_can_be_turned_round():
    images = torch.rand(1, 3, 2, 2)
    ours = top_down.normalised(images)
    assert ours[0, 2, 1, 1].item() == pytest.approx((images[0, 2, 1, 1].item() - 0.406) / 0.225, abs=1e-5)
    assert top_down.normalised(images, bgr=True)[0, 2, 0, 0].item() == pytest.approx(
        (images[0, 0, 0, 0].item() - 0.406) / 0.225, abs=1e-5
    )


# --- plans and what they learn -------------------------------------------------------------------------


def test_the_eight_rows_keep_the_papers_order_and_its_maps():
    for size, half in (("slim", 2), ("paper", 1), ("miniature", 2)):
        networks = {row: stage_one(size=size)[f"deconv-{row}"].network for row in POSE_ROWS}
        assert list(networks) == list("abcdefgh")
        a = networks["a"]
        assert (a.height * half, a.width * half, a.deconvolutions, a.kernel) == (256, 192, 3, 4)
        cells = {row: (n.height // n.stride, n.width // n.stride) for row, n in networks.items()}
        assert cells["a"] == (64, 48) and cells["b"] == cells["g"] == (32, 24) and cells["h"] == (96, 72)
        assert [networks[r].sigma for r in "abgh"] == [2, 1, 1, 3]
        assert networks["a"].body.depth < networks["e"].body.depth < networks["f"].body.depth
        assert [networks[r].kernel for r in "cda"] == [2, 3, 4]
        assert all(
            replace(n, height=a.height, width=a.width, sigma=2, body=a.body, kernel=4, deconvolutions=3) == a
            for n in networks.values()
        )
    plans = [stage_one()[f"deconv-{row}"] for row in POSE_ROWS]
    assert len({p.recipe for p in plans}) == 1  # equal data, steps and rate


def test_a_network_learns_a_handful_of_crops_and_its_joints_come_back():
    """End to end: crops, targets, loss, decoding and OKS-AP fit together."""
    video = poses.thinned(puppets.videos("train", n=1)[0], 15)
    body = BodyConfig(18, width=16, stages=2)
    config = deconv_pose.Config(64, 48, sigma=1.0, body=body, deconvolutions=2, channels=32)
    boxes = top_down.usable(video)
    maps = crops.affines(boxes.box, config.size)
    frames, of = np.unique(boxes.frame, return_inverse=True)
    images = crops.warp(crops.stacked([video.frames[int(t)] for t in frames]), of, maps, config.size)
    xy = torch.from_numpy(crops.moved(maps, boxes.xy)).float()
    target, weight = heatmaps.targets(xy, torch.from_numpy(boxes.present.copy()), (32, 24), config.stride, config.sigma)
    model = deconv_pose.build(config).train()
    optimiser = torch.optim.Adam(model.parameters(), 2e-3)
    given = top_down.normalised(images)
    first = None
    for _ in range(70):
        loss = top_down.losses(model, given, target, weight)["loss"]
        first = first or loss.item()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.3 * first
    model.eval()
    found = poses.in_true_boxes(model, video, flip=False)
    off = np.linalg.norm(found.xy - boxes.xy[np.argsort(boxes.frame, kind="stable")], axis=-1)
    shown = boxes.present[np.argsort(boxes.frame, kind="stable")]
    assert np.median(off[shown]) < 4
    assert poses.average_precision([video], [found]) == oks_ap([video], [found]).mean() > 0.7
    untrained = poses.in_true_boxes(copy.deepcopy(deconv_pose.build(config)), video)
    assert poses.average_precision([video], [untrained]) < 0.1


# --- predictions in files ------------------------------------------------------------------------------


def test_joints_outside_their_boxes_come_back_from_files(tmp_path):
    rng = np.random.default_rng(0)
    box = np.array([[10.3, 20.1, 40.7, 80.2], [-5.5, 3.25, 9.1, 9.2]])
    xy = rng.uniform(-30, 120, (2, N_JOINTS, 2))
    found = people(frame=[3, 5], box=box, xy=xy, score=[0.25, 0], joint_score=rng.uniform(-0.1, 1.2, (2, N_JOINTS)))
    kept, facts = stored.load(stored.save(tmp_path / "p.npz", {"a": found, "b": nobody()}, True, seed=3))
    np.testing.assert_allclose(kept["a"].xy, xy, atol=1 / 32 + 1e-9)
    np.testing.assert_allclose(kept["a"].joint_score, found.joint_score, atol=0.0005001)
    np.testing.assert_allclose(kept["a"].box, box, atol=1 / 64)
    assert kept["a"].present.all() and kept["a"].frame.tolist() == [3, 5] and len(kept["b"]) == 0 and facts["seed"] == 3
    again = stored.load(stored.save(tmp_path / "q.npz", kept, True))[0]["a"]
    assert (again.xy == kept["a"].xy).all() and (again.joint_score == kept["a"].joint_score).all()
    assert stored.load(stored.save(tmp_path / "r.npz", {"a": nobody()}, True))[0]["a"].frame.shape == (0,)
    for wrong in (found.replace(xy=xy * np.nan), found.replace(present=np.zeros((2, N_JOINTS), bool))):
        with pytest.raises(WorkbookError, match=r"q\.npz: a joint is absent or nowhere, which a file of predictions"):
            stored.save(tmp_path / "q.npz", {"a": wrong}, True)


def test_a_plan_trains_predicts_in_true_boxes_and_is_read_again(tmp_path):
    plan = stage_one(0, "miniature", 2)["deconv-g"]
    model = obtain(plan, data=tmp_path)
    assert "loss" in json.loads(weights.metadata(weight_file(plan, tmp_path))["log"])[0]
    torch.testing.assert_close(obtain(plan, data=tmp_path).final_layer.bias, model.final_layer.bias)
    found, facts = predicting.found_by(plan, "val", 1, device="cpu", boxes="truth", data=tmp_path)
    again, _ = predicting.found_by(plan, "val", 1, boxes="truth", data=tmp_path)
    assert facts["weights"] == plan.name and (found[0].xy == again[0].xy).all() and len(found[0]) > 10
    with pytest.raises(WorkbookError, match="it finds joints in people's boxes"):
        predicting.found_by(plan, "val", 1, device="cpu", data=tmp_path)


def test_networks_of_other_joints_are_not_trained_on_the_workbooks_videos():
    with pytest.raises(WorkbookError, match="videos have 15 joints to train on, not 17"):
        top_down.batches(puppets.videos("train", n=1, render=False), replace(TINY, joints=17), 4, 0)
