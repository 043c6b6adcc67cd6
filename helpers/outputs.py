"""Where the driver wants figures, tables and records written."""

import io
import os
from pathlib import Path


def output(name: str) -> Path | None:
    """Where the driver wants a figure, table or record written; None outside a driver's run."""
    folder = os.environ.get("POSE_WORKBOOK_OUT")
    if not folder:
        return None
    Path(folder).mkdir(parents=True, exist_ok=True)
    return Path(folder) / name


def save_table(table, name: str, digits: int = 3) -> None:
    """Write a DataFrame as csv for figures/, rounded; nothing outside a driver's run."""
    path = output(name)
    if path is not None:
        table.round(digits).to_csv(path, lineterminator="\n")


def save_figure(figure, name: str) -> None:
    """Write a figure for figures/ (PNG, same bytes every time); nothing outside a driver's run."""
    path = output(name)
    if path is not None:
        buffer = io.BytesIO()
        figure.savefig(buffer, dpi=100, metadata={"Software": None})
        path.write_bytes(small_png(buffer.getvalue()))


def small_png(picture: bytes) -> bytes:
    """A PNG with its colours reduced to 256: a third of the bytes, and no channel of a pixel off by more than 30."""
    from PIL import Image

    drawn = Image.open(io.BytesIO(picture)).convert("RGB")
    few = drawn.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    few.save(buffer, "PNG", optimize=True)
    return min(picture, buffer.getvalue(), key=len)
