"""What a notebook is started with: accepted as it is meant, refused in one sentence that names the parameter."""

import subprocess
import sys

import numpy as np
import pytest

from helpers import WorkbookError, parameters


@pytest.mark.parametrize("seeds", [[0], [2, 0, 1], (3,), "[0]", "[4, 1]", [10**6]])
def test_what_is_meant_is_taken_in_its_order(seeds):
    expected = [0] if seeds == "[0]" else [4, 1] if seeds == "[4, 1]" else list(seeds)
    assert parameters.checked("laptop", "puppets", seeds) == ("laptop", "puppets", expected)
    assert parameters.checked("gpu", "puppets", seeds)[0] == "gpu"


@pytest.mark.parametrize(
    "seeds",
    [
        3,
        [],
        [-1],
        None,
        ["a"],
        ["0"],
        [0, 0],
        "[1",
        "[0, 0]",
        "[]",
        "3",
        "",
        True,
        [True],
        [0.0],
        {0},
        "[" * 9999,
        {0: 1},
    ],
    ids=lambda s: repr(s)[:12],
)
def test_seeds_that_are_refused(seeds):
    with pytest.raises(WorkbookError, match=r"^seeds .{1,40}: must be a list of different integers.*\.$"):
        parameters.checked("laptop", "puppets", seeds)


def test_only_seeds_of_which_there_is_something_to_show():
    assert parameters.checked("laptop", "puppets", [2, 0], allowed_seeds=range(3))[2] == [2, 0]
    with pytest.raises(WorkbookError, match=r"seeds \[3\]: .*ones of 0, 1, 2, at"):
        parameters.checked("laptop", "puppets", [3], allowed_seeds=range(3))


@pytest.mark.parametrize("profile", ["huge", "", None, 1, ["gpu"], "GPU"])
def test_an_unknown_profile(profile):
    with pytest.raises(WorkbookError, match=r"^profile .*laptop, gpu"):
        parameters.checked(profile, "puppets", [0])


def test_a_data_set_that_is_unknown_or_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv("POSE_WORKBOOK_DATA", str(tmp_path))
    for unknown in ("coco", "", None, ["somof"]):
        with pytest.raises(WorkbookError, match="unknown; there are puppets, somof"):
            parameters.checked("laptop", unknown, [0])
    with pytest.raises(WorkbookError, match="somof: not found"):
        parameters.checked("laptop", "somof", [0])


def test_it_needs_no_notebook_software_and_no_torch():
    code = "import sys, helpers.parameters; sys.exit(any(m in sys.modules for m in ('torch', 'nbformat', 'papermill')))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    ("profile", "dataset", "seeds", "name"),
    [
        (np.array(["laptop", "gpu"]), "puppets", [0], "profile"),
        ("laptop", np.array(["puppets", "bonn"]), [0], "data set"),
        ("laptop", "puppets", np.array([0, 1]), "seeds"),
    ],
)
def test_an_array_is_refused_in_a_sentence(profile, dataset, seeds, name):
    with pytest.raises(WorkbookError, match=f"^{name} array"):
        parameters.checked(profile, dataset, seeds)
