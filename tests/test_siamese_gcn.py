"""The Siamese graph network against its formula written joint by joint, and what was released of it."""

import numpy as np
import pytest
import torch

from helpers import WorkbookError, puppets
from helpers.nets import pose_pairs
from helpers.nets import siamese_gcn as sgcn
from helpers.people import Video, people
from helpers.skeleton import INDEX, JOINTS, LIMBS
from helpers.training.loop import Recipe, Span, fit

torch.set_num_threads(1)
#: Names and shapes of the published file.
SHAPES = {
    "A": (3, 15, 15),
    "data_bn.weight": (30,), "data_bn.bias": (30,), "data_bn.running_mean": (30,), "data_bn.running_var": (30,),
    "data_bn.num_batches_tracked": (),
    "st_gcn_networks.0.gcn.conv.weight": (192, 2, 1, 1), "st_gcn_networks.0.gcn.conv.bias": (192,),
    "st_gcn_networks.1.gcn.conv.weight": (192, 64, 1, 1), "st_gcn_networks.1.gcn.conv.bias": (192,),
    "edge_importance.0": (3, 15, 15), "edge_importance.1": (3, 15, 15),
    "fcn.weight": (128, 64, 1, 1), "fcn.bias": (128,),
}  # fmt: skip


def published(rng):
    """A dictionary as published, random; variances are positive."""
    tensors = {name: torch.tensor(rng.normal(size=shape), dtype=torch.float32) for name, shape in SHAPES.items()}
    tensors["data_bn.running_var"].abs_().add_(0.1)
    tensors["data_bn.num_batches_tracked"] = torch.tensor(7)
    return tensors


def by_loops(w, poses):
    """The released network, joint by joint: (N, 15, 2) → (N, 128)."""
    w = {name: value.double().numpy() for name, value in w.items()}
    flat = poses.reshape(len(poses), 30)  # joint 0 x, joint 0 y, joint 1 x …
    flat = (flat - w["data_bn.running_mean"]) / np.sqrt(w["data_bn.running_var"] + 1e-5)
    x = (flat * w["data_bn.weight"] + w["data_bn.bias"]).reshape(-1, 15, 2)
    for layer in "01":
        kernel = w[f"st_gcn_networks.{layer}.gcn.conv.weight"][..., 0, 0]
        bias = w[f"st_gcn_networks.{layer}.gcn.conv.bias"]
        out = np.zeros((len(x), 15, 64))
        for k in range(3):
            rows = slice(64 * k, 64 * k + 64)
            for to in range(15):
                for come in range(15):
                    share = w["A"][k, come, to] * w[f"edge_importance.{layer}"][k, come, to]
                    out[:, to] += share * (x[:, come] @ kernel[rows].T + bias[rows])
        x = np.maximum(out, 0)
    return x.mean(1) @ w["fcn.weight"][..., 0, 0].T + w["fcn.bias"]


@pytest.mark.parametrize("wrapped", [False, True])
def test_the_published_file_computes_what_the_formula_says(tmp_path, wrapped):
    rng = np.random.default_rng(0)
    tensors, poses = published(rng), rng.uniform(0, 200, (6, 15, 2))
    file = {"state_dict": {f"module.{name}": value for name, value in tensors.items()}} if wrapped else tensors
    torch.save(file, tmp_path / "sgcn.pt")
    model = sgcn.load_released(tmp_path / "sgcn.pt")
    with torch.no_grad():
        found = model(torch.tensor(poses, dtype=torch.float32)).numpy()
    assert found.shape == (6, 128) and not model.training
    expected = by_loops(tensors, poses)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda t: t.pop("fcn.bias"), "fcn.bias is missing"),
        (lambda t: t.update({"edge_importance.1": torch.ones(3, 18, 18)}), "3 × 18 × 18, not 3 × 15 × 15"),
        (lambda t: t.update({"more": torch.ones(1)}), "no tensor more"),
        (lambda t: t["A"].fill_(np.nan), "not finite"),
    ],
)
def test_another_file_is_one_sentence(tmp_path, change, word):
    tensors = published(np.random.default_rng(1))
    change(tensors)
    torch.save(tensors, tmp_path / "sgcn.pt")
    with pytest.raises(WorkbookError, match=word):
        sgcn.load_released(tmp_path / "sgcn.pt")


