"""Mask R-CNN, R-FCN, deformable convolution, inflation and tubes against torchvision and by hand."""

import io
import json
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torchvision.models import resnet18
from torchvision.models.detection import keypointrcnn_resnet50_fpn
from torchvision.models.detection.roi_heads import heatmaps_to_keypoints, keypointrcnn_loss
from torchvision.ops import nms

from helpers import WorkbookError
from helpers.detections import stored
from helpers.detections.filters import box_confidence
from helpers.evaluation.boxes import box_average_precision, box_samples, precision_recall
from helpers.nets import inflate as inflation
from helpers.nets import keypoint_rcnn, rcnn_parts, resnet, sampling, tubes
from helpers.people import Video, concatenate, nobody, people
from helpers.skeleton import FLIP, INDEX, N_JOINTS

TINY_BODY = resnet.BodyConfig(18, width=8, stages=3)
TINY = keypoint_rcnn.KeypointRcnnConfig(
    TINY_BODY,
    channels=16,
    short_side=96,
    long_side=128,
    anchor_sizes=(16, 32, 64),
    anchor_ratios=(1.0, 2.0),
    box_width=16,
    keypoint_width=8,
    proposals=30,
    rois=16,
    frozen_norm=False,
)
TINY_TUBES = tubes.TubeConfig(
    replace(TINY_BODY, last_stride=1),
    short_side=96,
    long_side=128,
    anchor_sizes=(16, 48),
    anchor_ratios=(1.0, 2.0),
    keypoint_width=8,
    anchors=32,
    rois=16,
    proposals=30,
    frozen_norm=False,
)
STRENGTHENED = ("rpn.head", "head.layers", "roi_heads.box_predictor", "box_predictor")


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def shaken(model: nn.Module) -> nn.Module:
    """Random statistics in every normalisation, so that none of them is the identity."""
    for m in model.modules():
        if hasattr(m, "running_mean"):
            m.running_mean.normal_(0, 0.3)
            m.running_var.uniform_(0.5, 2)
            m.weight.data.uniform_(0.5, 1.5)
            m.bias.data.normal_(0, 0.2)
    return model.eval()


def sharper(model: nn.Module) -> nn.Module:
    """Random heads strong enough that scores and joints differ from box to box."""
    for name, p in model.named_parameters():
        if name.startswith(STRENGTHENED) and p.ndim > 1:
            p.data.normal_(0, 0.1)
    return shaken(model)


def noise(n: int = 1, height: int = 96, width: int = 128, seed: int = 0) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).integers(0, 256, (n, height, width, 3), dtype=np.uint8))


def someone(frame=0, x=40.0, y=20.0, w=24.0, h=48.0, **more):
    """One person whose 15 joints fill a box of w × h pixels."""
    steps = np.linspace(0, 1, N_JOINTS)
    xy = np.stack([x + w * steps, y + h * steps], -1)[None]
    return people(frame=[frame], box=[[x, y, x + w, y + h]], xy=xy, head=[6.0], **more)


# --- body ------------------------------------------------------------------------------------


def test_body_is_torchvisions_resnet_name_by_name():
    theirs = shaken(resnet18())
    ours = resnet.Body(resnet.BodyConfig(18)).eval()
    missing, unexpected = ours.load_state_dict(theirs.state_dict(), strict=False)
    assert not missing and set(unexpected) == {"fc.weight", "fc.bias"}
    x = torch.randn(1, 3, 64, 96)
    stem = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(x))))
    expected = theirs.layer4(theirs.layer3(theirs.layer2(theirs.layer1(stem))))
    torch.testing.assert_close(ours(x)["3"], expected)


@pytest.mark.parametrize("depth", [18, 34, 50, 101])
def test_every_depth_has_the_strides_it_says(depth):
    config = resnet.BodyConfig(depth, width=8)
    body = resnet.Body(config).eval()
    maps = body(torch.zeros(1, 3, 64, 96))
    assert [m.shape[-2:] for m in maps.values()] == [(16, 24), (8, 12), (4, 6), (2, 3)]
    assert config.stride == 32
    assert [m.shape[1] for m in maps.values()] == body.out_channels


def test_last_stride_one_keeps_the_resolution():
    config = resnet.BodyConfig(18, width=8, stages=3, last_stride=1)
    assert resnet.Body(config)(torch.zeros(1, 3, 64, 64))["2"].shape[-1] * config.stride == 64


def test_deformable_convolution_starts_as_the_plain_one_and_follows_its_offsets():
    conv = resnet.DeformableConv(4, 6, 1)
    x = torch.randn(1, 4, 9, 11)
    plain = nn.functional.conv2d(x, conv.conv.weight, padding=1)
    torch.testing.assert_close(conv(x), plain)
    conv.offset.bias.data[1::2] = 1.0  # every sample one pixel to the right: (dy, dx) pairs
    torch.testing.assert_close(conv(x)[..., :-2], plain[..., 1:-1])


def test_deformable_body_starts_as_the_plain_one():
    config = resnet.BodyConfig(18, width=8, stages=3)
    torch.manual_seed(1)
    plain = resnet.Body(config).eval()
    torch.manual_seed(1)
    deformable = resnet.Body(replace(config, deformable=True)).eval()
    x = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(plain(x)["2"], deformable(x)["2"])


def test_unknown_body_is_one_sentence():
    with pytest.raises(WorkbookError, match="depth 19"):
        resnet.Body(resnet.BodyConfig(19))


# --- frame-level network ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    return sharper(keypoint_rcnn.build(TINY))


