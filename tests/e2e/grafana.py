"""Reads the dashboards, and writes their queries as Grafana would send them."""

import json
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
DASHBOARDS = ROOT / "dashboards"
RULES = sorted((DASHBOARDS / "rules").glob("*.yml"))
BOARDS = sorted(DASHBOARDS.glob("*.json"))
IMPORTS = sorted((ROOT / "docs/grafana").glob("*.json"))


def load(path):
    return json.loads(path.read_text())


def panels(board):
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def queries(board):
    """(where, expression) of everything that is asked: panels, annotations and variables."""
    for panel in panels(board):
        for target in panel["targets"]:
            yield f"{panel['title']} {target['refId']}", target["expr"]
    for annotation in board["annotations"]["list"]:
        yield f"annotation {annotation['name']}", annotation["expr"]


def filled(expression, **variables):
    """With the variables in it replaced."""
    for name, value in variables.items():
        expression = expression.replace(f"${name}", value)
    assert "$" not in re.sub(r'"\$\d"', "", expression), f"a variable without a value: {expression}"
    return expression
