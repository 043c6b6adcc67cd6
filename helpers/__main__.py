"""The command line: `python -m helpers {reproduce,evaluate,track,ledger,errors,puppets,fetch,train,predict}`.

Exit status 0: done; 1: bad input, a failed notebook or other numbers than the committed ones, said in one
sentence each; 2: wrong usage; 130: interrupted. A command is a sub-parser and a function of its name that
imports what it needs when it runs, so `evaluate` starts without torch or Jupyter.
"""

import argparse
import io
import json
import sys
from pathlib import Path

from helpers import WorkbookError, __version__


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that cannot show a letter gets its code instead
            stream.reconfigure(errors="backslashreplace")
    arguments = _parser().parse_args(argv)
    try:
        return arguments.run(arguments) or 0
    except WorkbookError as error:
        print(f"error: {error}", file=sys.stderr)
    except ModuleNotFoundError as error:
        print(f"error: {arguments.command}: {_LACKING.format(error.name)}", file=sys.stderr)
    except OSError as error:
        print(f"error: {error.filename or 'output'}: {error.strerror or error}.", file=sys.stderr)
    except MemoryError:
        print(f"error: {arguments.command}: there is not enough memory for all of it at once.", file=sys.stderr)
    except KeyboardInterrupt:
        left = _INTERRUPTED.get(arguments.command, "run the same command again")
        print(f"error: interrupted; {left}.", file=sys.stderr)
        return 130
    return 1


