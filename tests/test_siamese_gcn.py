"""The Siamese graph network against its formula written joint by joint, and what was released of it."""

import numpy as np
import pytest
import torch

from helpers import WorkbookError
from helpers.nets import siamese_gcn as sgcn
from helpers.skeleton import INDEX, JOINTS, LIMBS

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
    model = sgcn.build(sgcn.SiameseGcnConfig(unit=False)).double()
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
    assert sgcn.closeness_loss(a, b, same, 1.0, released=True).item() == pytest.approx((0.25 + 0.5**2) / 2)
    assert sgcn.closeness_loss(a, b, same, 1.0, released=False).item() == pytest.approx((0.25 + 0.75) / 4)


def test_features_lie_on_the_sphere_where_the_paper_says_so():
    poses = torch.randn(5, len(JOINTS), 2)
    assert torch.allclose(sgcn.build(sgcn.SiameseGcnConfig())(poses).norm(dim=1), torch.ones(5))
    with pytest.raises(WorkbookError, match="true, released"):
        sgcn.SiameseGcnConfig("nearest")
