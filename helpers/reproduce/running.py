"""Notebooks run side by side, each in a kernel of its own that ends with the driver, however that ends.

The kernels are children of this process and look after their parent themselves: where it is killed, they
are gone a second later. They write into a staging folder; only this process publishes.
"""

import asyncio
import atexit
import contextlib
import ctypes
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

from helpers import WorkbookError, datasets, ledger
from helpers.files import load_json, write_atomically
from helpers.reproduce import keys
from helpers.reproduce.workbook import Notebook, Workbook

#: Kernels warn about their transport on every start; only errors are of use here.
_QUIET = ["--IPKernelApp.log_level=40"]


@dataclass(frozen=True)
class Task:
    """One notebook to run with the parameters that differ from its defaults, and where its files go."""

    book: Workbook
    notebook: Notebook
    parameters: dict
    out: Path


_LIBC: Any = ctypes.CDLL(None) if sys.platform == "linux" else None
#: The notebooks whose kernels run now, and whether they are being ended.
_live: set[NotebookClient] = set()
_ending = threading.Event()


def run_until_done(work: Coroutine) -> None:
    """Run a coroutine; on Ctrl-C, SIGTERM or a closed terminal end it and all kernels, then raise KeyboardInterrupt."""
    error: list[BaseException] = []
    done = threading.Event()  # a join that a signal interrupts takes the thread for ended

    def run_it():
        try:
            asyncio.run(work)
        except BaseException as e:
            error.append(e)
        finally:
            done.set()

    _ending.clear()
    with _signals_end_it():
        threading.Thread(target=run_it).start()  # beside the main thread, where nbclient would take the signals
        while not done.wait(0.1):
            if _ending.is_set():  # from here on none starts, and a notebook whose kernel has died is at its end
                for client in list(_live):
                    _kill(client)
    if _ending.is_set():
        raise KeyboardInterrupt
    if error:
        raise error[0]


def _kill(client: NotebookClient) -> None:
    """End a kernel and what it has started; it leads a process group of its own."""
    process = getattr(getattr(client.km, "provisioner", None), "process", None)
    with contextlib.suppress(OSError):
        if process is not None and hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        elif process is not None:
            process.kill()


@contextlib.contextmanager
def _signals_end_it() -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal are noted, however many come; after `nohup` the last does nothing."""
    main = threading.current_thread() is threading.main_thread()
    signals = [getattr(signal, s) for s in ("SIGINT", "SIGTERM", "SIGHUP") if main and hasattr(signal, s)]
    before = {s: signal.signal(s, lambda *_: _ending.set()) for s in signals if signal.getsignal(s) != signal.SIG_IGN}
    try:
        yield
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)


def _die_with_driver() -> None:
    """In a kernel before it starts: Linux ends it with the driver's thread, also while it does not look itself yet."""
    _LIBC.prctl(1, signal.SIGKILL)  # 1: PR_SET_PDEATHSIG


async def run(task: Task, key: Callable[[bool], str]) -> None:
    """Execute a notebook and publish its files below `task.out`.

    key: of this run as things are now, with what such runs make in build/ or (False) without.
    Raises WorkbookError with one sentence for whatever goes wrong, such as inputs that are edited
    meanwhile; older files are then left as they were.
    """
    name, start = task.notebook.path.name, time.perf_counter()
    staging = None
    if _ending.is_set():
        raise WorkbookError(f"{name}: was not started.")
    try:
        staging = Path(tempfile.mkdtemp(prefix="staging-", dir=task.book.build))
        before = key(False)
        executed = await _execute(task, staging)
        if key(False) != before:
            raise WorkbookError(f"{name}: what it reads was changed while it ran; run it again.")
        files = _publish(task, staging, executed)
        minutes = (time.perf_counter() - start) / 60
        keys.write_stamp(task.out, task.notebook, key(True), minutes, files)
    except OSError as error:
        raise WorkbookError(f"{name}: {error.filename or 'output'} cannot be written ({error.strerror}).") from None
    finally:
        if staging:
            shutil.rmtree(staging, ignore_errors=True)