def test_detections_are_torchvisions(tiny):
    """`look` takes the network apart; torchvision's own forward must say the same."""
    frames = noise(2)
    ours = keypoint_rcnn.look(tiny, frames)
    with torch.inference_mode():
        theirs = tiny([keypoint_rcnn.image_tensor(f) for f in frames])
    for a, b in zip(ours, theirs, strict=True):
        assert len(a.boxes) == len(b["boxes"]) > 0
        np.testing.assert_allclose(a.boxes, b["boxes"], atol=1e-3)
        np.testing.assert_allclose(a.score, b["scores"], atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.floats(2, 90), st.floats(2, 90))
def test_decoding_is_torchvisions(seed, w, h):
    torch.manual_seed(seed)
    heat = nn.functional.avg_pool2d(torch.randn(2, 3, 56, 56), 5, 1, 2) * 5
    boxes = torch.tensor([[3.0, 4.0, 3.0 + w, 4.0 + h], [10.5, 0.25, 40.0, 60.0]])
    xy, logit, probability = keypoint_rcnn.decode(heat, boxes)
    theirs, scores = heatmaps_to_keypoints(heat, boxes)
    torch.testing.assert_close(xy, theirs[..., :2], atol=1e-3, rtol=0)
    torch.testing.assert_close(logit, scores)
    assert (probability > 0).all() and (probability <= 1).all()


def test_a_logit_is_unbounded_and_a_probability_is_not():
    """The same map scaled by ten: every logit moves across 1.95, no joint moves."""
    heat = torch.rand(1, 2, 56, 56)
    box = torch.tensor([[0.0, 0.0, 56.0, 56.0]])
    low, high = keypoint_rcnn.decode(heat, box), keypoint_rcnn.decode(10 * heat, box)
    torch.testing.assert_close(low[0], high[0])
    assert (low[1] < 1.95).all() and (high[1] > 1.95).all() and (high[2] <= 1).all()


def test_people_carry_box_score_and_joint_logit(tiny):
    frame = noise(1)
    found = keypoint_rcnn.look(tiny, frame)[0]
    p = keypoint_rcnn.detect(tiny, frame)
    np.testing.assert_array_equal(p.score, found.score.astype(float))
    xy, logit, _ = keypoint_rcnn.decode(torch.tensor(found.heat), torch.tensor(found.boxes))
    np.testing.assert_allclose(p.joint_score, logit, atol=1e-4)
    np.testing.assert_allclose(p.xy, xy, atol=1e-3)
    assert p.present.all() and (p.track == -1).all() and (p.frame == 0).all()


def test_batches_do_not_matter(tiny):
    frames = noise(3)
    one, three = (keypoint_rcnn.detect(tiny, frames, batch=b) for b in (1, 3))
    np.testing.assert_array_equal(one.frame, three.frame)
    np.testing.assert_allclose(one.xy, three.xy, atol=1e-2)


def test_box_confidence_gives_every_joint_its_boxs_score(tiny):
    p = keypoint_rcnn.detect(tiny, noise(1))
    assert (box_confidence(p).joint_score == p.score[:, None]).all()


def test_joints_in_given_boxes(tiny):
    frames = noise(2)
    given_boxes = concatenate([someone(0, score=[0.25]), someone(1, x=60.0)])
    p = keypoint_rcnn.detect(tiny, frames, boxes=given_boxes)
    np.testing.assert_allclose(p.box, given_boxes.box, atol=1e-3)
    np.testing.assert_array_equal(p.score, [0.25, 1])
    assert (p.xy >= p.box[:, None, :2] - 1).all() and (p.xy <= p.box[:, None, 2:] + 1).all()


@pytest.mark.parametrize("shape", [(96, 128), (9, 13), (1, 1), (40, 300)])
def test_any_image_size_even_smaller_than_an_anchor(tiny, shape):
    p = keypoint_rcnn.detect(tiny, noise(1, *shape))
    assert (p.box[:, 2:] <= np.array([shape[1], shape[0]]) + 1e-3).all() and np.isfinite(p.xy).all()


def test_no_frames_and_nobody(tiny):
    assert len(keypoint_rcnn.detect(tiny, [])) == 0
    assert len(keypoint_rcnn.as_people(0, keypoint_rcnn.look(tiny, noise(1), score_floor=1.1)[0])) == 0


@pytest.mark.parametrize("frame", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_a_wrong_frame_is_one_sentence(tiny, frame):
    with pytest.raises(WorkbookError, match="frames: uint8"):
        keypoint_rcnn.detect(tiny, [frame])


def test_unknown_head_is_one_sentence():
    with pytest.raises(WorkbookError, match="head 'yolo'"):
        keypoint_rcnn.build(replace(TINY, head="yolo"))
    with pytest.raises(WorkbookError, match="4 stages leave none"):
        keypoint_rcnn.build(replace(TINY, head="c4", body=replace(TINY_BODY, stages=4)))


def test_paper_sized_network_is_torchvisions_keypoint_rcnn():
    """Same parameters, but 15 joints, and person against background."""
    ours = keypoint_rcnn.build(keypoint_rcnn.PAPER_R50)
    theirs = keypointrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=2, num_keypoints=N_JOINTS)

    def count(m):
        return sum(p.numel() for p in m.parameters() if p.ndim > 1)

    assert count(ours) == count(theirs)


