"""One command runs every notebook again, and says what came out other than it is committed.

Everything is written to `build/`: the executed notebooks, `build/figures/`, `build/ledger.json`. Only
`--update` then copies it to `figures/`, the notebooks and the README. A notebook of which nothing has
changed that it reads is not run again, which is also how an interrupted run goes on. Runs with other than
the default parameters have a folder of their own below `build/` and are not compared.
"""

import asyncio
import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from helpers import WorkbookError, datasets, ledger
from helpers.datasets import bonn
from helpers.files import load_json
from helpers.parameters import checked, checked_budget
from helpers.reproduce import comparing, keys, publishing, running
from helpers.reproduce.running import canonical  # noqa: F401
from helpers.reproduce.workbook import Notebook, Workbook, read_notebook

DEFAULTS = {"profile": "laptop", "dataset": "puppets"}
MOST_JOBS = 64
CLIP = "real clip"  # as tables call the clip of Bonn with a real network's detections
_LINES = 20  # of differing numbers that are printed; all are in build/


def reproduce(
    names: Iterable[str] = (),
    profile: str = "laptop",
    dataset: str = "puppets",
    jobs: int | None = None,
    extra: dict | None = None,
    fresh: bool = False,
    update: bool = False,
    book: Workbook | None = None,
) -> int:
    """Run notebooks (none named = all), compare what they write with what is committed; returns the exit status.

    jobs: notebooks side by side (None = one per core). extra: further notebook parameters. fresh: run even
    if nothing has changed. update: also publish (only with default parameters).

    Status 0: all ran, and no number differs beyond `comparing.TOLERANCE`; pictures that differ are named
    but no error, since fonts and rasterisers do so. Status 1: a notebook failed, or a number differs, unless
    update has just published it. What needs data that are missing here counts as neither.
    Raises WorkbookError for an unknown notebook or parameter, before anything runs.
    """
    book = book or Workbook()
    asked = DEFAULTS | {"profile": profile, "dataset": dataset} | (extra or {})
    if update and asked != DEFAULTS:
        raise WorkbookError("--update: rewrites the committed notebooks, which are run with default parameters only.")
    jobs = (os.cpu_count() or 1) if jobs is None else jobs
    if not 1 <= jobs <= MOST_JOBS:
        raise WorkbookError(f"--jobs {jobs}: must be from 1 to {MOST_JOBS}.")
    paths = [book.named(name) for name in names] or book.notebooks()
    if not paths:
        raise WorkbookError(
            f"{book.root / 'notebooks'}: holds no notebooks; reproduce works in a clone of the workbook."
        )
    run = _Run(book, asked, jobs, fresh)
    run.read(dict.fromkeys(paths))
    if update:
        _check_update(run.notebooks.values())
    book.build.mkdir(exist_ok=True)
    with _one_run_at_a_time(book):
        for left in book.build.glob("staging-*"):  # of a run that was killed
            shutil.rmtree(left, ignore_errors=True)
        return run.all(update)


def _check_update(notebooks: Iterable[Notebook]) -> None:
    """Refuse to publish notebooks with other defaults than the driver's, or a warning that names a private folder."""
    for notebook in notebooks:
        if other := _injected(notebook, DEFAULTS):
            wanted = " and ".join(f"{k} = {v!r}" for k, v in other.items())
            raise WorkbookError(
                f"{notebook.path.name}: its own defaults are not {wanted}, with which --update runs it; "
                "change them in its parameters cell."
            )
    for folder in datasets.data_folders():
        if not folder.is_dir():
            raise WorkbookError(f"POSE_WORKBOOK_DATA: {folder} is no folder; --update would publish a warning of it.")


def all_notebooks() -> list[Path]:
    """The workbook's numbered notebooks in order."""
    return Workbook().notebooks()


@contextlib.contextmanager
def _one_run_at_a_time(book: Workbook) -> Iterator[None]:
    """Two runs at once would move one another's files; the lock ends with the process, however it ends."""
    with open(book.build / "lock", "w") as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # Windows has no such locks
            pass
        except OSError:
            raise WorkbookError(
                f"{book.build.name}/lock: another run of reproduce is under way; wait for it."
            ) from None
        yield


def missing_here(dataset: str) -> list[str]:
    """Names, as tables write them, of the real data that a run would use and that are not found."""
    out = [name for name in _wanted(dataset) if datasets.find(name) is None]
    clip = datasets.find("bonn")
    if "bonn" in _wanted(dataset) and not (clip and (clip / "derived" / f"{bonn.CLIP}_poses.json").is_file()):
        out.append(CLIP)
    return out


