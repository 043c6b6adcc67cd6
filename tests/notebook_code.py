"""The code of a notebook, statement by statement, for tests that run a part of it."""

import ast
import symtable
from pathlib import Path

import nbformat


def code_cells(path: Path) -> list:
    return [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]


def defined(statement: ast.stmt, comprehensions: bool = True) -> set[str]:
    """Names that a top-level statement binds or writes into (`a[0] = 1` counts, a method call does not).

    comprehensions: also the variables of comprehensions and lambdas, which end with them.
    """
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {a.asname or a.name.split(".")[0] for a in statement.names}
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    stored = [n for n in ast.walk(statement) if isinstance(getattr(n, "ctx", None), ast.Store)]
    inner = {c.target for n in ast.walk(statement) for c in getattr(n, "generators", ())}
    inner = {part for target in inner for part in ast.walk(target)} if not comprehensions else set()
    return {root.id for n in stored if n not in inner for root in ast.walk(n) if isinstance(root, ast.Name)}


def needed(path: Path, cell_source: str) -> str:
    """What has to run before a cell of a notebook: the statements above it that its names rest on, in order."""
    above, wanted, kept = [], read(cell_source), []
    for cell in code_cells(path):
        if cell.source == cell_source:
            break
        above += ast.parse(cell.source).body
    for statement in reversed(above):
        if defined(statement) & wanted:
            wanted |= read(ast.unparse(statement))
            kept.append(statement)
    return "\n".join(map(ast.unparse, reversed(kept)))


def read(source: str) -> set[str]:
    """Global names that a piece of code reads; what functions and comprehensions bind themselves is not among them."""
    tables, out = [symtable.symtable(source, "notebook", "exec")], set()
    for table in tables:
        top = table.get_type() == "module"
        out |= {s.get_name() for s in table.get_symbols() if (s.is_referenced() if top else s.is_global())}
        tables += table.get_children()
    return out