@pytest.mark.parametrize("head, joints", [("fpn", 15), ("c4", 15), ("rfcn", 0), ("fpn", 0)])
@pytest.mark.parametrize("deformable", [False, True])
def test_every_variant_trains_and_detects(head, joints, deformable):
    config = replace(TINY, head=head, joints=joints, body=replace(TINY_BODY, deformable=deformable))
    model = keypoint_rcnn.build(config).train()
    wanted = keypoint_rcnn.target(someone(), (128, 96))
    losses = model([keypoint_rcnn.image_tensor(noise()[0])], [wanted])
    assert len(losses) == 4 + (joints > 0) and all(torch.isfinite(v) for v in losses.values())
    sum(losses.values()).backward()
    # an R-FCN map or an offset that gets no gradient would be a head that is not connected
    special = ("offset", "maps", "stage")
    assert all(p.grad is not None for n, p in model.named_parameters() if any(s in n for s in special))
    p = keypoint_rcnn.detect(model.eval(), noise(1), score_floor=0.0)
    assert len(p) and p.present.all() == (joints > 0)


def test_frames_without_people_train():
    model = keypoint_rcnn.build(TINY).train()
    losses = model([keypoint_rcnn.image_tensor(noise()[0])], [keypoint_rcnn.target(nobody(), (128, 96))])
    sum(losses.values()).backward()
    assert losses["loss_keypoint"].item() == 0 and losses["loss_objectness"].item() > 0


def test_position_sensitive_pooling_by_hand():
    """Each cell of the grid reads its own map: constant maps give the mean over the cells of each output."""
    from helpers.nets.rfcn import GRID, PositionSensitivePool

    pool = PositionSensitivePool(1, 4)
    pool.maps.weight.data.zero_()
    pool.maps.bias.data = torch.arange(10 * GRID**2).float()
    out = pool({"2": torch.zeros(1, 1, 24, 32)}, [torch.tensor([[8.0, 8.0, 64.0, 64.0]])], None)
    expected = torch.arange(10 * GRID**2).float().view(10, -1).mean(1)
    torch.testing.assert_close(out[0], expected)


def test_frozen_normalisation_does_not_move():
    model = keypoint_rcnn.build(replace(TINY, frozen_norm=True)).train()
    before = {k: v.clone() for k, v in model.state_dict().items() if "running" in k}
    model([keypoint_rcnn.image_tensor(noise()[0])], [keypoint_rcnn.target(someone(), (128, 96))])
    assert before and all(torch.equal(v, model.state_dict()[k]) for k, v in before.items())


def test_frozen_normalisation_of_clips_is_batch_normalisation_that_stands_still():
    torch.manual_seed(0)
    learns = nn.Sequential(nn.BatchNorm3d(4)).train()
    for _ in range(3):
        learns(torch.randn(2, 4, 3, 5, 6) * 3 + 1)
    learns.eval()
    fixed = nn.Sequential(deepcopy(learns[0]))
    rcnn_parts.freeze_norm(fixed)
    clip = torch.randn(2, 4, 3, 5, 6)
    torch.testing.assert_close(fixed.train()(clip), learns(clip))
    assert not list(fixed.parameters())
    torch.testing.assert_close(fixed(clip), learns(clip))  # a forward pass in training moved nothing


@pytest.mark.parametrize("config", [replace(tubes.SLIM, frozen_norm=True), tubes.PAPER, tubes.RELEASED])
def test_a_tube_network_with_frozen_normalisation_has_no_other(config):
    kinds = {type(m) for m in tubes.build(config).modules()}
    assert not any(issubclass(kind, nn.modules.batchnorm._BatchNorm) for kind in kinds)
    assert rcnn_parts.FrozenBatchNorm3d in kinds


def test_target_leaves_out_people_without_area_and_mirrors_back():
    both = concatenate([someone(), someone(w=0.0, h=0.0)])
    wanted = keypoint_rcnn.target(both, (128, 96))
    assert wanted["boxes"].tolist() == [[40, 20, 64, 68]]
    image = torch.rand(3, 96, 128)
    flipped, there = sampling.mirrored(image, wanted)
    left, right = INDEX["left_knee"], INDEX["right_knee"]
    assert there["keypoints"][0, left, 0] == 127 - wanted["keypoints"][0, right, 0]
    back, again = sampling.mirrored(flipped, there)
    torch.testing.assert_close(back, image)
    for name in wanted:
        torch.testing.assert_close(again[name], wanted[name])


def test_the_same_step_draws_the_same_frames():
    video = Video("v", (128, 96), np.ones(3, bool), someone(1), frames=noise(3))
    first, second = (keypoint_rcnn.batches([video], TINY, 2, 5) for _ in range(2))
    a, b = first(7), second(7)
    assert all(torch.equal(x, y) for x, y in zip(a[0], b[0], strict=True))
    assert any(not torch.equal(x, y) for x, y in zip(a[0], first(8)[0], strict=True))


# --- boxes ---------------------------------------------------------------------------------------


def test_box_metrics_by_hand():
    """Two people; predictions by falling score: right, a second one on the same person, right, nowhere."""
    real = concatenate([someone(x=0.0), someone(x=60.0)])
    video = Video("v", (128, 96), np.ones(1, bool), real)
    box = [[0, 20, 24, 68], [1, 20, 25, 68], [60, 20, 84, 60], [100, 0, 110, 10]]
    found = people(frame=np.zeros(4, int), box=box, score=[0.9, 0.8, 0.7, 0.3])
    samples = box_samples([video], [found])
    assert samples.hit.tolist() == [True, False, True, False]
    assert box_average_precision(samples) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert precision_recall(samples, 0.75) == (0.5, 0.5)
    assert precision_recall(samples, 0) == (0.5, 1.0)
    doubled = box_samples([video, video], [found, nobody()])
    assert box_average_precision(doubled, [1, 0]) == box_average_precision(samples)


