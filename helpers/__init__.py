"""Helpers of the Pose Tracking Workbook: one idea a file, one room a folder or file, floors from the ground up.

A lower floor never imports a higher one, nor one room another on its own floor; the tests read this table::

    12  __main__
    11  reproduce  making
    10  experiments  notebook
     9  tracking
     8  detections
     7  training
     6  nets  parameters
     5  worlds
     4  datasets  puppets  evaluation  ledger
     3  geometry  heads  weights  verdicts
     2  people  papers  artefacts
     1  skeleton  places  files  outputs  opencv  intervals
"""

__version__ = "0.5.0"


class WorkbookError(Exception):
    """Bad input or a missing piece; the message is one sentence that names the file and the field."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows of it: the sentence, without the frames that led to it."""
        return [str(self)]