#: `pip install .` alone brings what evaluate, track, ledger and fetch import.
_LACKING = "needs {}, which is not installed; pip install '.[notebooks]' in a clone of the workbook brings it."
#: What a command leaves behind that is interrupted.
_INTERRUPTED = dict.fromkeys(("evaluate", "ledger"), "nothing was written") | {
    "reproduce": "finished notebooks are kept, run the same command to go on",
    "track": "the files that are in the folder are whole",
    "puppets": "the videos that are in the folder are whole but for the last",
    "fetch": "what has been downloaded is kept, run the same command to go on",
    **dict.fromkeys(("train", "predict"), "finished files are kept, run the same command to go on"),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m helpers", description="The Pose Tracking Workbook's commands.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    p = commands.add_parser("reproduce", help="re-run notebooks into build/ and compare with what is committed")
    p.add_argument(
        "notebooks", nargs="*", metavar="NOTEBOOK", help="number or name, e.g. 06 or 06_matching; none = all"
    )
    p.add_argument("--profile", default="laptop", help="laptop (default: offline, CPU) or gpu (full size)")
    p.add_argument(
        "--dataset",
        default="puppets",
        help="puppets (default; real tracks join in where found), somof, bonn, posetrack17, posetrack18 or posetrack21",
    )
    p.add_argument("--jobs", type=int, metavar="N", help="notebooks run side by side (default: one per core)")
    p.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="any other notebook parameter")
    p.add_argument("--fresh", action="store_true", help="run notebooks again whose inputs have not changed")
    p.add_argument("--update", action="store_true", help="also rewrite figures/, the notebooks and README.md")
    p.set_defaults(run=_reproduce)

    p = commands.add_parser("evaluate", help="AP, MOTA and HOTA of predictions; drop-in for the official toolkit")
    p.add_argument("truth", metavar="GT_DIR", type=Path, help="folder of PoseTrack'17 or '18 annotation files")
    p.add_argument("predictions", metavar="PRED_DIR", type=Path, help="folder with a file of the same name for each")
    p.add_argument("--compat", choices=["poseval"], help="count as the official toolkit does, quirks included")
    p.add_argument("--json", metavar="FILE", type=Path, help="also write all numbers to FILE")
    p.set_defaults(run=_evaluate)

    p = commands.add_parser("track", help="give the predictions of any pose estimator track ids")
    p.add_argument(
        "predictions", metavar="PRED_DIR", type=Path, help="folder of PoseTrack'18 files, track ids not needed"
    )
    p.add_argument(
        "--method",
        required=True,
        metavar="NAME",
        help="what makes people of two frames alike: iou (their boxes' overlap), oks (object keypoint similarity), "
        "keypoints (mean joint distance) or pckh (share of near joints); or flow (Simple Baselines' tracker: poses are "
        "moved on by the optical flow between the images)",
    )
    p.add_argument("--out", required=True, metavar="DIR", type=Path, help="folder for the same files with track ids")
    p.add_argument("--matcher", choices=["hungarian", "greedy"], help="default: hungarian; for flow: greedy")
    p.add_argument("--memory", type=int, metavar="K", help="frames a lost track is remembered (default 1)")
    p.add_argument(
        "--limit",
        type=float,
        metavar="COST",
        help="never link above this cost: 1 - similarity, pixels for keypoints (default: no limit)",
    )
    p.add_argument("--person", type=float, default=float("-inf"), metavar="SCORE", help="drop people scored lower")
    p.add_argument("--joint", type=float, default=float("-inf"), metavar="SCORE", help="drop joints scored lower")
    _add_flow_options(p.add_argument_group("with --method flow"))
    p.set_defaults(run=_track)

    p = commands.add_parser("ledger", help="every published claim with its verdict")
    p.add_argument("--json", action="store_true", help="print a JSON list instead of a table")
    p.set_defaults(run=_ledger)

    p = commands.add_parser(
        "errors",
        help="how often each verdict would be wrong, and right, with its own noise",
        description="For every recorded result of videos: in how many of 2,000 data sets with its noise, "
        "in per cent, would the word be *holds*, or *contradicted*, although the truth lies at an end of the range (5 "
        "at most); and *holds* if the truth were what the paper prints (the power). Last column: how often judging the "
        "smallest component alone would be wrong.",
    )
    p.add_argument("--update", action="store_true", help="write figures/verdict_errors.csv instead of build/")
    p.set_defaults(run=_errors)

    p = commands.add_parser("puppets", help="export the built-in world as a PoseTrack'18 folder")
    p.add_argument("out", metavar="OUT", type=Path, help="folder to write annotations/ and images/ into")
    p.add_argument("--split", default="val", choices=["train", "val", "test"])
    p.add_argument("--videos", type=int, metavar="N", help="only the first N videos of the split")
    p.add_argument("--no-images", action="store_true", help="annotations only")
    p.set_defaults(run=_puppets)

    p = commands.add_parser("fetch", help="download real tracks")
    p.add_argument("names", nargs="+", choices=["somof", "bonn"], metavar="NAME", help="somof, bonn")
    p.add_argument("--to", type=Path, metavar="FOLDER", help="instead of the first folder of the data search path")
    p.set_defaults(run=_fetch)
    for command, what in (("train", "networks anew, from scratch"), ("predict", "shipped predictions anew")):
        p = commands.add_parser(command, help=f"make {what}, into build/")
        p.add_argument("names", nargs="*", metavar="ID", help="as --list shows them")
        p.add_argument("--all", action="store_true", help="everything that ships")
        p.add_argument("--list", action="store_true", help="show what ships")
        p.add_argument("--device", default="cpu", help="cpu (default) or cuda")
        p.add_argument("--missing", action="store_true", help="only what neither ships nor stands in build/")
        p.add_argument("--update", action="store_true", help="put it in the place of what ships")
        p.set_defaults(run=_make)
    return parser


def _add_flow_options(p) -> None:
    p.add_argument(
        "--flow",
        metavar="NAME",
        help="how the optical flow is computed: dis (default), farneback, raft (a network) or zero (nothing moves)",
    )
    p.add_argument(
        "--similarity",
        metavar="NAME",
        help="what is compared: bbox (overlap of boxes), pose (object keypoint similarity), flow (the same with the "
        "poses of the frame before, moved on by the flow) or multi-flow (with those of several frames; default)",
    )
    p.add_argument("--queue", type=int, metavar="L_Q", help="frames that are remembered (default: 8 for multi-flow)")
    p.add_argument("--link", type=float, metavar="S", help="never link people less similar than this, 0 to 1")
    p.add_argument(
        "--frames", type=Path, metavar="DIR", help="where the image names in the files start (default: looked for)"
    )
    p.add_argument(
        "--propagate", action="store_true", help="add people whom the detector missed, found again by the flow"
    )
    p.add_argument(
        "--pose-weights",
        metavar="NAME_OR_FILE",
        help="the network that finds added people's joints: the workbook's own, such as deconv-0, or a published "
        "file of a ResNet with deconvolutions",
    )


