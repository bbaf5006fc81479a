"""Builds the packages as a release does."""

import pathlib
import shutil
import subprocess

import pytest

TREE = pathlib.Path(__file__).resolve().parents[2]
needs_dpkg = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="dpkg-deb is not installed")


def tree(folder):
    """A copy of what packages are made of, to be changed."""
    for part in ("deploy/package", "systemd"):
        shutil.copytree(TREE / part, folder / part)
    (folder / "src/config").mkdir(parents=True)
    for file in ("src/config/template.toml", "README.md", "CHANGELOG.md", *(p.name for p in TREE.glob("LICENSE*"))):
        shutil.copy(TREE / file, folder / file)
    return folder


def build(program, out, kind="deb", *options, of=TREE):
    """The path of the package."""
    ended = subprocess.run(
        [of / "deploy/package/build.sh", "--program", program, "--out", out, "--fast", *options, kind], capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    return pathlib.Path(ended.stdout.splitlines()[-1])
