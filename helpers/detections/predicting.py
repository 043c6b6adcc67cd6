"""A trained network run over videos: what it finds, from files that ship or made now (notebooks 03 to 07)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from helpers import WorkbookError, artefacts, puppets, weights
from helpers.artefacts import Artefact
from helpers.detections import flow, propagation, stored
from helpers.geometry import box_iou
from helpers.nets.registry import module_of
from helpers.nets.sampling import frames_of
from helpers.people import People, Video, concatenate
from helpers.places import BUILD
from helpers.training import Plan, obtain, weight_file
from helpers.weights import device as find_device

#: Flows that carry people from frame to frame, as rows name them: DIS; of the controls the exact one, none at all and
#: that of another place; and "lower", nobody is carried and the best of the detector's boxes below the threshold are
#: taken instead, as many as DIS carries.
FLOWS = ("dis", "exact", "zero", "shuffled", "lower")
#: People in a dense run keep their joints to 1 / JOINT_STEPS pixel and their maxima to 1 / MAXIMUM_STEPS.
JOINT_STEPS, MAXIMUM_STEPS = 2, 50


def detect(plan: Plan, model: nn.Module, video: Video, which: Sequence[int] | None = None, **more) -> People:
    """What a plan's network finds in some frames of a video (None = all), in clips where it needs them.

    Raises WorkbookError for a network that finds nobody, such as one that links people.
    """
    network = module_of(plan.network)
    if not hasattr(network, "detect"):
        raise WorkbookError(f"{plan.name}: this network links people and finds none, so it predicts nothing.")
    return network.detect(model, frames_of(video), which=which, **more)


def detect_frozen(plan: Plan, model: nn.Module, video: Video, which: Sequence[int], **more) -> People:
    """`detect` with every frame taken for a video of its own, so that a clip is that frame repeated: no motion."""
    parts = []
    for t in map(int, which):
        found = detect(plan, model, replace(video, frames=[frames_of(video)[t]]), **more)
        parts.append(found.replace(frame=np.full(len(found), t)))
    return concatenate(parts)


def row_of(
    plan: Plan,
    split: str,
    n: int,
    frozen: bool = False,
    boxes: str = "own",
    every: int = 1,
    dense: bool = False,
    flow: str = "",
) -> Artefact:
    """The row of what a plan's network found in a split: that of a file that ships, or one for a file to be made."""
    wanted: dict[str, Any] = dict(
        kind="predictions",
        plan=plan.label,
        seed=plan.seed,
        split=split,
        frozen=frozen,
        boxes=boxes,
        dense=dense,
        flow=flow,
    )
    listed = None if plan.variant else artefacts.find(**wanted)
    if listed and listed.videos >= n:
        return listed
    source = {"own": "", "truth": "in-truth"}.get(boxes, f"in-{boxes}")
    every *= plan.every
    kinds = "frozen" if frozen else "", "run" if dense else "", flow
    parts = (plan.name, source, *kinds, split, f"{n}-videos", f"every{every}" if every > 1 else "")
    return Artefact("-".join(filter(None, parts)), videos=n, every=every, **wanted)


def predict(
    row: Artefact, plan: Plan, device: str = "cpu", data: Path = BUILD, boxes: Sequence[People] | None = None
) -> Path:
    """Run the plan's network as a row says and keep what it finds below `data`, with the facts of how.

    boxes: one People per video in whose boxes joints are to be found, in place of the network's own.
    The network is trained first where its weights are not there.
    """
    model = obtain(plan, device, data).to(find_device(device))
    known = _known(row, plan, device, data, boxes) if row.flow else []
    look, found = detect_frozen if row.frozen else detect, {}
    for k, video in enumerate(puppets.videos(row.split, n=row.videos)):
        which = (np.flatnonzero(video.labelled) if row.labelled else np.arange(len(video)))[:: row.every]
        if row.dense and boxes is not None:
            found[video.name] = _in_run(row, model, video, boxes[k], [each[k] for each in known])
        elif boxes is None:
            found[video.name] = look(plan, model, video, which, score_floor=row.score_floor)
        else:
            given = boxes[k][(boxes[k].score > row.score_floor) & np.isin(boxes[k].frame, which)]
            found[video.name] = detect(plan, model, video, np.unique(given.frame), boxes=given)
    trained = weights.metadata(weight_file(plan, data))
    facts = dict(
        weights=plan.name,
        seed=plan.recipe.seed,
        world=puppets.WORLD,
        data=f"PuppetTrack {row.split}, first {row.videos} videos",
        device=device,
        date=date.today().isoformat(),
        score_floor=row.score_floor,
        plan=weights.spelled_out(plan.configuration),
        training={name: trained[name] for name in ("minutes", "device", "log") if name in trained},
    )
    more = {} if row.boxes == "own" else {"boxes": row.boxes}
    free = getattr(module_of(plan.network), "FREE_JOINTS", False)
    return stored.save(artefacts.path_of("predictions", row.id, data), found, free, **facts, **more)


def flow_of(name: str, video: Video) -> flow.Provider:
    """The provider of a name in FLOWS, or in `flow.PROVIDERS`, for a video of the built-in world."""
    if name == "exact":
        return flow.PuppetFlow(video)
    return flow.Shuffled(flow.provider("dis")) if name == "shuffled" else flow.provider(name)