def test_a_strict_overlap_asks_more():
    video = Video("v", (128, 96), np.ones(1, bool), someone())
    shifted = someone().replace(box=someone().box + [6, 0, 6, 0])  # IoU 18 / 30 = 0.6
    hits = [box_samples([video], [shifted], iou).hit.all() for iou in (0.4, 0.59, 0.61)]
    assert hits == [True, True, False]


# --- inflation -----------------------------------------------------------------------------------


def _per_frame(body, clip):
    return {
        n: v.unflatten(0, (-1, clip.shape[2])).transpose(1, 2)
        for n, v in body(clip.transpose(1, 2).flatten(0, 1)).items()
    }


@settings(max_examples=8, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(1, 5),
    st.sampled_from(["paper", "released", "frame"]),
    st.sampled_from([18, 50]),
    st.booleans(),
)
def test_centre_inflation_equals_the_2d_network_on_any_clip(seed, length, form, depth, deformable):
    torch.manual_seed(seed)
    body = shaken(resnet.Body(resnet.BodyConfig(depth, width=8, deformable=deformable)))
    clip = torch.randn(1, 3, length, 32, 48)
    three = inflation.inflate(body, "centre", form)
    for name, value in _per_frame(body, clip).items():
        assert (three(clip)[name] - value).abs().max() < 1e-5 * max(1.0, float(value.detach().abs().max()))


@pytest.mark.parametrize("form, temporal_layers", [("paper", 13), ("released", 8)])
def test_mean_inflation_equals_it_only_on_a_static_clip_away_from_its_ends(form, temporal_layers):
    body = shaken(resnet.Body(TINY_BODY))
    three = inflation.inflate(body, "mean", form)
    reach = temporal_layers
    still = torch.randn(1, 3, 1, 32, 48).expand(-1, -1, 2 * reach + 3, -1, -1)
    out, expected = three(still)["2"], body(still[:, :, 0])["2"]
    for t in range(reach, reach + 3):
        torch.testing.assert_close(out[:, :, t], expected, atol=1e-5, rtol=1e-5)
    assert (out[:, :, 0] - expected).abs().max() > 1e-2
    moving = three(torch.randn(1, 3, 2 * reach + 3, 32, 48))["2"]
    assert not torch.allclose(moving[:, :, reach], expected, atol=1e-2)


def test_the_end_frames_get_two_thirds_per_temporal_layer():
    """k convolutions in a row: the first frame gets the share of walks that stay in the clip."""
    conv = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    layers = nn.Sequential(*[conv] * 3)
    frame = torch.rand(1, 1, 8, 8)
    still = frame[:, :, None].expand(-1, -1, 9, -1, -1)
    for k, share in ((1, 2 / 3), (2, 5 / 9), (3, 13 / 27)):
        out = inflation.inflate(layers[:k], "mean")(still)
        expected = layers[:k](frame)
        torch.testing.assert_close(out[:, :, 0], share * expected)
        torch.testing.assert_close(out[:, :, -1], share * expected)
        torch.testing.assert_close(out[:, :, 4], expected)


def test_forms_have_the_kernels_they_are_named_for():
    body = resnet.Body(TINY_BODY)
    paper, released = (inflation.inflate(body, form=f) for f in ("paper", "released"))

    def extent(net, name):
        return dict(net.named_modules())[name].kernel_size[0]

    assert paper.conv1.kernel_size == (3, 7, 7) and released.conv1.kernel_size == (1, 7, 7)
    assert extent(paper, "layer1.0.conv1") == 3 and extent(released, "layer1.0.conv1") == 1
    assert extent(paper, "layer2.0.conv1") == extent(released, "layer2.0.conv1") == 3
    assert extent(paper, "layer2.0.downsample.0") == 1
    assert tubes.PAPER.body.stride == 8 and tubes.RELEASED.body.stride == 16


def test_any_2d_resnet_inflates():
    theirs = nn.Sequential(*list(shaken(resnet18()).children())[:-2])
    clip = torch.randn(1, 3, 2, 32, 32)
    expected = torch.stack([theirs(clip[:, :, t]) for t in range(2)], 2)
    torch.testing.assert_close(inflation.inflate(theirs)(clip), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "scheme, form, word", [("median", "paper", "scheme 'median'"), ("centre", "odd", "form 'odd'")]
)
def test_unknown_inflation_is_one_sentence(scheme, form, word):
    with pytest.raises(WorkbookError, match=word):
        inflation.inflate(nn.Conv2d(1, 1, 3), scheme, form)


def test_windows_repeat_the_nearest_frame():
    assert inflation.window(0, 5, 7).tolist() == [0, 0, 0, 1, 2]
    assert inflation.window(6, 3, 7).tolist() == [5, 6, 6] and inflation.window(0, 3, 1).tolist() == [0, 0, 0]
    frames = noise(2)
    clip = inflation.Windows(frames, 3)[1]
    assert clip.shape == (3, 96, 128, 3) and (clip[2] == frames[1]).all() and (clip[0] == frames[0]).all()


def test_protrackers_form_equals_the_2d_network_on_a_static_clip():
    frame_model = sharper(keypoint_rcnn.build(TINY))
    model = inflation.averaged(frame_model, inflation.AveragedConfig(TINY))
    frames = noise(1)
    expected = keypoint_rcnn.detect(frame_model, frames)
    found = keypoint_rcnn.detect(model, inflation.Windows(frames, 3))
    np.testing.assert_allclose(found.box, expected.box, atol=1e-2)
    np.testing.assert_allclose(found.score, expected.score, atol=1e-4)
    clip = inflation.Windows(noise(3), 3)
    images = [keypoint_rcnn.image_tensor(clip[1])]
    losses = model.train()(images, [keypoint_rcnn.target(someone(), (128, 96))])
    assert torch.isfinite(sum(losses.values()))


