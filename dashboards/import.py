#!/usr/bin/env python3
"""Makes docs/grafana/*.json from dashboards/*.json: the form for which Grafana's "Import dashboard" asks for a data source.

The provisioned form is the one to edit. The other one lies elsewhere because Grafana reads a provisioned folder with all that is
below it, and would take both. `import.py --check` writes nothing and exits with 1 if a file is not up to date.
"""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
IMPORTS = HERE.parent / "docs/grafana"
PANELS = {
    "bargauge": "Bar gauge", "stat": "Stat", "state-timeline": "State timeline", "table": "Table", "timeseries": "Time series",
}
INPUT = {
    "name": "DS_PROMETHEUS", "label": "Prometheus", "description": "", "type": "datasource", "pluginId": "prometheus",
    "pluginName": "Prometheus",
}


def for_import(board):
    """The same board, asking for its data source once, when it is imported."""
    board = json.loads(json.dumps(board).replace("${datasource}", "${DS_PROMETHEUS}").replace("${datasource:queryparam}&", ""))
    variables = board["templating"]["list"]
    board["templating"]["list"] = [variable for variable in variables if variable["type"] != "datasource"]
    types = sorted({panel["type"] for panel in board["panels"]} - {"row"})
    requires = [
        {"type": "grafana", "id": "grafana", "name": "Grafana", "version": "10.4.0"},
        {"type": "datasource", "id": "prometheus", "name": "Prometheus", "version": "1.0.0"},
        *({"type": "panel", "id": kind, "name": PANELS[kind], "version": ""} for kind in types),
    ]
    return {"__inputs": [INPUT], "__elements": {}, "__requires": requires} | board


def main():
    stale = []
    for source in sorted(HERE.glob("*.json")):
        made = json.dumps(for_import(json.loads(source.read_text())), indent=2, ensure_ascii=False) + "\n"
        target = IMPORTS / source.name
        if "--check" in sys.argv[1:]:
            if not target.exists() or target.read_text() != made:
                stale.append(target.name)
        else:
            target.write_text(made)
    if stale:
        sys.exit(f"docs/grafana: {', '.join(stale)} not up to date: run dashboards/import.py")


if __name__ == "__main__":
    main()
