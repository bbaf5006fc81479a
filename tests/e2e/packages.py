"""Builds the packages, and the directory of a release, as a release does."""

import hashlib
import os
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


def released(program, place):
    """A directory of releases with one of them: (its directory, the tarball)."""
    version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout.split()[-1]
    target = {"x86_64": "x86_64-unknown-linux-musl", "aarch64": "aarch64-unknown-linux-musl"}[os.uname().machine]
    there = place / f"v{version}"
    subprocess.run([TREE / "deploy/tarball.sh", program, target, version, there], check=True, capture_output=True)
    (tarball,) = there.iterdir()
    (there / "SHA256SUMS").write_text(f"{hashlib.sha256(tarball.read_bytes()).hexdigest()}  {tarball.name}\n")
    (place / "VERSION").write_text(version + "\n")
    return there, tarball