# --- tubes ---------------------------------------------------------------------------------------


def _random_tubes(n, length, seed):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 60, (n, length, 2))
    far = corner + rng.uniform(5, 40, (n, length, 2))
    return torch.tensor(np.concatenate([corner, far], -1), dtype=torch.float32)


def test_tube_iou_is_the_mean_over_frames_by_hand():
    a = torch.tensor([[[0.0, 0, 10, 10], [0, 0, 10, 10]]])
    b = torch.tensor([[[0.0, 0, 10, 10], [5, 0, 15, 10]]])
    assert tubes.tube_iou(a, b).item() == pytest.approx((1 + 1 / 3) / 2)
    assert tubes.tube_iou(a, b, torch.tensor([[True, False]])).item() == 1


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 30), st.floats(0.1, 0.9))
def test_tube_nms_of_one_frame_is_torchvisions(seed, n, threshold):
    boxes = _random_tubes(n, 1, seed)
    scores = torch.rand(n, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(tubes.tube_nms(boxes, scores, threshold), nms(boxes[:, 0], scores, threshold))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 0.9))
def test_tubes_that_survive_do_not_overlap(seed, threshold):
    t, scores = _random_tubes(12, 3, seed), torch.rand(12)
    kept = tubes.tube_nms(t, scores, threshold)
    overlap = tubes.tube_iou(t, t)
    assert (overlap[kept][:, kept].fill_diagonal_(0) <= threshold).all()
    gone = sorted(set(range(12)) - set(kept.tolist()))
    assert all((overlap[g, kept] > threshold).logical_and(scores[kept] >= scores[g]).any() for g in gone)


def test_tube_align_is_roi_align_slice_by_slice():
    from torchvision.ops import roi_align

    features = torch.randn(2, 4, 3, 12, 16)
    clips = [_random_tubes(2, 3, 1), _random_tubes(3, 3, 2)]
    out = tubes.tube_align(features, clips, 7, 8)
    for n, (clip, tube) in enumerate((k, tube) for k in range(2) for tube in clips[k]):
        for t in range(3):
            expected = roi_align(features[clip : clip + 1, :, t], [tube[t : t + 1]], 7, 1 / 8, sampling_ratio=2)
            torch.testing.assert_close(out[n, :, t], expected[0])


def _as_c4(model: tubes.TubeRcnn, config: tubes.TubeConfig):
    """torchvision's keypoint R-CNN on one map with the weights of a frame-level tube network."""
    twin = keypoint_rcnn.KeypointRcnnConfig(
        config.body,
        "c4",
        short_side=config.short_side,
        long_side=config.long_side,
        anchor_sizes=config.anchor_sizes,
        anchor_ratios=config.anchor_ratios,
        keypoint_width=config.keypoint_width,
        joints=config.joints,
        proposals=config.proposals,
        rois=config.rois,
        frozen_norm=False,
    )
    out = keypoint_rcnn.build(twin)
    renamed = {
        "body.": "backbone.",
        "head.layers.conv": "rpn.head.conv.0.0",
        "head.layers.scores": "rpn.head.cls_logits",
        "head.layers.shifts": "rpn.head.bbox_pred",
        "box_head": "roi_heads.box_head",
        "box_predictor": "roi_heads.box_predictor",
        "keypoint_head": "roi_heads.keypoint_head",
        "keypoint_predictor": "roi_heads.keypoint_predictor",
    }
    state = {}
    for name, value in model.state_dict().items():
        old = next(k for k in renamed if name.startswith(k))
        state[renamed[old] + name[len(old) :]] = value[:, :, 0] if value.ndim == 5 else value
    out.load_state_dict(state)
    return out.eval()


def test_tubes_of_one_frame_are_torchvisions_keypoint_rcnn():
    config = tubes.frame_config(replace(TINY_TUBES, proposal_loss="sigmoid"))
    model = sharper(tubes.build(config))
    frames = noise(2)
    ours = tubes.detect(model, frames)
    theirs = keypoint_rcnn.detect(_as_c4(model, config), frames)
    assert len(ours) == len(theirs) > 5
    for field in ("frame", "box", "score", "xy", "joint_score"):
        np.testing.assert_allclose(getattr(ours, field), getattr(theirs, field), atol=1e-2)


@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
@pytest.mark.parametrize("form", ["paper", "released"])
def test_centre_inflated_tubes_equal_the_frame_network_on_a_static_clip(loss, form):
    config = replace(TINY_TUBES, proposal_loss=loss, form=form)
    frame_model = sharper(tubes.build(tubes.frame_config(config)))
    model = tubes.inflated(frame_model, config)
    frames = noise(1)
    expected, found = tubes.detect(frame_model, frames), tubes.detect(model, frames)
    assert len(expected) == len(found) > 0
    np.testing.assert_allclose(found.box, expected.box, atol=1e-2)
    np.testing.assert_allclose(found.joint_score, expected.joint_score, atol=1e-3)
    mean = tubes.detect(tubes.inflated(frame_model, replace(config, scheme="mean")), frames)
    assert len(mean) != len(expected) or not np.allclose(mean.score, expected.score, atol=1e-4)


