"""Servers that insist on places of their own get them in a mount namespace, which the rest of the machine does not see."""

import os
import subprocess


def why_not():
    """Why there are none for a server that root starts; empty if there are."""
    if os.geteuid() != 0:
        return "it has to be started by root"
    if subprocess.run(["unshare", "--mount", "true"], stderr=subprocess.DEVNULL).returncode != 0:
        return "there are no mount namespaces here"
    return ""
