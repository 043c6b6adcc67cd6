"""The small package under the Pose Tracking Workbook: data, puppets, evaluation, trackers, ledger."""


class WorkbookError(Exception):
    """Bad input or a missing piece; the message is one sentence that names the file and the field."""
