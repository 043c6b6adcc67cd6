"""OpenCV for everybody here, or one sentence that says how to get it: `from helpers.opencv import cv2`."""

from helpers import WorkbookError

try:
    import cv2
except ModuleNotFoundError:
    raise WorkbookError("OpenCV: is not installed; pip install opencv-python brings it.") from None
except ImportError as error:  # the wheel is there, a library of the system that it draws windows with is not
    raise WorkbookError(
        f"OpenCV: cannot be imported ({error}); install the system's library (Debian, Ubuntu: "
        "apt-get install libgl1 libglib2.0-0), or install opencv-python-headless in place of opencv-python."
    ) from None

__all__ = ["cv2"]
