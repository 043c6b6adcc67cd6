"""JupyterLab and a browser that is installed; without one every test here is skipped with one line."""

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")


def installed() -> str | None:
    """A browser of the Chromium family: $POSE_WORKBOOK_BROWSER, or the first found on the path."""
    return os.environ.get("POSE_WORKBOOK_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="session")
def browser():
    if installed() is None:
        pytest.skip("no browser: install Chromium to try the widgets in it")
    if shutil.which(installed()) is None:
        pytest.skip(f"POSE_WORKBOOK_BROWSER: {installed()} is not a program")
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: it drives the browser")
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=installed(), args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def lab(browser, tmp_path_factory):
    """(address, folder): a JupyterLab on a folder with nothing but the helpers; what is put there can be opened."""
    folder, home = tmp_path_factory.mktemp("lab"), tmp_path_factory.mktemp("home")
    (folder / "helpers").symlink_to(ROOT / "helpers", target_is_directory=True)  # where notebooks look for it
    (home / "labconfig").mkdir()
    quiet = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    (home / "labconfig" / "page_config.json").write_text(json.dumps(quiet))  # its question covers widgets
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.open_browser": False,
        "ServerApp.root_dir": str(folder),
        "ServerApp.allow_root": True,
        "IdentityProvider.token": "",
        "LabApp.expose_app_in_browser": True,
    }
    # No data but what is built in; every setting of the user's stays outside.
    own = {"HOME": home, "JUPYTER_CONFIG_DIR": home, "JUPYTER_RUNTIME_DIR": home, "JUPYTERLAB_WORKSPACES_DIR": home}
    own |= {"JUPYTERLAB_SETTINGS_DIR": home, "IPYTHONDIR": home, "PYTHONPATH": ROOT, "POSE_WORKBOOK_DATA": ""}
    environment = os.environ | {k: str(v) for k, v in own.items()}
    command = [sys.executable, "-m", "jupyterlab", *(f"--{k}={v}" for k, v in options.items())]
    with (home / "log").open("w") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(address, server, home / "log")
        yield address, folder
    finally:
        server.terminate()
        server.wait(20)


def _wait(address: str, server: subprocess.Popen, log: Path) -> None:
    for _ in range(300):
        if server.poll() is not None:
            break
        try:
            urllib.request.urlopen(f"{address}/api/status", timeout=2).close()
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start: {log.read_text()[-2000:]}")


@pytest.fixture()
def page(browser):
    """A page of its own; failures: the errors that its scripts raise."""
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    page.failures = []
    page.on("pageerror", lambda error: page.failures.append(str(error)))
    yield page
    page.close()


def shown(page, widget):
    """A widget's form without a kernel, alone on a page."""
    page.set_content(f"<!doctype html><body style='color-scheme: light dark'>{widget.without_kernel()}</body>")
    found = page.locator(".workbook")
    found.wait_for()
    page.wait_for_timeout(300)
    return found


@pytest.fixture(scope="session")
def open_notebook(browser, lab):
    """open_notebook(path or list of cells' sources, run=True): a `Notebook` in JupyterLab, run to its end."""
    opened = []

    def open_notebook(content, run: bool = True, name: str = "", seconds: float = 600) -> "Notebook":
        address, folder = lab
        if isinstance(content, list):
            cells = [nbformat.v4.new_code_cell(source) for source in content]
            kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
            content, name = nbformat.v4.new_notebook(cells=cells, metadata=kernel), name or f"cells_{len(opened)}.ipynb"
            nbformat.write(content, folder / name)
        else:
            name = name or Path(content).name
            shutil.copy(content, folder / name)
        page = browser.new_page(viewport={"width": 1366, "height": 900})
        opened.append(page)
        page.goto(f"{address}/lab/tree/{name}?reset")
        notebook = Notebook(page, folder / name)
        if run:
            notebook.run(seconds)
        return notebook

    yield open_notebook
    for page in opened:
        if not page.is_closed():
            page.close()


class Notebook:
    """A notebook open in JupyterLab."""

    def __init__(self, page, path: Path):
        self.page, self.path = page, path
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def run(self, seconds: float = 600) -> None:
        """Run all cells and wait until the kernel is idle again. Raises AssertionError for a cell that failed."""
        page = self.page
        page.wait_for_function(
            "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'",
            timeout=60_000,
        )
        page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')", None)
        page.wait_for_function(_RUN, timeout=seconds * 1000)
        failed = page.evaluate(_FAILED)
        assert not failed, failed

    def close(self) -> None:
        """End the kernel, which holds all that the notebook made, and close the page."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
        self.page.close()

    def widget(self, label: str):
        """The widget whose label starts so, scrolled into view, live (not its stored form)."""
        found = self.page.locator(f'.workbook[aria-label^="{label}"]').locator("visible=true").first
        found.wait_for(state="visible", timeout=30_000)
        found.scroll_into_view_if_needed()
        return found

    def numbers(self, label: str) -> dict:
        """What a widget shows and how long it took: view, answer, redraw and round trip times in milliseconds."""
        return self.page.evaluate(_STATE, label)

    def times(self, label: str) -> str:
        """Median times of a widget in words."""
        seen = self.numbers(label)
        parts = [(name, seen[key]) for name, key in (("redraw", "redraw"), ("round trip", "trip")) if seen[key]]
        return ", ".join(f"{name} {statistics.median(t):.1f} ms (median of {len(t)})" for name, t in parts)

    def pixels(self, locator) -> bytes:
        """PNG of a part of the page."""
        return locator.screenshot()

    def python(self, source: str):
        """Run an expression in the notebook's kernel and return its value (through JSON); what it raises ends here."""
        code = f"import json as _json; print(_json.dumps({source}))"
        answer = self.page.evaluate(_PYTHON, code)
        return json.loads(answer)


_RUN = """() => {
  const cells = window.jupyterapp.shell.currentWidget.content.widgets.filter(c => c.model.type === 'code');
  const status = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status;
  const full = cells.filter(c => c.model.sharedModel.getSource().trim());
  const outputs = c => [...Array(c.model.outputs.length).keys()].map(i => c.model.outputs.get(i));
  const failed = full.some(c => outputs(c).some(o => o.type === 'error'));
  const ran = c => c.model.executionCount && c.model.executionState !== 'running';
  return status === 'idle' && (failed || full.every(ran));
}"""
_FAILED = """() => window.jupyterapp.shell.currentWidget.content.widgets
  .filter(c => c.model.type === 'code')
  .flatMap(c => [...Array(c.model.outputs.length).keys()].map(i => c.model.outputs.get(i).toJSON()))
  .filter(o => o.output_type === 'error').map(o => o.ename + ': ' + o.evalue)"""
_STATE = """label => {
  const seen = w => w.label.startsWith(label) && w.root.offsetParent !== null;
  const found = (window.workbook?.widgets || []).filter(seen).at(-1);
  if (!found) return null;
  return { view: found.view(), answer: found.answer(), redraw: found.times.redraw, trip: found.times.trip };
}"""
_PYTHON = """async code => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  let text = '', fault = '';
  const future = kernel.requestExecute({ code, store_history: false });
  future.onIOPub = m => { if (m.header.msg_type === 'stream') text += m.content.text;
                          if (m.header.msg_type === 'error') fault = `${m.content.ename}: ${m.content.evalue}`; };
  await future.done;
  if (fault) throw new Error(fault);
  return text;
}"""
