"""Papermill over the notebooks: one command regenerates every figure, table and the ledger.

A notebook runs in a kernel of its own with its outputs going to a staging folder; only
when it has finished are they moved into `figures/`, so nothing is ever half new. A
notebook whose inputs have not changed since it last finished is not run again, which
is also how an interrupted run resumes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import multiprocessing
import os
import shutil
import sys
import time
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from pathlib import Path

from tqdm import tqdm

from helpers import WorkbookError, datasets, ledger, worlds
from helpers.files import write_atomically
from helpers.places import BUILD, FIGURES, NOTEBOOKS, ROOT

PROFILES = ("laptop", "gpu")
#: Kernels warn about their transport on every start; only errors are of use here.
QUIET = ["--IPKernelApp.log_level=40"]
#: Notebooks that show what others measured run after them; the rest stand alone.
NEEDS = {"00": ("01", "02", "03", "04", "05", "06", "07")}


def reproduce(
    names: Iterable[str] = (),
    profile: str = "laptop",
    dataset: str = "puppets",
    jobs: int = 1,
    extra: dict | None = None,
    fresh: bool = False,
    update: bool = False,
) -> int:
    """Run notebooks (none named = all) and publish what they write; returns 0, or 1 if one failed.

    extra: further notebook parameters. fresh: run even if nothing changed. update: also
    rewrite the committed notebooks with their outputs (only with default parameters).
    Raises WorkbookError for an unknown notebook, profile, data set or parameter, before
    anything runs.
    """
    parameters = {"profile": profile, "dataset": dataset} | (extra or {})
    if update and parameters != {"profile": "laptop", "dataset": "puppets"}:
        raise WorkbookError("--update: rewrites the committed notebooks, which are run with default parameters only.")
    if jobs < 1:
        raise WorkbookError(f"--jobs {jobs}: must be at least 1.")
    paths = [_notebook(name) for name in names] or all_notebooks()
    _check_choices(profile, dataset)
    for path in paths:
        check_parameters(path, parameters)
    BUILD.mkdir(exist_ok=True)
    with _one_run_at_a_time():
        return _reproduce(paths, parameters, jobs, fresh, update)


def _reproduce(paths: list[Path], parameters: dict, jobs: int, fresh: bool, update: bool) -> int:
    tasks = {p.stem: (p, parameters, _key(p, parameters)) for p in paths}
    todo = [name for name, (_, _, key) in tasks.items() if fresh or update or not _finished(name, key)]
    failed = _run_all({n: tasks[n] for n in todo}, jobs, update)
    _publish_ledger()
    _closing_table(tasks, todo, failed)
    return 1 if failed else 0


@contextlib.contextmanager
def _one_run_at_a_time():
    """Two runs at once would move one another's files; the lock ends with the process, however it ends."""
    with open(BUILD / "lock", "w") as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # Windows has no such locks
            pass
        except OSError:
            raise WorkbookError(f"{BUILD.name}/lock: another run of reproduce is under way; wait for it.") from None
        yield


def all_notebooks() -> list[Path]:
    """The numbered notebooks in order."""
    return sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


def _notebook(name: str) -> Path:
    stem = Path(name).stem
    found = [p for p in all_notebooks() if p.stem == stem or p.stem[:2] == stem]
    if not found:
        raise WorkbookError(f"notebook {name!r}: is unknown; there are {', '.join(p.stem for p in all_notebooks())}.")
    return found[0]


def _check_choices(profile: str, dataset: str) -> None:
    if profile not in PROFILES:
        raise WorkbookError(f"profile {profile!r}: is unknown; choose from {', '.join(PROFILES)}.")
    worlds.available(dataset)


def check_parameters(path: Path, parameters: dict) -> None:
    """Refuse names that the notebook's parameters cell lacks; papermill would only warn."""
    import papermill

    known = papermill.inspect_notebook(str(path))
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        raise WorkbookError(f"{path.name}: parameter {', '.join(unknown)} is unknown; it has {', '.join(known)}.")


# --- what makes a run the same run -----------------------------------------------------------


def _key(path: Path, parameters: dict) -> str:
    """Hash of all a run depends on: code cells, parameters, helpers, published tables, real data, packages."""
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True, default=str).encode())
    cells = json.loads(path.read_text())["cells"]
    digest.update(json.dumps([c["source"] for c in cells]).encode())
    for file in sorted(
        [*(ROOT / "helpers").rglob("*.py"), *(ROOT / "data" / "papers").glob("*.yaml"), ROOT / "requirements.txt"]
    ):
        digest.update(file.relative_to(ROOT).as_posix().encode() + file.read_bytes())
    for name in datasets.NAMES:
        folder = datasets.find(name) if name != "puppets" else None
        for file in sorted(folder.rglob("*")) if folder else ():
            digest.update(f"{name}/{file.relative_to(folder)} {file.stat().st_size}".encode())
    return digest.hexdigest()


def _stamp(name: str) -> Path:
    return BUILD / f"{name}.json"


def _finished(name: str, key: str) -> bool:
    """The notebook finished with the same inputs, and what it published is still there unchanged."""
    try:
        stamp = json.loads(_stamp(name).read_text())
        return stamp["key"] == key and all(_hash(FIGURES / f) == h for f, h in stamp["outputs"].items())
    except (OSError, ValueError, KeyError):
        return False


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- running -----------------------------------------------------------------------------------