def test_released_size_and_another_shape_of_poses():
    model = sgcn.build(sgcn.RELEASED)
    assert sum(p.numel() for p in model.parameters()) == 22_786
    with pytest.raises(WorkbookError, match=r"\(N, 15, 2\)"):
        model(torch.zeros(3, 14, 2))


def test_bones_are_those_of_a_body():
    limbs = {frozenset(map(int, pair)) for pair in LIMBS}
    crossing = {frozenset((INDEX["right_hip"], INDEX["left_hip"]))}
    assert {frozenset(bone) for bone in sgcn.BONES} == limbs - crossing
    assert sgcn.hops()[sgcn.CENTRE].astype(int).tolist() == [4, 3, 2, 2, 3, 4, 3, 2, 1, 1, 2, 3, 0, 1, 2]


def test_partitions_by_true_and_by_released_distances():
    true, released = sgcn.partitioned("true"), sgcn.partitioned("released")
    assert np.count_nonzero(true, (1, 2)).tolist() == [15, 14, 14]
    assert np.count_nonzero(released, (1, 2)).tolist() == [15, 20, 8]
    for sets in (true, released):
        np.testing.assert_allclose(sets.sum((0, 1)), 1)  # what a joint hears is a mean
        np.testing.assert_array_equal(sets.sum(0) > 0, sgcn.hops() <= 1)
    wrist, elbow = INDEX["left_wrist"], INDEX["left_elbow"]
    assert true[2, elbow, wrist] and true[1, wrist, elbow]  # the elbow is nearer the neck
    assert released[1, elbow, wrist] and not released[2, elbow, wrist]


def test_a_joint_is_heard_two_bones_away_and_no_further():
    model = sgcn.build(sgcn.SiameseGcnConfig(paper=False)).double()
    heard = torch.zeros(15, 15)
    for joint in range(15):
        x = torch.zeros(1, 2, 1, 15, dtype=torch.double, requires_grad=True)
        out = x
        for block in model.st_gcn_networks:
            out = block.gcn(out, model.A)
        out[..., joint].sum().backward()
        heard[:, joint] = x.grad.abs().sum((0, 1, 2))
    np.testing.assert_array_equal(heard.numpy() > 0, sgcn.hops() <= 2)


def test_paper_and_released_loss_by_hand():
    a, b = torch.tensor([[0.0, 0.0], [0.0, 0.0]]), torch.tensor([[0.3, 0.4], [0.3, 0.4]])  # distance a half
    same = torch.tensor([1.0, 0.0])
    assert sgcn.closeness_loss(a, b, same, 1.0, paper=False).item() == pytest.approx((0.25 + 0.5**2) / 2)
    assert sgcn.closeness_loss(a, b, same, 1.0, paper=True).item() == pytest.approx((0.25 + 0.75) / 4)


def test_features_lie_on_the_sphere_where_the_paper_says_so():
    poses = torch.randn(5, len(JOINTS), 2)
    assert torch.allclose(sgcn.build(sgcn.SiameseGcnConfig())(poses).norm(dim=1), torch.ones(5))
    with pytest.raises(WorkbookError, match="true, released"):
        sgcn.SiameseGcnConfig("nearest")


def crowd():
    """Two people over three frames, who overlap in the second; a third stands apart in the first."""
    rows = [(0, 0, 0), (0, 1, 200), (0, 2, 400), (1, 0, 0), (1, 1, 20), (2, 0, 0)]  # frame, id, left edge
    box = np.array([[x, 10, x + 50, 110] for *_, x in rows], float)
    xy = box[:, None, :2] + np.linspace(0, 1, 15)[None, :, None] * [50, 100]
    return people(frame=[r[0] for r in rows], track=[r[1] for r in rows], box=box, xy=xy)


def test_pairs_by_hand():
    found = pose_pairs.pairs_of(crowd())
    assert found["positive"].tolist() == [[0, 3], [1, 4], [3, 5]]
    assert found["hard"].tolist() == [[3, 4], [4, 3]]
    assert len(found["other"]) == 6 and [0, 1] in found["other"].tolist()


