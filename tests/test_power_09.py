"""Power tests of notebook 09: a named fault in a helper turns a verdict, or its estimate, as the notebook measures it.

SB-T5's rows on the first val videos, of two training runs of each detector, first healthy, then with a helper broken.
"""

import numpy as np
import pytest

from helpers import evaluation, ledger, puppets
from helpers.detections import predicting
from helpers.experiments import propagation
from helpers.people import concatenate
from helpers.tracking import flow_similarity
from helpers.training import stage_one
from tests.power import power

N, SEEDS = 6, (0, 1)


def first(people):
    """The people of the first videos."""
    return [run[:N] for run in people]


@pytest.fixture(scope="module")
def world():
    """The videos, labelled in their dense runs, and the people in the boxes alone and with those who are carried."""
    videos = [propagation.in_run(v) for v in puppets.videos("val", n=N)]
    people = {}
    for block in ("a", "b"):
        people[block] = first(propagation.people_of(block, "", SEEDS))
        people[f"{block}+"] = first(propagation.people_of(block, "dis", SEEDS))
    return videos, people


@pytest.fixture(scope="module")
def healthy(world):
    return propagation.table_rows(*world)


def estimates(claim, rows):
    return [c.estimate for c in propagation.result(claim, rows).components]


def misplaced(run):
    """People ten frames after their time."""
    return [p.replace(frame=np.minimum(p.frame + 10, p.frame.max(initial=0))) for p in run]


def test_healthy(world, healthy):
    assert set(healthy) == {f"{block}{i}" for block in "ab" for i in range(1, 7)}
    assert propagation.result("SB-C10", healthy).verdict == ledger.HOLDS
    for claim in ("SB-C6", "SB-C7", "SB-C9", "SB-C11"):
        assert propagation.result(claim, healthy).n_seeds == 2 and np.isfinite(estimates(claim, healthy)).all()
    assert all(way.mota() > 0 for way in healthy.values())


def alike(rows):
    """Rows of two detectors that are equally good: the stronger one's stand for both."""
    return rows | {f"a{i}": rows[f"b{i}"] for i in range(1, 7)}


@power("SB-C6", "SB-C8")
def test_fault_carried_people_come_into_the_wrong_frames(world, healthy):
    videos, people = world
    broken = {name: [misplaced(run) for run in each] if "+" in name else each for name, each in people.items()}
    rows = propagation.table_rows(videos, broken)
    for claim, now, before in (("SB-C6", rows, healthy), ("SB-C8", alike(rows), alike(healthy))):
        assert propagation.result(claim, now).verdict == ledger.CONTRADICTED
        assert max(estimates(claim, now)) < min(estimates(claim, before)) - 5


def test_detectors_far_apart_say_nothing_of_what_propagation_bridges(healthy):
    assert healthy["b1"].ap() - healthy["a1"].ap() > propagation.FURTHEST
    assert np.isnan(estimates("SB-C8", healthy)).all()
    assert propagation.result("SB-C8", healthy).verdict == ledger.UNDECIDED


@power("SB-C7")
def test_fault_only_the_stronger_detector_is_helped(world, healthy):
    """The weaker one's people are lost where others are carried to them."""
    videos, people = world
    broken = people | {"a+": [[p[::2] for p in run] for run in people["a+"]]}
    assert propagation.result("SB-C7", propagation.table_rows(videos, broken)).verdict == ledger.CONTRADICTED


@power("SB-C9")
def test_fault_carried_poses_are_counted_from_the_other_corner(world, healthy, monkeypatch):
    """They land where nobody is, so that nobody is found again."""
    moved, size = flow_similarity.moved, np.array(world[0][0].size)
    monkeypatch.setattr(flow_similarity, "moved", lambda flow, xy: moved(flow, size - xy))
    rows = propagation.table_rows(*world)
    assert propagation.result("SB-C9", rows).verdict == ledger.CONTRADICTED
    assert max(estimates("SB-C9", rows)[:2]) < min(estimates("SB-C9", healthy)[:2]) - 1


@power("SB-C11")
def test_fault_boxes_are_never_alike(world, healthy, monkeypatch):
    monkeypatch.setattr(flow_similarity, "box_iou", lambda a, b: np.zeros((len(a), len(b))))
    rows = propagation.table_rows(*world)
    assert propagation.result("SB-C11", rows).verdict == ledger.CONTRADICTED


@power("SB-C10")
def test_fault_precision_depends_on_ids(healthy, monkeypatch):
    """An evaluation that leaves out people of odd ids: mAP differs between similarities."""
    pair_up = evaluation.pair_up
    monkeypatch.setattr(evaluation, "pair_up", lambda v, p: pair_up(v, [one[one.track % 2 == 0] for one in p]))
    broken = propagation.result("SB-C10", healthy)
    assert broken.estimate > 0.1 and broken.verdict == ledger.CONTRADICTED


@pytest.fixture(scope="module")
def trained():
    """SB-C13's rows on the first test videos: of three runs of the network of more videos, and of less."""
    videos = [propagation.in_run(v) for v in puppets.videos("test", n=N)]
    people = {name: first(propagation.people_of_test(name)) for name in propagation.TRAINED}
    return videos, people


@power("SB-C13")
def test_fault_the_network_of_more_videos_names_its_joints_backwards(trained):
    videos, people = trained
    healthy = propagation.trained_rows(videos, people)
    assert propagation.result("SB-C13", healthy).n_seeds == 3
    broken = people | {"more": [[p.replace(xy=p.xy[:, ::-1]) for p in run] for run in people["more"]]}
    rows = propagation.trained_rows(videos, broken)
    assert propagation.result("SB-C13", rows).verdict == ledger.CONTRADICTED


def test_people_who_are_carried_come_besides_those_in_the_boxes(world):
    """And keep out of the boxes' way, as `Propagation.nms` asks."""
    _, people = world
    for alone, everyone in zip(people["a"][0], people["a+"][0], strict=True):
        assert len(everyone) >= len(alone)
        assert (np.diff(everyone.frame) >= 0).all()
    parts = predicting.found_by(stage_one()["deconv-a"], "val", 20, boxes=stage_one()["detector-rfcn"], dense=True)[0]
    assert np.array_equal(concatenate(parts[:N]).xy, concatenate(people["a"][0]).xy)


def test_recall_is_counted_by_case(world):
    videos, people = world
    table = propagation.recall_by_case(videos, {"boxes": people["a"], "carried": people["a+"]}).set_index("case")
    assert table.loc["everybody", "joints"] == 2 * sum(v.people.present.sum() for v in videos)
    missed, everybody = table.loc["missed by the detector"], table.loc["everybody"]
    assert missed["joints"] < everybody["joints"] and missed["boxes"] < everybody["boxes"]
    assert missed["carried"] > missed["boxes"]
