"""The download against a server on this machine: good files, a wrong hash, no server, no permission."""

import hashlib
import tempfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from helpers import WorkbookError, datasets
from helpers.datasets import download

FILES = {"annolist/test/annolist.mat": b"matrices", "videos/1/00001.jpg": b"picture"}


class Quiet(SimpleHTTPRequestHandler):
    asked: list[str] = []

    def do_GET(self):
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server that holds FILES under the layout of the real source; gives its folder."""
    repository, commit, source = download.SOURCES["bonn"]
    root = tmp_path / "served"
    for name, content in FILES.items():
        path = root / repository / commit / source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    hashes = tmp_path / "hashes.txt"
    hashes.write_text(
        "# comment\nsomof/x.json 00\n"
        + "".join(f"bonn/{name} {hashlib.sha256(content).hexdigest()}\n" for name, content in FILES.items())
    )
    http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=root))
    threading.Thread(target=http.serve_forever, daemon=True).start()
    Quiet.asked = []
    monkeypatch.setattr(datasets, "HASHES", hashes)
    monkeypatch.setattr(download, "_RAW", f"http://127.0.0.1:{http.server_port}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("time.sleep", lambda _: None)  # the wait before the retry
    yield root / repository / commit / source
    http.shutdown()
    http.server_close()


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_files_land_in_the_layout_the_readers_expect(server, tmp_path, monkeypatch):
    assert download.fetch(["bonn"], tmp_path / "data") == [tmp_path / "data/bonn"]
    assert files_in(tmp_path / "data/bonn") == FILES
    monkeypatch.setenv("POSE_WORKBOOK_DATA", str(tmp_path / "data"))
    assert datasets.find("bonn") == tmp_path / "data/bonn"


def test_without_a_folder_the_first_of_the_search_path_is_filled(server, tmp_path, monkeypatch):
    monkeypatch.setenv("POSE_WORKBOOK_DATA", str(tmp_path / "mine"))
    assert download.fetch(["bonn"]) == [tmp_path / "mine/bonn"]
    monkeypatch.setenv("POSE_WORKBOOK_DATA", "")
    with pytest.raises(WorkbookError, match="POSE_WORKBOOK_DATA"):
        download.fetch(["bonn"])


def test_whole_files_are_kept_and_a_damaged_one_is_fetched_again(server, tmp_path):
    download.fetch(["bonn"], tmp_path)
    Quiet.asked.clear()
    download.fetch(["bonn"], tmp_path)
    assert Quiet.asked == []
    (tmp_path / "bonn/videos/1/00001.jpg").write_bytes(b"pict")
    download.fetch(["bonn"], tmp_path)
    assert len(Quiet.asked) == 1 and files_in(tmp_path / "bonn") == FILES


def test_a_wrong_hash_is_an_error_and_the_file_is_removed(server, tmp_path):
    (server / "videos/1/00001.jpg").write_bytes(b"another picture")
    with pytest.raises(WorkbookError, match=r"00001\.jpg: .*SHA-256"):
        download.fetch(["bonn"], tmp_path / "data")
    assert "videos/1/00001.jpg" not in files_in(tmp_path / "data/bonn")
    assert len(files_in(tmp_path / "data/bonn")) == 1, "no temporary stays"


def test_a_file_that_the_server_does_not_have_is_no_success(server, tmp_path):
    (server / "annolist/test/annolist.mat").unlink()
    with pytest.raises(WorkbookError, match=r"annolist\.mat: could not be downloaded"):
        download.fetch(["bonn"], tmp_path / "data")
    assert files_in(tmp_path / "data") == {}


def test_without_a_network_one_sentence_says_what_to_do_by_hand(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_RAW", "http://127.0.0.1:1")  # nothing listens there
    with pytest.raises(WorkbookError) as error:
        download.fetch(["bonn"], tmp_path / "data")
    message = str(error.value)
    assert "by hand from https://github.com/umariqb/PoseTrack-CVPR2017/tree/30b0a6d2" in message
    assert message.endswith(f"put them into {tmp_path / 'data/bonn'}.") and "\n" not in message
    assert files_in(tmp_path / "data") == {}


def test_no_write_permission_is_one_sentence(server, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)
    (tmp_path / "data/bonn").mkdir(parents=True)
    with pytest.raises(WorkbookError, match=r"annolist\.mat: cannot be written \(Permission denied\)\.$"):
        download.fetch(["bonn"], tmp_path / "data")


def test_only_what_can_be_fetched_is_accepted(tmp_path):
    with pytest.raises(WorkbookError, match="'posetrack18' cannot be fetched; there are somof, bonn"):
        download.fetch(["somof", "posetrack18"], tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name, n", [("somof", 5), ("bonn", 43)])
def test_every_expected_file_has_a_hash_and_real_data_has_the_same(name, n):
    hashes = datasets.fetched_files(name)
    assert len(hashes) == n and all(len(digest) == 64 for digest in hashes.values())
    folder = datasets.find(name)
    if folder is None:
        pytest.skip(datasets.missing(name))
    for file, digest in hashes.items():
        assert hashlib.sha256((folder / file).read_bytes()).hexdigest() == digest, file
