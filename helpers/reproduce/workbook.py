"""A workbook as the driver sees it: its folders, its notebooks and what their code says about them."""

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nbformat

from helpers import WorkbookError, datasets
from helpers.places import ROOT

#: Code that looks for real data: a data set by name, or whichever can be had.
_REAL_DATA = re.compile(rf"\b({'|'.join(n for n in datasets.NAMES if n != 'puppets')}|available)\b")
_IMPORT = re.compile(r"^(from|import) .*", re.MULTILINE)
#: Code that shows what other notebooks measured.
_RECORDS = re.compile(r"\bledger\.ledger\(|\bfrom helpers\.ledger import .*\bledger\b|_record\.json|\bFIGURES\b")


@dataclass(frozen=True)
class Workbook:
    """The folders of a workbook; `build` is the only one that a run without `--update` writes to."""

    root: Path = ROOT

    @property
    def build(self) -> Path:
        return self.root / "build"

    @property
    def figures(self) -> Path:
        return self.root / "figures"

    def notebooks(self) -> list[Path]:
        """The numbered notebooks in order."""
        return sorted((self.root / "notebooks").glob("[0-9][0-9]_*.ipynb"))

    def named(self, name: str) -> Path:
        """A notebook by its number or name, WorkbookError for an unknown one."""
        stem = Path(name).stem
        for path in self.notebooks():
            if stem in (path.stem, path.stem[:2]):
                return path
        raise WorkbookError(f"notebook {name!r}: is unknown; there are {', '.join(p.stem for p in self.notebooks())}.")


@dataclass(frozen=True)
class Notebook:
    """A notebook of the workbook, read once; `content` is as nbformat gives it."""

    path: Path
    content: nbformat.NotebookNode

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def number(self) -> str:
        return self.name[:2]

    @cached_property
    def code(self) -> list[str]:
        return [cell.source for cell in self.content.cells if cell.cell_type == "code"]

    @cached_property
    def parameters(self) -> dict[str, object]:
        """Name → default of each literal in the cell tagged `parameters`."""
        for cell in self.content.cells:
            if cell.cell_type == "code" and "parameters" in cell.metadata.get("tags", ()):
                return {
                    node.targets[0].id: ast.literal_eval(node.value)
                    for node in _parsed(cell.source).body
                    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
                }
        return {}

    @property
    def reads_records(self) -> bool:
        """Whether it shows what the other notebooks measured, and so runs after them."""
        return any(_RECORDS.search(source) for source in self.code)

    @cached_property
    def on_real_data(self) -> list[bool]:
        """For each code cell, whether what it shows may come from real data.

        It does where the cell looks for real data, is tagged `real-data`, or reads a name that such a cell
        has assigned. This errs towards yes: then a result made without the data never replaces one made with.
        """
        tainted: set[str] = set()
        out = []
        for cell in self.content.cells:
            if cell.cell_type != "code":
                continue
            tags = cell.metadata.get("tags", ())
            read, written = _names(cell.source)
            looks = "parameters" not in tags and _REAL_DATA.search(_IMPORT.sub("", cell.source))
            touched = bool(looks or "real-data" in tags or read & tainted)
            tainted = tainted | written if touched else tainted - written
            out.append(touched)
        return out

    def file_on_real_data(self, file: str) -> bool:
        """Whether a figure or table of this name may show real data; yes if no cell names it in full."""
        cells = [touched for source, touched in zip(self.code, self.on_real_data, strict=True) if file in source]
        return any(cells) if cells else any(self.on_real_data)


def read_notebook(path: Path) -> Notebook:
    """A notebook from its file. Raises WorkbookError where it is damaged or shares its number with another."""
    twins = [p.name for p in sorted(path.parent.glob(f"{path.name[:2]}_*.ipynb")) if p != path]
    if twins:
        raise WorkbookError(f"{path.name}: has the same number as {', '.join(twins)}; rename or remove one of them.")
    try:
        content = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        nbformat.validate(content)
        notebook = Notebook(path, content)
        _ = notebook.parameters, notebook.on_real_data
    except Exception as error:  # nbformat raises whatever a damaged file leads it to
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")[:120]
        raise WorkbookError(f"{path.name}: is no notebook that can be read ({reason}).") from None
    return notebook


def _parsed(source: str) -> ast.Module:
    """A cell's syntax tree; lines that only IPython understands count as empty."""
    return ast.parse("\n".join("pass" if line.startswith(("%", "!")) else line for line in source.split("\n")))


def _names(source: str) -> tuple[set[str], set[str]]:
    """Names that a cell reads from earlier cells, and names that it assigns; loop variables are neither."""
    try:
        nodes = list(ast.walk(_parsed(source)))
    except SyntaxError:
        return set(), set()

    def ids(some: Iterable[ast.AST]) -> set[str]:
        return {n.id for n in some if isinstance(n, ast.Name)}

    stores = [n for n in nodes if isinstance(getattr(n, "ctx", None), ast.Store)]
    calls = [n.value.func for n in nodes if isinstance(n, ast.Expr) and isinstance(n.value, ast.Call)]
    # x[k] = … and x.append(…) change x without assigning it
    changed = ids(n.value for n in (*stores, *calls) if isinstance(n, ast.Subscript | ast.Attribute))
    defined = {n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    targets = [n.target for n in nodes if isinstance(n, ast.comprehension | ast.For)]
    loops = ids(n for target in targets for n in ast.walk(target))
    read = ids(n for n in nodes if isinstance(getattr(n, "ctx", None), ast.Load))
    return read - loops, (ids(stores) | changed | defined) - loops