@dataclass
class _Run:
    """One call of `reproduce`: what was asked for, and how each notebook fared."""

    book: Workbook
    asked: dict
    jobs: int
    fresh: bool
    notebooks: dict[str, Notebook] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    unchanged: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        others = [f"{k}={v}" for k, v in self.asked.items() if DEFAULTS.get(k) != v]
        name = re.sub(r"[^\w=,.-]+", "_", whole := ",".join(others))[:100]
        if name != whole:  # so that what only looks alike has another folder
            name += f"-{hashlib.sha256(whole.encode()).hexdigest()[:8]}"
        self.out = self.book.build / name
        self.compared = not others
        self.missing = missing_here(str(self.asked["dataset"]))

    def read(self, paths: Iterable[Path]) -> None:
        """Read the notebooks and check the parameters for each; a damaged one has failed, the others still run."""
        checked(self.asked["profile"], self.asked["dataset"], self.asked.get("seeds", [0]))
        checked_budget(self.asked.get("budget"))
        for path in paths:
            try:
                self.notebooks[path.stem] = read_notebook(path)
            except WorkbookError as error:
                self.failed[path.stem] = str(error)
        for notebook in self.notebooks.values():
            check_parameters(notebook, self.asked)
        self.names = [path.stem for path in paths]

    def all(self, update: bool) -> int:
        """Run, gather, compare and publish; the closing table always comes."""
        running.run_until_done(self._all_notebooks())
        damaged = self._gather()
        notes: list[str] = []
        self._closing_table()
        done = [n for name, n in self.notebooks.items() if name not in self.failed]
        comparison = self._compare(done) if self.compared else None
        if update:
            damaged += self._publish(done, notes, with_ledger=not damaged)
        if comparison:
            _print_comparison(comparison, self.missing)
        else:
            print(
                f"written to {self.out.relative_to(self.book.root).as_posix()}; not compared, the parameters are others"
            )
        print(*notes, *damaged, sep="\n")
        differs = bool(comparison and comparison.differ) and not update
        return 1 if self.failed or damaged or differs else 0

    def _publish(self, notebooks: list[Notebook], notes: list[str], with_ledger: bool) -> list[str]:
        """Publish; appends what was kept to `notes`, and returns what went wrong."""
        try:
            publishing.check(self.book, self.out)
            for notebook in notebooks:
                notes += publishing.publish(self.book, self.out, notebook, self.missing)
            if with_ledger:
                publishing.publish_ledger(self.book)
        except WorkbookError as error:
            return [str(error)]
        return []

    async def _all_notebooks(self) -> None:
        slots, ended = asyncio.Semaphore(self.jobs), {name: asyncio.Event() for name in self.notebooks}
        with tqdm(total=len(self.notebooks), unit="notebook", disable=not self.notebooks) as bar:
            await asyncio.gather(
                *(self._one(n, slots, ended, bar) for n in sorted(self.notebooks.values(), key=self._longest))
            )

    def _longest(self, notebook: Notebook) -> tuple:
        """Longest first, so that none is left to run alone at the end; by size where none has run yet."""
        return -keys.read_stamp(self.out, notebook).get("minutes", 0), -notebook.path.stat().st_size

    async def _one(self, notebook: Notebook, slots, ended: dict, bar: tqdm) -> None:
        name = notebook.name
        try:
            for before in self._needed(notebook):
                await ended[before].wait()
            async with slots:
                if notebook.reads_records:
                    self._gather()
                if not self.fresh and keys.finished(self.out, notebook, self._key(notebook)):
                    self.unchanged.add(name)
                else:
                    task = running.Task(self.book, notebook, _injected(notebook, self.asked), self.out)
                    await running.run(task, lambda made: self._key(notebook, made))
                self.ended.add(name)
        except WorkbookError as error:
            self.failed[name] = str(error)
        except Exception as error:  # whatever it is, the others run and the closing table comes
            self.failed[name] = (
                f"{name}.ipynb: cannot be run ({' '.join([type(error).__name__, *str(error).split()])})."
            )
        finally:
            ended[name].set()
            bar.set_postfix_str(name)
            bar.update()

    def _key(self, notebook: Notebook, made: bool = True) -> str:
        """Key of a notebook's run as things are now; made: with the networks and predictions made in build/."""
        common = keys.shared(self.book, _wanted(self.asked["dataset"]))
        if made and not self.compared:  # default runs read only what ships
            common += keys.of_files(self.book, keys.MADE)
        return keys.of_run(notebook, _injected(notebook, self.asked), common, self.out / "records")

    def _current(self) -> list[str]:
        """Numbers of the notebooks that have ended in this run, or whose older files are what it would write."""
        return [
            path.name[:2]
            for path in self.book.notebooks()
            if path.stem in self.ended or (path.stem not in self.names and self._would_not_run(path))
        ]

    def _would_not_run(self, path: Path) -> bool:
        with contextlib.suppress(WorkbookError):
            notebook = read_notebook(path)
            return not notebook.reads_records and keys.finished(self.out, notebook, self._key(notebook))
        return False

    def _needed(self, notebook: Notebook) -> list[str]:
        """Notebooks of this run whose records one shows: all that show none, and of those that do the later ones."""
        if not notebook.reads_records:
            return []
        return [n for n, other in self.notebooks.items() if not other.reads_records or n > notebook.name]

    def _gather(self) -> list[str]:
        try:
            publishing.gather_records(self.book, self.out, self.missing, self._current())
        except WorkbookError as error:
            return [str(error)]
        return []

    def _compare(self, notebooks: list[Notebook]) -> comparing.Comparison:
        out = comparing.Comparison()
        for notebook in notebooks:
            files = {
                f.name
                for place in (self.book.figures, self.out / "figures")
                for f in place.glob(f"{notebook.number}_*")
            }
            for name in sorted(files):
                self._compare_file(out, notebook, name)
        return out

    def _compare_file(self, out: comparing.Comparison, notebook: Notebook, name: str) -> None:
        committed, now = self.book.figures / name, self.out / "figures" / name
        on_missing = bool(self.missing) and notebook.file_on_real_data(name)
        if not now.exists() or not committed.exists():
            gone = on_missing and not now.exists()
            (out.not_here if gone else out.differ).append(
                f"{name}: {'not written' if committed.exists() else 'is new'}"
            )
        elif name.endswith(".png"):
            if on_missing and comparing.looks_different(committed, now):
                out.not_here.append(f"{name}: drawn without them")
            else:
                out.add_picture(committed, now)
        else:
            try:
                out.add_table(committed, now, self.missing)
            except WorkbookError as error:
                out.differ.append(str(error))

    def _closing_table(self) -> None:
        print(f"\n{'notebook':34}{'minutes':>8}  claims")
        for name in self.names:
            if name in self.failed:
                print(f"{name:34}{'failed':>8}  {self.failed[name]}")
                continue
            minutes = keys.read_stamp(self.out, self.notebooks[name])["minutes"]
            again = "  (unchanged, not run again)" if name in self.unchanged else ""
            print(f"{name:34}{minutes:8.1f}  {_claims(self.out / 'figures' / f'{name[:2]}_record.json')}{again}")


