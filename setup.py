"""Two folders of the repository become packages of data; everything else stands in pyproject.toml."""

from setuptools import find_packages, setup

FOLDERS = {"helpers.published": "data/papers", "helpers.records": "figures"}
FILES = {"helpers.published": ["*.yaml"], "helpers.records": ["*_record.json"], "helpers.datasets": ["hashes.txt"]}
setup(packages=[*find_packages(include=["helpers*"]), *FOLDERS], package_dir=FOLDERS, package_data=FILES)