@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_tube_losses_train_every_part(loss):
    config = replace(TINY_TUBES, proposal_loss=loss)
    model = tubes.build(config).train()
    truth = concatenate([someone(t, x=30.0 + 4 * t, track=[3]) for t in range(3)])
    wanted = tubes.tube_target(truth, [0, 1, 2], (128, 96))
    losses = model([keypoint_rcnn.image_tensor(np.stack(noise(3)))], [wanted])
    assert len(losses) == 5
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in model.parameters())


def test_box_losses_carry_one_over_t_and_keypoint_loss_does_not():
    """A static clip of T copies: the sum over slices divided by T is what one frame gives."""
    single = tubes.build(tubes.frame_config(TINY_TUBES))
    triple = tubes.inflated(single, TINY_TUBES)
    frame = noise(1)[0]
    losses = []
    for model, length in ((single, 1), (triple, 3)):
        truth = concatenate([someone(t, track=[0]) for t in range(length)])
        wanted = tubes.tube_target(truth, range(length), (128, 96))
        torch.manual_seed(3)
        with torch.no_grad():  # in evaluation mode normalisation is alike; the samplers see one seed
            losses.append(model([keypoint_rcnn.image_tensor(np.stack([frame] * length))], [wanted]))
    for name in losses[0]:
        torch.testing.assert_close(losses[0][name], losses[1][name], atol=1e-4, rtol=1e-3)


def test_tube_target_joins_tracks_and_masks_absence():
    truth = concatenate([someone(0, x=10.0, track=[4]), someone(2, x=30.0, track=[4]), someone(1, track=[9])])
    wanted = tubes.tube_target(truth, [0, 1, 2], (128, 96))
    assert wanted["visible"].tolist() == [[True, False, True], [False, True, False]]
    assert wanted["tubes"][0, :, 0].tolist() == [10, 10, 30] and wanted["keypoints"][0, 1].abs().sum() == 0
    assert wanted["tubes"][1, :, 0].tolist() == [40, 40, 40]
    _clip, mirror = sampling.mirrored(torch.rand(9, 96, 128), wanted)
    assert mirror["tubes"][0, 0].tolist() == [128 - 34, 20, 128 - 10, 68]
    np.testing.assert_allclose(mirror["keypoints"][0, 0, :, 0], 127 - wanted["keypoints"][0, 0, FLIP, 0])


def test_clips_without_people_and_one_frame_videos():
    model = tubes.build(TINY_TUBES)
    empty = tubes.tube_target(nobody(), [0, 1, 2], (128, 96))
    losses = model.train()([keypoint_rcnn.image_tensor(np.stack(noise(3)))], [empty])
    sum(losses.values()).backward()
    assert losses["loss_keypoint"].item() == 0 and losses["loss_box_reg"].item() == 0
    assert set(tubes.detect(model.eval(), noise(1), score_floor=0.0).frame) == {0}
    assert len(tubes.detect(model, [])) == 0


def test_a_clip_of_another_length_is_one_sentence():
    model = tubes.build(TINY_TUBES)
    with pytest.raises(WorkbookError, match="clips: of 3 frames"):
        tubes.look(model, [np.stack(noise(2))])
    with pytest.raises(WorkbookError, match="clips of 4 frames have no centre"):
        tubes.build(replace(TINY_TUBES, frames=4))


def test_keypoint_loss_of_one_frame_is_torchvisions():
    model = tubes.build(tubes.frame_config(TINY_TUBES))
    boxes = torch.tensor([[[38.0, 18.0, 70.0, 70.0]], [[30.0, 22.0, 62.0, 60.0]]])
    wanted = tubes.tube_target(someone(track=[0]), [0], (128, 96))
    features = torch.randn(1, 32, 1, 12, 16)
    both = torch.zeros(2, dtype=torch.int64)
    sample = {"tubes": boxes, "label": both + 1, "match": both, "wanted": wanted}
    with torch.no_grad():
        ours = model._keypoint_loss(features, [sample])
        theirs = keypointrcnn_loss(
            model.heatmaps(features, [boxes])[:, 0], [boxes[:, 0]], [wanted["keypoints"][:, 0]], [both]
        )
    torch.testing.assert_close(ours, theirs)


# --- files of predictions --------------------------------------------------------------------------


def _random_detections(n, seed, tallest=150.0):
    rng = np.random.default_rng(seed)
    corner, sides = rng.uniform(0, 200, (n, 2)), rng.uniform(0.5, tallest, (n, 2))
    box = np.concatenate([corner, corner + sides], 1)
    heat = torch.tensor(rng.normal(size=(n, N_JOINTS, 56, 56)), dtype=torch.float32)
    xy, logit, _ = keypoint_rcnn.decode(heat, torch.tensor(box, dtype=torch.float32))
    frame, score = np.sort(rng.integers(0, 9, n)), rng.random(n)
    return people(frame=frame, box=box, score=score, xy=xy, joint_score=logit)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 6))
def test_predictions_come_back_where_they_were(seed, n):
    import tempfile
    from pathlib import Path

    found = _random_detections(n, seed)
    with tempfile.TemporaryDirectory() as folder:
        path = stored.save(Path(folder) / "p.npz", {"a": found, "b": nobody()}, seed=3)
        kept, facts = stored.load(path)
        assert [p.name for p in Path(folder).iterdir()] == ["p.npz"]
    back, empty = stored.of_videos(kept, ["a", "b"])
    assert facts == {"seed": 3} and len(empty) == 0
    np.testing.assert_array_equal(back.frame, found.frame)
    np.testing.assert_allclose(back.box, found.box, atol=1 / 64 + 1e-9)
    np.testing.assert_allclose(back.score, found.score, atol=1e-5)
    np.testing.assert_allclose(back.joint_score, found.joint_score, atol=1 / 32 + 1e-9)
    assert np.abs(back.xy - found.xy).max(initial=0) < 1 / 16