def _wanted(dataset: str) -> tuple[str, ...]:
    return ("somof", "bonn") if dataset == "puppets" else (dataset,)


def check_parameters(notebook: Notebook, asked: dict) -> None:
    """Refuse names that the notebook's parameters cell lacks, and values of another type than its literal."""
    known = notebook.parameters
    for name, value in asked.items():
        if name not in known and DEFAULTS.get(name) != value:
            raise WorkbookError(
                f"{notebook.path.name}: parameter {name} is unknown; it has {', '.join(known) or 'none'}."
            )
        if name in known and not _like(value, known[name]):
            raise WorkbookError(
                f"{notebook.path.name}: parameter {name} = {value!r}: must be like its default {known[name]!r}."
            )


def _like(value, default) -> bool:
    """The same type; for lists, also of the elements. A whole number will do for a fraction."""
    if default is None:
        return True
    if isinstance(default, list) and isinstance(value, list):
        return all(_like(v, default[0]) for v in value) if default else True
    return type(value) is type(default) or (type(default) is float and type(value) is int)


def _injected(notebook: Notebook, asked: dict) -> dict:
    """The parameters that differ from the notebook's own."""
    return {k: v for k, v in asked.items() if k in notebook.parameters and notebook.parameters[k] != v}


def _print_comparison(c: comparing.Comparison, missing: list[str]) -> None:
    print(f"\ncompared with what is committed (tolerance: {comparing.TOLERANCE})")
    print(
        f"{c.files} tables and records regenerated: {c.equal} numbers equal to the digit, "
        f"{c.close} within tolerance, {len(c.differ)} differ"
    )
    print(
        f"{c.equal_pictures + c.alike_pictures + len(c.other_pictures)} figures regenerated: {c.equal_pictures} equal, "
        f"{c.alike_pictures} alike, {len(c.other_pictures)} look different ({comparing.PICTURES})"
    )
    for head, lines in (("DIFFERENT", c.differ), ("LOOKS DIFFERENT", c.other_pictures)):
        for line in lines[:_LINES]:
            print(f"{head}: {line}")
        if len(lines) > _LINES:
            print(f"{head}: and {len(lines) - _LINES} more")
    if c.not_here:
        print(f"could not be computed here for want of {' and '.join(missing)}:")
        print(*(f"  {line}" for line in c.not_here), sep="\n")
        how = [f"  {bonn.missing_clip() if n == CLIP else datasets.missing(n)}" for n in missing]
        print(*dict.fromkeys(how), sep="\n")


def _claims(record: Path) -> str:
    results = load_json(record)["results"] if record.exists() else []
    counts = {v: sum(r["verdict"] == v for r in results) for v in ledger.VERDICTS}
    return ", ".join(f"{n} {v}" for v, n in counts.items() if n) or "–"
