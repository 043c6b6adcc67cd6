"""Two folders of the repository become packages of data; everything else stands in pyproject.toml."""

from tempfile import TemporaryDirectory

from setuptools import find_packages, setup

FOLDERS = {"helpers.published": "data/papers", "helpers.records": "figures"}
FILES = {"helpers.published": ["*.yaml"], "helpers.records": ["*_record.json"], "helpers.datasets": ["hashes.txt"]}
FILES["helpers.notebook.widgets"] = ["js/*"]
PACKAGES = [*find_packages(include=["helpers*"]), *FOLDERS]
with TemporaryDirectory() as folder:  # build/ is the workbook's own, and a module deleted since would still lie there
    elsewhere = {"build": {"build_base": folder}}
    setup(packages=PACKAGES, package_dir=FOLDERS, package_data=FILES, options=elsewhere)