def _make(a) -> int:
    from helpers import making

    if a.list:
        print(making.listing())
    elif bool(a.names) == a.all:
        raise WorkbookError(f"{a.command}: names or --all are needed, and not both; --list shows the names.")
    else:
        getattr(making, a.command)(a.names, a.device, a.missing, a.update)
    return 0


def _reproduce(a) -> int:
    from helpers.places import NOTEBOOKS

    if not NOTEBOOKS.is_dir():
        raise WorkbookError(f"{NOTEBOOKS}: is missing; reproduce works inside a clone of the workbook's repository.")
    from helpers import reproduce

    return reproduce.reproduce(
        a.notebooks,
        profile=a.profile,
        dataset=a.dataset,
        jobs=a.jobs,
        extra=dict(_assignment(text) for text in a.set),
        fresh=a.fresh,
        update=a.update,
    )


def _assignment(text: str) -> tuple[str, object]:
    import ast

    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise WorkbookError(f"--set {text}: is not NAME=VALUE.")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):  # a plain word, or nothing that Python can read
        return name, value


def _evaluate(a) -> int:
    from helpers import evaluation
    from helpers.files import write_atomically

    truth, predictions = _read_both(a.truth, a.predictions)
    scores = evaluation.evaluate(truth, predictions, compat=a.compat == "poseval")
    _print_scores(scores)
    if a.json:
        write_atomically(a.json, (json.dumps(scores.as_json(), indent=1) + "\n").encode())
    return 0


def _read_both(truth_folder: Path, prediction_folder: Path):
    """Ground-truth videos and, file by file of the same name, their predictions."""
    from helpers.datasets.posetrack import read_posetrack

    if not prediction_folder.is_dir():
        raise WorkbookError(f"{prediction_folder}: is not a folder of predictions.")
    truth, predictions = read_posetrack(truth_folder), []
    for video in truth:
        file = prediction_folder / f"{video.name}.json"
        if not file.exists():
            raise WorkbookError(f"{file}: is missing, every annotation file needs its predictions.")
        predicted = read_posetrack(file)[0]
        if len(predicted) != len(video):
            raise WorkbookError(f"{file}: images: {len(predicted)} frames, but the ground truth has {len(video)}.")
        predictions.append(predicted.people)
    return truth, predictions


def _print_scores(scores) -> None:
    columns = list(scores.groups("AP"))
    print(f"{'':10}" + "".join(f"{c:>10}" for c in columns))
    for name in ("AP", "MOTA", "MOTP", "precision", "recall", "HOTA"):
        print(f"{name:10}" + "".join(f"{v:10.1f}" for v in scores.groups(name).values()))
    print(f"{'switches':10}{scores.total('switches'):{10 * len(columns)}.0f}")


def _track(a) -> int:
    from helpers.tracking import on_files

    by_flow = ("flow", "similarity", "queue", "link", "frames", "propagate", "pose_weights")
    wrong = ("memory", "limit") if a.method == on_files.FLOW else by_flow
    unused = next((name for name in wrong if getattr(a, name) not in (None, False)), None)
    if unused:
        raise WorkbookError(f"--{unused.replace('_', '-')}: --method {a.method} has no use for it.")
    unclear = next((name for name in ("person", "joint", "limit") if getattr(a, name) != getattr(a, name)), None)
    if unclear:
        raise WorkbookError(f"--{unclear} nan: a number is needed.")
    if a.method == on_files.FLOW:
        how = _by_flow(a)
    else:
        limit, memory = float("inf") if a.limit is None else a.limit, 1 if a.memory is None else a.memory
        how = on_files.tracker_maker(a.method, a.matcher or "hungarian", limit, memory)
    for path, people, ids in on_files.track_files(a.predictions, a.out, how, a.person, a.joint):
        print(f"{path}: {people} people, {ids} tracks", flush=True)
    return 0