def _known(row: Artefact, plan: Plan, device: str, data: Path, boxes: Sequence[People] | None) -> list[list[People]]:
    """The people in the boxes and, for "lower", those that DIS carries; made first where they are not there."""
    out = []
    for name in ("", "dis")[: 1 + (row.flow == "lower")]:
        wanted = row_of(plan, row.split, row.videos, boxes=row.boxes, dense=True, flow=name)
        path = wanted.path if wanted.path.exists() else artefacts.path_of("predictions", wanted.id, data)
        if not path.exists():
            predict(wanted, plan, device, data, boxes)
        out.append(stored.of_videos(stored.load(path)[0], _names(row.split, row.videos)))
    return out


def _in_run(row: Artefact, model: nn.Module, video: Video, boxes: People, known: list[People]) -> People:
    """The people of a dense run who are in the boxes, or only those besides whom a row's flow brings.

    Their score is the box's alone, so that propagation can start from them again.
    """
    run, look = puppets.dense_run(video), propagation.Estimator(model)
    given = boxes[np.isin(boxes.frame, run)]
    given, chosen = given[np.argsort(given.frame, kind="stable")], propagation.Propagation()
    sure = given.score >= chosen.person
    if not known or row.flow == "lower":
        wanted = given[sure] if not known else _next_best(given[sure], given[~sure], len(known[1]), chosen.nms)
        return _coarse(look.in_video(frames_of(video), wanted).replace(score=wanted.score))
    neighbours = flow.Neighbours(flow_of(row.flow, video))
    propagator, parts = propagation.Propagator(propagation.Known(known[0], look), neighbours, chosen), []
    for found in propagation.in_order(propagator, video, given, run):
        parts.append(found.replace(score=propagator.box_score)[propagator.carried])
    return _coarse(concatenate(parts))


def _next_best(sure: People, unsure: People, n: int, overlap: float) -> People:
    """The n best of the unsure boxes that overlap no sure one of their frame, in the frames' order."""
    same = unsure.frame[:, None] == sure.frame
    free = unsure[~((box_iou(unsure.box, sure.box) > overlap) & same).any(1)]
    best = free[np.argsort(-free.score, kind="stable")[:n]]
    return best[np.argsort(best.frame, kind="stable")]


def _coarse(found: People) -> People:
    """The same to the precision that is kept: joints counted from the corner of their box as it is stored."""
    corner = np.round(found.box[:, None, :2] * stored.BOX_STEPS) / stored.BOX_STEPS
    xy = corner + np.round((found.xy - corner) * JOINT_STEPS) / JOINT_STEPS
    return found.replace(xy=xy, joint_score=np.round(found.joint_score * MAXIMUM_STEPS) / MAXIMUM_STEPS)


def true_boxes(split: str, n: int) -> list[People]:
    """The people of a split's first n videos whose box has an area within the image, with score 1."""
    videos = puppets.videos(split, n=n, render=False)
    inside = [np.clip(v.people.box, 0, np.tile(v.size, 2)) for v in videos]
    kept = [v.people[(b[:, 2:] - b[:, :2] >= 1).all(1)] for v, b in zip(videos, inside, strict=True)]
    return [p.replace(score=np.ones(len(p))) for p in kept]


def _made_by(plan: Plan, path: Path) -> bool:
    """Whether a file of predictions says that it was made by this plan, not by an older one, in the present world."""
    facts = stored.load(path)[1]
    return (facts.get("plan"), facts.get("world")) == (weights.spelled_out(plan.configuration), puppets.WORLD)


def found_by(
    plan: Plan,
    split: str,
    n: int,
    frozen: bool = False,
    device: str | None = None,
    boxes: str | Plan = "own",
    data: Path = BUILD,
    dense: bool = False,
    flow: str = "",
) -> tuple[list[People], dict]:
    """What a plan's network found in a split's first n videos, and the file's facts.

    boxes: "own", "truth" or the plan of the detector in whose boxes the joints are; dense: only those of the dense
    run, score their box's; flow: only those whom a flow of FLOWS brings there besides. From the
    file that ships or lies below `data`, there of just this plan; else, where a device is named, the
    network is trained and run now, on the labelled frames, and kept there. Raises WorkbookError otherwise.
    """
    row = row_of(plan, split, n, frozen, boxes if isinstance(boxes, str) else boxes.name, dense=dense, flow=flow)
    path = row.path if row.path.exists() else artefacts.path_of("predictions", row.id, data)
    if path != row.path and not (path.exists() and _made_by(plan, path)):
        if device is None:
            raise WorkbookError(
                f"{row.path}: {row.id} for {n} videos does not ship; name a device to make it (the gpu profile does)."
            )
        given = true_boxes(split, n) if boxes == "truth" else None
        if isinstance(boxes, Plan):
            given = found_by(boxes, split, n, device=device, data=data)[0]
        predict(row, plan, device, data, given)
    kept, facts = stored.load(path)
    return stored.of_videos(kept, _names(split, n)), facts


@cache  # a video's whole scene is made for its name
def _names(split: str, n: int) -> tuple[str, ...]:
    return tuple(video.name for video in puppets.videos(split, n=n, render=False))