def _run_all(tasks: dict, jobs: int, update: bool) -> dict[str, str]:
    """Run tasks in dependency order, `jobs` at a time; returns name → sentence of those that failed."""
    failed, waiting, running = {}, dict(tasks), {}
    context = multiprocessing.get_context("spawn")
    show_cells = jobs == 1 and sys.stderr.isatty()  # two bars need a terminal to share
    with (
        ProcessPoolExecutor(jobs, mp_context=context, max_tasks_per_child=1) as pool,
        tqdm(total=len(tasks), unit="notebook", disable=not tasks) as bar,
    ):
        try:
            while waiting or running:
                for name in [n for n in waiting if not _needed(n) & {m[:2] for m in [*waiting, *running.values()]}]:
                    path, parameters, key = waiting.pop(name)
                    running[pool.submit(run_notebook, path, parameters, key, update, show_cells)] = name
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    name = running.pop(future)
                    sentence = future.result()
                    if sentence:
                        failed[name] = sentence
                    bar.set_postfix_str(name)
                    bar.update()
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return failed


def _needed(name: str) -> set[str]:
    return set(NEEDS.get(name[:2], ()))


def run_notebook(path: Path, parameters: dict, key: str, update: bool, show_cells: bool) -> str:
    """Run one notebook and publish its outputs; returns "" or one sentence saying what failed."""
    staging = BUILD / f"{path.stem}.staging"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    os.environ["POSE_WORKBOOK_OUT"] = str(staging)
    start = time.perf_counter()
    try:
        if update:
            _execute_in_place(path)
        else:
            _execute(path, parameters, show_cells)
        outputs = _publish(path.stem, staging)
    except WorkbookError as error:
        return str(error)
    except OSError as error:
        return f"{path.name}: {error.filename or 'output'} cannot be written ({error.strerror or error})."
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    key = _key(path, parameters) if update else key
    stamp = {"key": key, "minutes": (time.perf_counter() - start) / 60, "outputs": outputs}
    write_atomically(_stamp(path.stem), json.dumps(stamp).encode())
    return ""


def _execute(path: Path, parameters: dict, show_cells: bool) -> None:
    import papermill

    executed = BUILD / path.name
    try:
        papermill.execute_notebook(
            str(path),
            str(executed),
            parameters,
            cwd=str(NOTEBOOKS),
            kernel_name="python3",
            progress_bar=show_cells,
            extra_arguments=QUIET,
        )
    except papermill.PapermillExecutionError as error:
        raise WorkbookError(
            f"{path.name}: cell {error.cell_index} raised {error.ename}: {error.evalue} "
            f"(see {executed.relative_to(ROOT)})."
        ) from None


def _execute_in_place(path: Path) -> None:
    """Execute a committed notebook and write it back in canonical form."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=None,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        store_widget_state=False,
        extra_arguments=QUIET,
        resources={"metadata": {"path": str(NOTEBOOKS)}},
    )
    try:
        client.execute()
    except CellExecutionError as error:
        raise WorkbookError(f"{path.name}: a cell raised {error.ename}: {error.evalue}.") from None
    canonical(notebook)
    write_atomically(path, (nbformat.writes(notebook) + "\n").encode())


def canonical(notebook) -> None:
    """Take out of a notebook what differs from run to run: widget ids, kernel details, timings."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", ()):
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)


def _publish(name: str, staging: Path) -> dict[str, str]:
    """Move a finished notebook's files into figures/, drop its older ones; returns file → hash."""
    FIGURES.mkdir(exist_ok=True)
    new = sorted(f.name for f in staging.iterdir())
    foreign = [f for f in new if not f.startswith(name[:2] + "_")]
    if foreign:
        raise WorkbookError(f"{name}: writes {', '.join(foreign)}, but its files must start with {name[:2]}_.")
    for file in new:
        os.replace(staging / file, FIGURES / file)
    for old in FIGURES.glob(f"{name[:2]}_*"):
        if old.name not in new:
            old.unlink()
    return {file: _hash(FIGURES / file) for file in new}


# --- the ledger and the closing table -----------------------------------------------------------


def _publish_ledger() -> None:
    rows = ledger.ledger(FIGURES)
    write_atomically(FIGURES / "ledger.json", (json.dumps(rows, indent=1) + "\n").encode())
    readme = ROOT / "README.md"
    text = readme.read_text()
    new = ledger.replace_block(text, ledger.readme_block(rows))
    if new != text:
        write_atomically(readme, new.encode())


def _closing_table(tasks: dict, ran: list[str], failed: dict[str, str]) -> None:
    print(f"\n{'notebook':34}{'minutes':>8}  claims")
    for name in tasks:
        if name in failed:
            print(f"{name:34}{'failed':>8}  {failed[name]}")
            continue
        minutes = json.loads(_stamp(name).read_text())["minutes"]
        print(f"{name:34}{minutes:8.1f}  {_claims(name)}{'' if name in ran else '  (unchanged, not run again)'}")


def _claims(name: str) -> str:
    record = FIGURES / f"{name[:2]}_record.json"
    results = json.loads(record.read_text())["results"] if record.exists() else []
    counts = {v: sum(r["verdict"] == v for r in results) for v in ledger.VERDICTS}
    return ", ".join(f"{n} {v}" for v, n in counts.items() if n) or "–"