def test_boxes_that_just_overlap_enough_are_hard_and_those_that_are_just_too_small_are_left_out():
    """60 × 100 px, 40 px aside: a third of each is shared, a fifth of both together."""
    for aside, kind in ((40, "hard"), (41, "other")):
        box = np.array([[0.0, 0, 60, 100], [aside, 0, 60 + aside, 100]])
        two = people(frame=[0, 0], track=[0, 1], box=box, xy=np.repeat(box[:, None, :2], 15, 1))
        assert pose_pairs.pairs_of(two)[kind].tolist() == [[0, 1], [1, 0]]
    video = Video("made", (500, 200), np.ones(3, bool), crowd())  # their boxes are 50 px wide
    assert len(pose_pairs.Pairs([video], least=49.9).inputs) == 6
    with pytest.raises(WorkbookError, match="no positive pair"):
        pose_pairs.Pairs([video], least=50.0)


@pytest.mark.parametrize("partition", sgcn.PARTITIONS)
def test_weights_begin_as_released(partition):
    weights = [m.weight for m in sgcn.build(sgcn.SiameseGcnConfig(partition)).modules() if hasattr(m, "kernel_size")]
    assert len(weights) == 3 and torch.cat([w.flatten() for w in weights]).std().item() == pytest.approx(0.02, rel=0.05)


def test_a_pose_is_the_same_wherever_and_however_large_its_box_is():
    some = crowd()
    larger = some.replace(xy=some.xy * 3 + 7, box=some.box * 3 + 7)
    np.testing.assert_allclose(pose_pairs.inputs_of(some), pose_pairs.inputs_of(larger), atol=1e-6)
    assert pose_pairs.inputs_of(some)[0, 14].tolist() == [1, 1]
    gone = some.replace(present=np.zeros((6, 15), bool), xy=np.full((6, 15, 2), 9.0))
    assert (pose_pairs.inputs_of(gone) == 0.5).all()
    released = pose_pairs.inputs_of(gone, paper=False)
    assert released[1, 0].tolist() == [-195, 0]  # the box from 200, 5 px wider on each side; above the image is cut off


def test_batches_come_again_and_training_tells_pairs_apart():
    video = Video("made", (500, 200), np.ones(3, bool), crowd())
    pairs = pose_pairs.Pairs([video])
    a, b, same = pairs.batch(8, 3, 0)
    assert a.shape == b.shape == (8, 15, 2) and same.tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
    assert all(torch.equal(x, y) for x, y in zip(pairs.batch(8, 3, 0), (a, b, same), strict=True))
    assert pairs.rows["positive"].tolist() == [[0, 3], [1, 4], [3, 5]]
    pairs.inputs = np.arange(90, dtype=np.float32).reshape(6, 15, 1).repeat(2, -1)  # tell the rows apart
    drawn = [pairs.batch(8, step, seed)[0] for step, seed in ((3, 0), (4, 0), (3, 1))]
    assert not torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[1], drawn[2])  # step 4 of run 0 is not step 3 of run 1
    with pytest.raises(WorkbookError, match="no positive pair in 0 videos"):
        pose_pairs.Pairs([])


def test_training_brings_a_person_together_and_others_apart():
    videos = puppets.videos("train", n=2, render=False)
    model = sgcn.start_from(None, sgcn.SiameseGcnConfig())
    draw = sgcn.batches(videos, model.config, 64, 0)
    log = fit(model, lambda m, step: sgcn.losses(m, *draw(step)), Recipe(Span("train", 0, 2), 80, 32, 5e-3))
    assert np.mean([row["loss"] for row in log[-10:]]) < 0.7 * log[0]["loss"]
    a, b, same = draw(10_000)
    with torch.no_grad():
        distance = (model(a) - model(b)).norm(dim=1)
    assert distance[same == 1].median() < 0.5 * distance[same == 0].median()


def test_scores_are_distances_of_features():
    model, poses = sgcn.build(sgcn.SiameseGcnConfig()), torch.rand(5, 15, 2)
    with torch.no_grad():
        a, b = model(poses[:2]), model(poses[2:])
    expected = (a[:, None] - b[None]).square().sum(-1).sqrt()
    assert torch.allclose(sgcn.score(model, poses[:2], poses[2:]), expected, atol=1e-5)
