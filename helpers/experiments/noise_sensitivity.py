"""How much do claims on simulated detections depend on each constant of the noise? (notebook 01)

Each constant is halved and doubled, alone. What moves a verdict is named, so that nobody reads a choice of ours as a
result.
"""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import pandas as pd

from helpers.detections.filters import PERSON, keep_confident
from helpers.detections.simulated import DetectorNoise, simulate_detections
from helpers.experiments import links, metrics
from helpers.experiments.runs import Runs
from helpers.people import People, Video
from helpers.tracking import track
from helpers.tracking.frame_to_frame import FrameToFrame
from helpers.tracking.matching import greedy

#: Constants that are shares: their odds are halved and doubled.
SHARES = {f.name for f in fields(DetectorNoise) if f.name.endswith("lasts")} | {
    *("missed", "outliers", "mirrored", "swapped", "memory", "lives", "beside")
}
CLAIMS = ("PT-C7", "DT-C3", "PT-C8", "DT-C5")
#: As in notebook 06: who is scored lower is not linked, and which joints count.
SURE, JOINT = PERSON, 0.5


def variants(noise: DetectorNoise = DetectorNoise()) -> dict[tuple[str, str], DetectorNoise]:
    """(constant, "halved" or "doubled") → the noise with that constant changed, and ("none", "as fitted")."""
    out = {("none", "as fitted"): noise}
    for field in fields(noise):
        for way, factor in (("halved", 0.5), ("doubled", 2.0)):
            out[field.name, way] = replace(noise, **{field.name: _changed(noise, field.name, factor)})
    return out


def _changed(noise: DetectorNoise, name: str, factor: float) -> Any:
    value = getattr(noise, name)
    if isinstance(value, tuple):
        return tuple(factor * v for v in value)
    if name in SHARES:
        return factor * value / (1 - value + factor * value)
    return min(1.0, factor * value) if name == "guessed" else factor * value


def results(videos: Sequence[Video], noise: DetectorNoise, data: str) -> dict[str, tuple[float, str]]:
    """Estimate (of the first component) and verdict of each of CLAIMS, on one draw of the noise."""
    found = [simulate_detections(v, 0, noise) for v in videos]
    sure = [keep_confident(p, SURE, JOINT) for p in found]

    def run(detections: Sequence[People], way: str) -> Runs:
        give = metrics.WAYS[way]
        return Runs(videos, [[give(p, v, 0) for p, v in zip(detections, videos, strict=True)]])

    confident = [keep_confident(p, joint=metrics.SETTINGS["confident joints"]) for p in found]
    ids = {("everything kept", way): run(found, way) for way in ("tracker", "one id for all")}
    ids |= {("confident joints", way): run(confident, way) for way in ("tracker", "random ids")}
    matched = [track(p, FrameToFrame(match=greedy), len(v)) for p, v in zip(sure, videos, strict=True)]
    pair = run(sure, "tracker"), Runs(videos, [matched])
    judged = [metrics.result(claim, ids, data) for claim in CLAIMS[:2]]
    judged += [links.result(claim, *pair, data, "simulated") for claim in CLAIMS[2:]]
    return {r.claim: (r.components[0].estimate, r.verdict) for r in judged}


def sensitivity(worlds: dict[str, Sequence[Video]]) -> pd.DataFrame:
    """One row per constant, change and world: estimate and verdict of each claim, and the verdicts that moved."""
    rows = []
    for data, videos in worlds.items():
        fitted: dict[str, tuple[float, str]] = {}
        for (constant, change), noise in variants().items():
            got = results(videos, noise, data)
            fitted = fitted or got
            moved = [claim for claim in CLAIMS if got[claim][1] != fitted[claim][1]]
            row: dict[str, object] = {"data": data, "constant": constant, "change": change}
            row |= {claim: estimate for claim, (estimate, _) in got.items()}
            row |= {f"{claim} verdict": verdict for claim, (_, verdict) in got.items()}
            rows.append(row | {"verdicts moved": " ".join(moved) or "–"})
    return pd.DataFrame(rows).set_index(["data", "constant", "change"])


def largest_changes(table: pd.DataFrame) -> pd.DataFrame:
    """For each claim and world: the constant whose change moves the estimate most, by how much, and verdicts moved."""
    rows = []
    for data, part in table.groupby(level="data", sort=False):
        fitted = part.xs("none", level="constant").iloc[0]
        for claim in CLAIMS:
            moved = (part[claim] - fitted[claim]).astype(float)
            at = moved.abs().idxmax()
            flips = int((part[f"{claim} verdict"] != fitted[f"{claim} verdict"]).sum())
            rows.append(
                (data, claim, fitted[claim], fitted[f"{claim} verdict"], *at[1:], moved[at], flips, len(part) - 1)
            )
    names = ["data", "claim", "as fitted", "verdict", "constant", "change", "moves it by", "verdicts moved", "of"]
    return pd.DataFrame(rows, columns=names).set_index(["data", "claim"])
