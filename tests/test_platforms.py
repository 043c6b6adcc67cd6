"""The lock is what its documented command makes, and every platform finds a wheel for each of its lines."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.txt"
COMMAND = "uv pip compile pyproject.toml --all-extras --universal --no-emit-index-url --no-header --no-annotate"
PLATFORMS = {
    "Linux x86-64": "x86_64-manylinux_2_28",
    "Linux aarch64": "aarch64-manylinux_2_28",
    "macOS arm64": "aarch64-apple-darwin",
    "Windows": "x86_64-pc-windows-msvc",
}


def uv(*arguments, folder=ROOT):
    """Standard output of a command of uv; skips where uv or the network is missing."""
    beside = Path(sys.executable).with_name("uv")
    tool = str(beside) if beside.exists() else shutil.which("uv")
    if tool is None:
        pytest.skip("uv is not installed")
    environment = os.environ | {"UV_HTTP_TIMEOUT": "20", "UV_HTTP_RETRIES": "1", "MACOSX_DEPLOYMENT_TARGET": "14.0"}
    done = subprocess.run([tool, *arguments], cwd=folder, capture_output=True, text=True, env=environment)
    if re.search("dns error|error sending request|timed out|tcp connect error", done.stderr):
        pytest.skip("no network: no package index can be reached")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_documented_command_makes_the_lock_byte_for_byte(tmp_path):
    assert f"\n{COMMAND} -o requirements.txt\n" in (ROOT / "CONTRIBUTING.md").read_text()
    for name in ("pyproject.toml", "README.md", "LICENSE", "requirements.txt", "helpers/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    uv(*COMMAND.split()[1:], "-o", "requirements.txt", folder=tmp_path)
    assert (tmp_path / "requirements.txt").read_bytes() == LOCK.read_bytes()


@pytest.mark.parametrize("python", ["3.11", "3.13"])
@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_lock_resolves(platform, python):
    options = ["--python-platform", PLATFORMS[platform], "--python-version", python, "--no-python-downloads"]
    options += ["--only-binary", ":all:", "--no-header", "--no-annotate"]
    found = set(uv("pip", "compile", "requirements.txt", *options).split())
    assert found <= {line.split(" ;")[0] for line in LOCK.read_text().splitlines()}  # nothing is asked for besides
    assert any(line.startswith("nvidia-cublas") for line in found) == platform.startswith("Linux")
    assert any(line.startswith("torch==") for line in found)
