"""Every file that ships made again: `python -m helpers train|predict ID…|--all`.

Files come into build/; --update puts them in the place of those that ship and rewrites their
SHA-256 in data/artefacts.yaml.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from helpers import WorkbookError, artefacts
from helpers.artefacts import Artefact
from helpers.detections import predicting
from helpers.places import BUILD
from helpers.training import Plan, obtain, stage_one, weight_file


def plan_of(row: Artefact) -> Plan:
    """The plan of a row. Raises WorkbookError for one that there is not."""
    plans = stage_one(row.seed)
    if row.plan not in plans:
        raise WorkbookError(f"data/artefacts.yaml: {row.id}: plan {row.plan!r} is unknown.")
    return plans[row.plan]


def plan_named(name: str) -> Plan:
    """The plan of weights' name, listed or not: "detector-fpn-1". Raises WorkbookError for another."""
    label, _, seed = name.rpartition("-")
    found = stage_one(int(seed)).get(label) if seed.isdigit() else None
    if found is None or found.name != name:
        raise WorkbookError(
            f"network {name!r} is unknown; a plan's label and a seed are needed, as in keypoint_rcnn-0."
        )
    return found


def train(names: Sequence[str], device: str = "cpu", missing: bool = False, update: bool = False, say=print) -> None:
    """Train networks anew, those that they start from first where their weights are missing; into build/weights.

    names: of weights, listed or not, none = all listed; missing: only where no weights are there. An
    interrupted training goes on from build/checkpoints.
    """
    for name in names or _ids("weights"):
        plan = plan_named(name)
        if missing and weight_file(plan, BUILD).exists():
            continue
        say(f"{name}: {plan.recipe.steps} steps on {plan.recipe.data}")
        obtain(plan, device, BUILD, again=True, report=_progress(say, plan.recipe.steps))
        _done(artefacts.path_of("weights", name, BUILD), update and artefacts.find(id=name), say)


def predict(names: Sequence[str], device: str = "cpu", missing: bool = False, update: bool = False, say=print) -> None:
    """Run networks as the rows say, into build/predictions. names: none = all listed.

    Raises WorkbookError, after all the others, for rows whose weights have to be trained first.
    """
    untrained = []
    for row in [artefacts.row(name) for name in names or _ids("predictions")]:
        path = artefacts.path_of("predictions", row.id, BUILD)
        if missing and path.exists():
            continue
        if row.kind != "predictions":
            raise WorkbookError(f"artefact {row.id}: are weights; `python -m helpers train {row.id}` makes them.")
        plan = plan_of(row)
        if not weight_file(plan, BUILD).exists():
            untrained.append(plan.name)
            continue
        predicting.predict(row, plan, device, BUILD, _boxes(row))
        _done(path, update and row, say)
    if untrained:
        needed = " ".join(dict.fromkeys(untrained))
        raise WorkbookError(f"weights are missing; train them first: python -m helpers train {needed} .")


def _boxes(row: Artefact):
    if row.boxes == "own":
        return None
    if row.boxes == "truth":
        return predicting.true_boxes(row.split, row.videos)
    return predicting.found_by(plan_named(row.boxes), row.split, row.videos)[0]


def listing() -> str:
    """All rows as text, one per line."""
    return "\n".join(
        f"{r.id:48} {r.kind:12} {r.split:5} {r.videos or '':3} {r.path.stat().st_size / 1e3:8.0f} kB"
        if r.path.exists()
        else f"{r.id:48} {r.kind:12} {r.split:5} {r.videos or '':3} missing"
        for r in artefacts.rows()
    )


def _ids(kind: str) -> list[str]:
    return [row.id for row in artefacts.rows() if row.kind == kind]


def _progress(say: Callable[[str], None], steps: int) -> Callable[[int, dict], None]:
    def report(step: int, row: dict) -> None:
        if (step + 1) % 100 == 0:
            say(f"  step {step + 1} of {steps}, {row['seconds']:.0f} s")

    return report


def _done(path: Path, row: Artefact | bool | None, say: Callable[[str], None]) -> None:
    if isinstance(row, Artefact):
        artefacts.publish(row.id, path.read_bytes())
        path = row.path
    say(f"  {path}")