async def _execute(task: Task, staging: Path) -> nbformat.NotebookNode:
    notebook = with_parameters(task.notebook.content, task.parameters)
    client = NotebookClient(
        notebook,
        timeout=None,
        startup_timeout=300,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        store_widget_state=False,
        shutdown_kernel="immediate",
        extra_arguments=_QUIET,
        resources={"metadata": {"path": str(task.notebook.path.parent)}},
    )
    name, sockets = task.notebook.path.name, tempfile.TemporaryDirectory(prefix="kernel")
    _prepare(client.create_kernel_manager(), Path(sockets.name))
    try:
        _live.add(client)
        with_driver = {"preexec_fn": _die_with_driver} if _LIBC else {}
        await client.async_execute(env=_environment(task.out, staging), **with_driver)
    except CellExecutionError as error:
        _store(notebook, seen := task.out / name)
        at = [i for i, c in enumerate(notebook.cells) if any(o.output_type == "error" for o in c.get("outputs", ()))]
        reason = (str(error.evalue).strip() or "no reason").splitlines()[0].rstrip(".")
        raise WorkbookError(
            f"{name}: cell {at[-1] if at else '?'} raised {error.ename}: {reason} "
            f"(see {seen.relative_to(task.book.root).as_posix()})."
        ) from None
    except DeadKernelError:
        raise WorkbookError(f"{name}: its kernel died, killed or out of memory; nothing of it was kept.") from None
    except RuntimeError as error:
        raise WorkbookError(f"{name}: its kernel does not start ({str(error).rstrip('.')}).") from None
    finally:
        _live.discard(client)
        sockets.cleanup()
        atexit.unregister(client._cleanup_kernel)  # which nbclient leaves there where a kernel does not start
    canonical(notebook)
    return notebook


def _prepare(manager: Any, sockets: Path) -> None:
    """A kernel of the Python that runs the driver, whichever lie on Jupyter's path, behind sockets of its own."""
    manager.kernel_spec_manager.kernel_dirs = []
    if os.name == "posix":  # a free port may be another kernel's before this one has bound it
        manager.transport, manager.ip = "ipc", str(sockets / "socket")


def _environment(out: Path, staging: Path) -> dict[str, str]:
    """The kernel's variables: where to write, whose records to show, and data folders from where the driver runs."""
    return os.environ | {
        "POSE_WORKBOOK_OUT": str(staging),
        "POSE_WORKBOOK_RECORDS": str(out / "records"),
        "POSE_WORKBOOK_DATA": os.pathsep.join(str(folder.absolute()) for folder in datasets.data_folders()),
    }


def with_parameters(content: nbformat.NotebookNode, parameters: dict) -> nbformat.NotebookNode:
    """A copy of a notebook in which papermill has put a cell with other parameters behind the defaults."""
    notebook = deepcopy(content)
    if not parameters:
        return notebook
    from papermill.parameterize import parameterize_notebook

    notebook.metadata.setdefault("papermill", {})  # what papermill sets up when it loads a file itself
    for cell in notebook.cells:
        cell.metadata.setdefault("tags", [])
    return parameterize_notebook(notebook, parameters)


WIDGET = "application/vnd.jupyter.widget-view+json"


def canonical(notebook: nbformat.NotebookNode) -> None:
    """Take out of a notebook what differs from run to run: widget ids, kernel details, timings."""
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        # A live widget stands behind its stored forms and is nothing without a kernel.
        if "outputs" in cell:
            cell.outputs = [o for o in cell.outputs if WIDGET not in o.get("data", {})]


def _store(notebook: nbformat.NotebookNode, path: Path) -> None:
    write_atomically(path, (nbformat.writes(notebook) + "\n").encode())


def _publish(task: Task, staging: Path, executed: nbformat.NotebookNode) -> list[Path]:
    """Move a finished notebook's files to where they are looked for, drop its older ones; returns them."""
    number, new = task.notebook.number, sorted(staging.iterdir())
    wrong = [f.name for f in new if f.is_dir() or not f.name.startswith(f"{number}_")]
    if wrong:
        raise WorkbookError(
            f"{task.notebook.path.name}: writes {', '.join(wrong)}, but it may write only files, "
            f"and their names must start with {number}_."
        )
    for file in staging.glob("*_record.json"):
        ledger.check_record(file.name, load_json(file))
    _store(executed, task.out / task.notebook.path.name)
    (task.out / f"{task.notebook.name}.json").unlink(missing_ok=True)
    figures = task.out / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    for old in figures.glob(f"{number}_*"):
        old.unlink()
    return [task.out / task.notebook.path.name, *(Path(shutil.move(f, figures / f.name)) for f in new)]