def test_predictions_of_a_detector_without_joints(tmp_path):
    boxes = people(frame=[0, 2], box=[[0, 0, 5, 6], [1, 2, 30, 40]], score=[0.5, 0.25])
    back = stored.load(stored.save(tmp_path / "p.npz", {"a": boxes, "b": nobody()}))[0]["a"]
    np.testing.assert_array_equal(back.box, boxes.box)
    assert not back.present.any() and back.frame.tolist() == [0, 2]


def test_broken_predictions_are_one_sentence(tmp_path):
    path = stored.save(tmp_path / "p.npz", {"a": _random_detections(3, 0)})
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(WorkbookError, match=r"p\.npz: is truncated"):
        stored.load(path)
    with pytest.raises(WorkbookError, match="is missing"):
        stored.load(tmp_path / "none.npz")
    with pytest.raises(WorkbookError, match="the video b is not among them"):
        stored.of_videos({"a": nobody()}, ["b"])
    with pytest.raises(WorkbookError, match=r"p\.npz: a joint is absent or outside its box"):
        stored.save(path, {"a": someone().replace(xy=someone().xy + 100)})


def test_predictions_far_out_and_late_come_back_exactly(tmp_path):
    """A frame of 1920 × 1080 pixels and more, and videos of more than 65,535 frames."""
    box = [[1200, 100, 1500.5, 800], [-3000, -40, 40000, 70000.25]]
    wide = people(frame=[4, 70_000], box=box, score=[0.5, 1.0])
    back = stored.load(stored.save(tmp_path / "p.npz", {"a": wide}))[0]["a"]
    np.testing.assert_array_equal(back.box, box)
    assert back.frame.tolist() == [4, 70_000]
    rng = np.random.default_rng(0)
    found = _random_detections(6, 1, 900.0)
    shift = rng.integers(1000, 3000, (6, 2)).astype(float)
    moved = found.replace(
        box=found.box + np.tile(shift, 2), xy=found.xy + shift[:, None], joint_score=40 * found.joint_score
    )
    back = stored.load(stored.save(tmp_path / "q.npz", {"a": moved}))[0]["a"]
    np.testing.assert_allclose(back.box, moved.box, atol=1 / 64 + 1e-9)
    np.testing.assert_allclose(back.joint_score, moved.joint_score, atol=1 / 32 + 1e-9)
    assert np.abs(back.xy - moved.xy).max() < 1 / 16


def test_bytes_apart_come_back_for_every_width():
    for values in ([-128, 127], [-129, 5], [32767, 32768], [2**31 - 1, -(2**31)], [2**31], []):
        planes = stored._planes(np.array(values, np.int64))
        assert stored._unplaned(planes).tolist() == values if values else len(planes) == 1
    assert [len(stored._planes(np.array([v]))) for v in (127, 128, 32767, 32768, 2**31)] == [1, 2, 2, 4, 8]


@pytest.mark.parametrize(
    "change, word",
    [
        ({"box": [[0, 0, np.nan, 5]]}, "a box is not a number"),
        ({"box": [[0, 0, np.inf, 5]]}, "a box is not a number"),
        ({"score": [1.5]}, "a score is not in"),
        ({"score": [np.nan]}, "a score is not in"),
        ({"frame": [10_000_001]}, "a frame is not in"),
        ({"frame": [-1]}, "a frame is not in"),
        ({"box": [[5, 0, 4, 6]]}, "a box ends before it begins"),
    ],
)
def test_what_a_file_cannot_hold_is_refused(tmp_path, change, word):
    fields = {"frame": [0], "box": [[0, 0, 5, 6]], "score": [0.5]} | change
    with pytest.raises(WorkbookError, match=rf"p\.npz: {word}.*, which a file of predictions cannot hold\.$"):
        stored.save(tmp_path / "p.npz", {"a": people(**fields)})
    assert not list(tmp_path.iterdir())


def test_predictions_of_the_first_layout_are_read(tmp_path):
    """Whole numbers side by side, joints last: what files held before bytes were told apart."""
    box, place = np.array([[0, 0, 320, 640]], np.int16), np.full((1, 15, 2), 3, np.uint16)
    about = {"facts": {"seed": 1}, "videos": {"a": 1}}
    np.savez(
        tmp_path / "old.npz",
        frame=np.array([7], np.uint16),
        box=box,
        score=np.array([65535], np.uint16),
        cells=np.array([[10, 20]], np.uint16),
        place=place,
        logit=np.full((1, 15), 24, np.int16),
        about=np.frombuffer(json.dumps(about).encode(), np.uint8),
    )
    kept, facts = stored.load(tmp_path / "old.npz")
    back = kept["a"]
    assert facts == {"seed": 1} and back.frame.tolist() == [7] and back.box.tolist() == [[0, 0, 10, 20]]
    assert (back.xy == 3.5).all() and (back.joint_score == 1.5).all() and back.score.tolist() == [1.0]


def _npz_with(tmp_path, about=None, **changes):
    found = _random_detections(3, 0)
    content = stored.packed({"a": found}, {})
    with np.load(io.BytesIO(content)) as file:
        arrays = {name: file[name] for name in file.files} | changes
    if about is not None:
        arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    (tmp_path / "p.npz").write_bytes(stored._npz(arrays))
    return tmp_path / "p.npz"


