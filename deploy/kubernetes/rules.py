#!/usr/bin/env python3
"""Makes prometheusrule.yaml of the rules under dashboards/rules/: the same text, one level deeper. `--check` only compares."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
RULES = HERE.parents[1] / "dashboards/rules"
HEAD = """# Made by rules.py from dashboards/rules/; do not edit. Prometheus takes it if its ruleSelector matches: often a label such
# as `release: prometheus`.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: opensoul
spec:
  groups:
"""


def made():
    text = HEAD
    for place in sorted(RULES.glob("*.yml")):
        _, groups = place.read_text().split("\ngroups:\n", 1)
        text += "".join(f"  {line}" if line.strip() else line for line in groups.splitlines(keepends=True))
    return text


if __name__ == "__main__":
    target = HERE / "prometheusrule.yaml"
    if sys.argv[1:] == ["--check"]:
        if target.read_text() != made():
            sys.exit("prometheusrule.yaml is not what dashboards/rules/ says: run deploy/kubernetes/rules.py")
    else:
        target.write_text(made())