def _by_flow(a):
    """What `--method flow` and its options mean."""
    from functools import partial

    from helpers.detections import flow, propagation
    from helpers.tracking import matching, on_files

    if a.propagate != (a.pose_weights is not None):
        raise WorkbookError(
            "--propagate: goes together with --pose-weights, the network that finds added people's joints."
        )
    if a.frames is not None and not a.frames.is_dir():
        raise WorkbookError(f"--frames {a.frames}: is no folder.")
    given = {"queue": a.queue, "link": a.link, "similarity": a.similarity}
    given |= {"match": getattr(matching, a.matcher or "greedy")}
    tracker = partial(_flow_tracker, **{name: value for name, value in given.items() if value is not None})
    tracker(flow.Neighbours(flow.zero))  # what is wrong with the options is said before anything is read
    estimate = propagation.Estimator(_pose_network(a.pose_weights)) if a.propagate else None
    return on_files.ByFlow(flow.provider(a.flow or "dis"), tracker, a.frames, estimate)


def _flow_tracker(neighbours, **given):
    from helpers.tracking.flow_similarity import FlowTracker

    return FlowTracker(neighbours=neighbours, **given)


def _pose_network(name: str):
    """The workbook's network of a name, else that of a published file."""
    from helpers import training
    from helpers.making import plan_named
    from helpers.nets.deconv_pose import load_released
    from helpers.nets.top_down import CropConfig

    path = Path(name)
    if name and (path.suffix or path.name != name or path.exists()):
        return load_released(name)
    try:
        plan = plan_named(name)
    except WorkbookError:
        raise WorkbookError(
            f"--pose-weights {name[:80]!r}: is neither a file nor a network of the workbook, such as deconv-0."
        ) from None
    if not isinstance(plan.network, CropConfig):
        raise WorkbookError(f"--pose-weights {name}: does not find the joints of a person's box; deconv-0 does.")
    if not training.standing(plan):
        raise WorkbookError(f"--pose-weights {name}: is not there; `python -m helpers train {name}` trains it.")
    return training.obtain(plan)


def _ledger(a) -> int:
    from helpers import ledger

    rows = ledger.ledger()
    if a.json:
        print(json.dumps(rows, indent=1))
        return 0
    for row in rows:
        print(f"{row['id']:8}{row['verdict']:20}{row['statement']}")
        for r in row["results"]:
            print(f"{'':8}  {ledger.where(r)}: {'; '.join(ledger.values(r))}: {r['verdict']}")
        if row["reason"]:
            print(f"{'':8}  {row['reason']}")
    print()
    for kind, counts in ledger.summary(rows).items():
        print(f"{kind}: " + ", ".join(f"{n} {v}" for v, n in counts.items()))
    return 0


def _errors(a) -> int:
    from helpers.experiments import verdict_errors
    from helpers.files import write_atomically
    from helpers.places import BUILD, FIGURES

    table = verdict_errors.error_table().round(1)
    path = (FIGURES if a.update else BUILD) / "verdict_errors.csv"
    write_atomically(path, table.to_csv(index=False, lineterminator="\n").encode())
    print(table.to_string(index=False))
    above = verdict_errors.too_often(table)
    names = ", ".join(f"{c} on {d}" for c, d in zip(above["claim"], above["data"], strict=True)) or "none"
    print(f"{path}: {len(table)} results; wrong in more than {verdict_errors.BAR:g} %: {names}")
    return 0


def _puppets(a) -> int:
    from tqdm import tqdm

    from helpers import puppets
    from helpers.datasets.posetrack_writing import write_posetrack18

    videos = puppets.videos(a.split, n=a.videos, render=not a.no_images)
    folder = a.out / "annotations" / a.split
    for video in tqdm(videos, unit="video", desc=str(a.out)):
        write_posetrack18(folder, [video], write_images=not a.no_images)
    print(f"{len(videos)} videos in {a.out}")
    return 0


def _fetch(a) -> int:
    from helpers.datasets import download

    for path in download.fetch(a.names, a.to):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