@pytest.mark.parametrize(
    "about",
    [
        {"facts": {}, "videos": {"a": 2}},
        {"facts": {}, "videos": {"a": 4}},
        {"facts": {}, "videos": {"a": 5, "b": -2}},
        {"facts": {}, "videos": {"a": "x"}},
        {"facts": {}, "videos": {"a": 3.0}},
        {"facts": {}, "videos": 3},
        {"facts": 3, "videos": {"a": 3}},
        {},
        [],
    ],
)
def test_counts_that_do_not_add_up_are_one_sentence(tmp_path, about):
    with pytest.raises(WorkbookError, match=r"p\.npz: is truncated or no file of predictions \(\w+\)\.$"):
        stored.load(_npz_with(tmp_path, about))


def test_numbers_that_cannot_be_are_one_sentence(tmp_path):
    far = stored._planes(np.array([0, 1, 10**9]))
    nobody_there = np.zeros((1, 3, 2), np.uint8)
    for change in ({"cells": nobody_there}, {"box": far}, {"extra": far}):
        with pytest.raises(WorkbookError, match=r"p\.npz: is truncated or no file"):
            stored.load(_npz_with(tmp_path, **change))
    nested = {"frame": far, "about": np.frombuffer(b"[" * 100_000, np.uint8)}
    (tmp_path / "p.npz").write_bytes(stored._npz(nested))
    with pytest.raises(WorkbookError, match=r"RecursionError"):
        stored.load(tmp_path / "p.npz")


@pytest.mark.parametrize(
    "change, word",
    [
        ({"frame": [-5, 1]}, "a frame is not in"),
        ({"frame": [0, 10**9]}, "a frame is not in"),
        ({"box": np.full((2, 4), np.nan)}, "a box is not a number"),
        ({"box": [[0, 0, np.inf, 320]] * 2}, "a box is not a number"),
        ({"box": [[320, 0, 0, 320]] * 2}, "a box ends before"),
        ({"score": [np.nan, 1]}, "a score is not in"),
        ({"score": [65536, 1]}, "a score is not in"),
        ({"logit": np.full((2, 15), np.nan)}, "a joint's score is not finite"),
        ({"cells": np.full((2, 2), np.nan)}, "is truncated or no file"),
        ({"place": np.full((2, 15, 2), np.nan)}, "is truncated or no file"),
    ],
)
def test_numbers_that_no_network_gives_are_refused_when_read(tmp_path, change, word):
    good = {"frame": [0, 1], "box": [[0, 0, 320, 320]] * 2, "score": [0, 65535], "cells": [[10, 10]] * 2}
    good |= {"place": np.zeros((2, 15, 2)), "logit": np.zeros((2, 15))}
    about = np.frombuffer(b'{"facts": {}, "videos": {"a": 2}}', np.uint8)
    np.savez(tmp_path / "p.npz", **{name: np.array(values) for name, values in (good | change).items()}, about=about)
    with pytest.raises(WorkbookError, match=rf"p\.npz: {word}"):
        stored.load(tmp_path / "p.npz")


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9), st.integers(0, 255))
def test_any_damaged_byte_is_one_sentence_or_harmless(tmp_path_factory, place, value):
    """Zip members that are encrypted, of another method or version, shapes beyond memory, and whatever else."""
    path = tmp_path_factory.mktemp("d") / "p.npz"
    content = bytearray(_DAMAGED)
    content[place % len(content)] = value
    path.write_bytes(content)
    try:
        stored.load(path)
    except WorkbookError as error:
        assert str(error).endswith(").") and "\n" not in str(error)


_DAMAGED = stored.packed({"a": _random_detections(2, 0)}, {})


# --- order, clips and slices -------------------------------------------------------------------------


def test_scores_of_a_clip_are_those_of_all_its_frames():
    """Objectness and class come from the mean over time, not from the centre frame (DT §3.2)."""
    model = sharper(tubes.build(TINY_TUBES))
    features = torch.randn(1, 32, 3, 12, 16)
    later = features.clone()
    later[:, :, 2] = torch.randn(1, 32, 12, 16)  # the last frame alone is another
    head = model.head.layers["scores"]
    x = torch.relu(model.head.layers["conv"](features))
    by_hand = head(x).mean(2)[0].reshape(-1, 2, 12 * 16).transpose(0, 2).transpose(1, 2)
    scores, _ = model.head(features)
    with torch.no_grad():
        torch.testing.assert_close(scores[0].reshape(12 * 16, -1, 2), by_hand.reshape(12 * 16, -1, 2), msg="mean")
        tube = [torch.tensor([[[8.0, 8, 60, 70]] * 3])]
        logits = [model.classify(f, tube)[0] for f in (features, later)]
        each = [model.classify(features[:, :, [t] * 3], tube)[0] for t in range(3)]
    assert (logits[0] - logits[1]).abs().max() > 1e-3
    torch.testing.assert_close(logits[0], torch.stack(each).mean(0), atol=1e-4, rtol=1e-4)


def test_tubes_of_equal_scores_stay_in_their_order():
    same = torch.tensor([[[0.0, 0, 10, 10]], [[0.0, 0, 10, 10]], [[50.0, 50, 60, 60]]] * 20)
    assert tubes.tube_nms(same, torch.ones(60), 0.5).tolist() == [0, 2]
    half = torch.tensor([[[0.0, 0, 10, 10]], [[0.0, 0, 10, 5]]])  # an overlap of exactly one half stays
    assert tubes.tube_nms(half, torch.tensor([0.9, 0.8]), 0.5).tolist() == [0, 1]
