"""Every file that ships made again: `python -m helpers train|predict ID…|--all`.

Files come into build/; --update puts them in the place of those that ship and rewrites their
SHA-256 in data/artefacts.yaml.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from helpers import WorkbookError, artefacts
from helpers.artefacts import Artefact
from helpers.detections import predicting
from helpers.places import BUILD
from helpers.training import Plan, obtain, stage_one, standing
from helpers.weights import device as find_device


def plan_of(row: Artefact) -> Plan:
    """The plan of a row. Raises WorkbookError for one that there is not."""
    plans = stage_one(row.seed)
    if row.plan not in plans:
        raise WorkbookError(f"data/artefacts.yaml: {row.id}: plan {row.plan!r} is unknown.")
    return plans[row.plan]


def plan_named(name: str) -> Plan:
    """The plan of weights' name, listed or not: "detector-fpn-1". Raises WorkbookError for another."""
    parts = re.fullmatch("(.+)-([0-9]{1,9})", name)  # seeds beyond are none to torch
    found = stage_one(int(parts[2])).get(parts[1]) if parts else None
    if found is None or found.name != name:
        needed = "a plan's label and a seed of at most nine digits are needed, as in keypoint_rcnn-0"
        raise WorkbookError(f"network {name[:80]!r} is unknown; {needed}.")
    return found


def train(names: Sequence[str], device: str = "cpu", missing: bool = False, update: bool = False, say=print) -> None:
    """Train networks anew, those that they start from first where their weights are missing; into build/weights.

    names: of weights, listed or not, none = all listed; missing: only what neither ships nor stands in build/. An
    interrupted training goes on from build/checkpoints. Raises WorkbookError, before anything starts, for a
    name, a device or a list of artefacts that is not there, and for update of what the list does not hold.
    """
    find_device(device)
    listed = _ids("weights")
    plans = [plan_named(name) for name in dict.fromkeys(names or listed)]
    for plan in plans:
        if update and plan.name not in listed:
            raise WorkbookError(f"network {plan.name}: is not in data/artefacts.yaml, so --update has no place for it.")
    for plan in plans:
        if missing and standing(plan, BUILD):
            continue
        say(f"{plan.name}: {plan.recipe.steps} steps on {plan.recipe.data}")
        obtain(plan, device, BUILD, again=True, report=_progress(say, plan.recipe.steps))
        _done(artefacts.path_of("weights", plan.name, BUILD), plan.name if update else "", say)


def predict(names: Sequence[str], device: str = "cpu", missing: bool = False, update: bool = False, say=print) -> None:
    """Run networks as the rows say, into build/predictions. names: none = all listed; missing: as in `train`.

    Raises WorkbookError, before anything starts, for what `train` refuses then and for weights; and,
    after all the others, for rows whose weights have to be trained first.
    """
    find_device(device)
    rows = [artefacts.row(name) for name in dict.fromkeys(names or _ids("predictions"))]
    for row in rows:
        if row.kind != "predictions":
            raise WorkbookError(f"artefact {row.id}: holds weights; `python -m helpers train {row.id}` makes them.")
    rows.sort(key=lambda row: ("", *predicting.FLOWS).index(row.flow))  # people who are carried need those who are not
    untrained = []
    for row, plan in [(row, plan_of(row)) for row in rows]:
        path = artefacts.path_of("predictions", row.id, BUILD)
        if missing and (path.exists() or row.path.exists()):
            continue
        if not standing(plan, BUILD):
            untrained.append(plan.name)
            continue
        predicting.predict(row, plan, device, BUILD, _boxes(row))
        _done(path, row.id if update else "", say)
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
    sizes = {r: f"{r.path.stat().st_size / 1e3:8.0f} kB" if r.path.exists() else "missing" for r in artefacts.rows()}
    return "\n".join(f"{r.id:48} {r.kind:12} {r.split:5} {r.videos or '':3} {size}" for r, size in sizes.items())


def _ids(kind: str) -> list[str]:
    return [row.id for row in artefacts.rows() if row.kind == kind]


def _progress(say: Callable[[str], None], steps: int) -> Callable[[int, dict], None]:
    def report(step: int, row: dict) -> None:
        if (step + 1) % 100 == 0:
            say(f"  step {step + 1} of {steps}, {row['seconds']:.0f} s")

    return report


def _done(path: Path, publish_as: str, say: Callable[[str], None]) -> None:
    if publish_as:
        artefacts.publish(publish_as, path.read_bytes())
        path = artefacts.row(publish_as).path
    say(f"  {path}")
