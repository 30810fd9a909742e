#!/usr/bin/env python3
"""Checks Grafana dashboards without Grafana: what its own linter demands, and what we do beside.

usage: dashboard_lint.py [FILE.json …]      default: dashboards/grafana/*.json
"""

import json
import pathlib
import re
import sys

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "dashboards" / "grafana"

UNITS = {"none", "short", "percentunit", "s", "ms", "bytes", "Bps", "cps", "wps", "ops", "dateTimeFromNow"}
QUERIED = {"stat", "gauge", "bargauge", "table", "timeseries", "state-timeline"}
VARIABLES = {"datasource", "job", "instance", "upgrade", "target"}
ALWAYS_THERE = {"__rate_interval", "__interval", "__range", "__from", "__to"}
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
COUNTER = re.compile(r"[a-z_]+_total\b")
RATED_COUNTER = re.compile(r"(?:rate|increase)\(\s*[a-z_]+_total\{[^{}]*\}\[\$__rate_interval\]\s*\)")
METRIC = re.compile(r"\bholdfast_[a-z_]+\b")
SELECTED = re.compile(r"\bholdfast_[a-z_]+\{")
VARIABLE = re.compile(r"\$\{?(\w+)")


def panels_of(dashboard):
    """All panels, those of collapsed rows included."""
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", [])


def variables_of(dashboard):
    return {variable["name"]: variable for variable in dashboard["templating"]["list"]}


def expressions_of(dashboard):
    """(where, PromQL) of every panel's targets and of every annotation."""
    for panel in panels_of(dashboard):
        for target in panel.get("targets", []):
            yield f"panel '{panel['title']}' {target['refId']}", target["expr"]
    for annotation in dashboard["annotations"]["list"]:
        if "expr" in annotation:
            yield f"annotation '{annotation['name']}'", annotation["expr"]


class Lint:
    """Findings about one dashboard."""

    def __init__(self, name, dashboard):
        self.name = name
        self.dashboard = dashboard
        self.findings = []

    def check(self, holds, finding):
        if not holds:
            self.findings.append(f"{self.name}: {finding}")

    def run(self):
        self.head()
        self.templating()
        self.annotations()
        self.layout()
        for panel in panels_of(self.dashboard):
            self.panel(panel)
        for where, expression in expressions_of(self.dashboard):
            self.expression(where, expression)
        return self.findings

    def head(self):
        d = self.dashboard
        self.check(d.get("uid", "") == f"holdfast-{self.name}", f"uid {d.get('uid')} is not stable")
        self.check(d.get("editable") is False, "must not be editable")
        self.check(d.get("graphTooltip") == 1, "graphTooltip must be 1: one crosshair for all")
        self.check("holdfast" in d.get("tags", []), "needs the tag holdfast")
        self.check(d.get("schemaVersion", 0) >= 36, "schemaVersion is too old")
        self.check("__inputs" not in d and "__requires" not in d, "provisioning cannot fill __inputs")
        self.check("id" not in d, "must have no id: it belongs to one Grafana")
        self.check(d.get("title") and d.get("description"), "needs title and description")
        self.check(any(link["type"] == "dashboards" and link["keepTime"] and link["includeVars"]
                       for link in d.get("links", [])), "needs links that keep time and variables")

    def templating(self):
        variables = variables_of(self.dashboard)
        for missing in VARIABLES - variables.keys():
            self.check(False, f"variable '{missing}' is missing")
        for name, variable in variables.items():
            self.check(variable.get("label"), f"variable '{name}' has no label")
            if variable["type"] != "query":
                continue
            self.check(variable["datasource"] == DATASOURCE, f"variable '{name}': data source")
            self.check(variable["refresh"] == 2, f"variable '{name}' must refresh with the time range")
            self.check(variable["query"]["query"] == variable["definition"],
                       f"variable '{name}': query and definition differ")
            self.check(variable["definition"].startswith("label_values("),
                       f"variable '{name}' is no label_values()")
            self.known_variables(f"variable '{name}'", variable["definition"])
        for name in {"job", "instance"} & variables.keys():
            self.check(variables[name].get("allValue") == ".+", f"variable '{name}': allValue is not .+")

    def annotations(self):
        names = [a["name"] for a in self.dashboard["annotations"]["list"]]
        self.check(len(names) == len(set(names)), "annotations with the same name")
        queries = [a for a in self.dashboard["annotations"]["list"] if "expr" in a]
        self.check(len(queries) >= 3, "annotations for window, watching and end are missing")
        for annotation in queries:
            where = f"annotation '{annotation['name']}'"
            self.check(annotation["datasource"] == DATASOURCE, f"{where}: data source")
            for key in ("titleFormat", "textFormat", "tagKeys", "step", "iconColor"):
                self.check(annotation.get(key), f"{where} has no {key}")
            if "_timestamp_seconds" in annotation["expr"]:
                self.check("* 1000" in annotation["expr"] and annotation.get("useValueForTime"),
                           f"{where}: a time needs * 1000 and useValueForTime")

    def layout(self):
        panels = list(panels_of(self.dashboard))
        ids = [panel["id"] for panel in panels]
        self.check(len(ids) == len(set(ids)), "panels with the same id")
        taken = {}
        for panel in panels:
            at = panel["gridPos"]
            self.check(at["w"] > 0 and at["h"] > 0 and 0 <= at["x"] and at["x"] + at["w"] <= 24,
                       f"panel '{panel['title']}' is outside of the 24 columns")
            for cell in ((x, y) for x in range(at["x"], at["x"] + at["w"])
                         for y in range(at["y"], at["y"] + at["h"])):
                other = taken.setdefault(cell, panel["title"])
                if other != panel["title"]:
                    self.check(False, f"panels '{other}' and '{panel['title']}' overlap")
                    break

    def panel(self, panel):
        where = f"panel '{panel.get('title')}'"
        self.check(panel.get("title"), f"{where} has no title")
        if panel["type"] == "row":
            return
        self.check(panel["type"] in QUERIED, f"{where}: type {panel['type']} is not one of ours")
        self.check(panel.get("description"), f"{where} has no description")
        self.check(panel.get("datasource") == DATASOURCE, f"{where}: data source is not templated")
        defaults = panel["fieldConfig"]["defaults"]
        self.check(defaults.get("unit") in UNITS, f"{where}: unit {defaults.get('unit')} is unknown")
        self.check(defaults.get("noValue"), f"{where} has no noValue")
        targets = panel.get("targets", [])
        self.check(targets, f"{where} has no target")
        references = [target["refId"] for target in targets]
        self.check(len(references) == len(set(references)), f"{where}: targets with the same refId")
        for target in targets:
            self.check(target["datasource"] == DATASOURCE, f"{where}: data source of a target")
            self.check(target["instant"] != target["range"], f"{where}: instant or range?")
            if panel["type"] == "table":
                self.check(target.get("format") == "table", f"{where}: a table of series")
            else:
                self.check(target.get("legendFormat"), f"{where}: a target without legend")
        if panel["type"] == "state-timeline" or "verdict" in panel["title"].lower():
            self.mappings(where, defaults.get("mappings", []))
        if "repeat" in panel:
            repeated = variables_of(self.dashboard).get(panel["repeat"], {})
            self.check(repeated.get("multi"), f"{where} is repeated by a variable of one value")

    def mappings(self, where, mappings):
        """A state is a word with a colour, never a colour alone."""
        options = [option for mapping in mappings for option in mapping["options"].values()]
        self.check(options, f"{where} has no value mappings")
        for option in options:
            self.check(option.get("text") and option.get("color"),
                       f"{where}: a mapping without text or colour")
            self.check(option.get("color") not in ("red", "green"),
                       f"{where}: red and green cannot be told apart by everybody")
        words = [option.get("text") for option in options]
        self.check(len(words) == len(set(words)), f"{where}: two states with the same word")

    def expression(self, where, expression):
        rated = RATED_COUNTER.sub("", expression)
        self.check(not COUNTER.search(rated), f"{where}: a counter outside of rate()[$__rate_interval]")
        self.check(len(METRIC.findall(expression)) == len(SELECTED.findall(expression)),
                   f"{where}: a metric without selector")
        for selector in re.findall(r"\{[^{}]*\}", expression):
            self.check('job=~"$job"' in selector and 'instance=~"$instance"' in selector,
                       f"{where}: {selector} does not select job and instance")
        for opening, closing in ("()", "[]", "{}"):
            self.check(expression.count(opening) == expression.count(closing),
                       f"{where}: unbalanced {opening}{closing}")
        self.known_variables(where, expression)

    def known_variables(self, where, text):
        known = variables_of(self.dashboard).keys() | ALWAYS_THERE
        for name in VARIABLE.findall(text):
            self.check(name in known, f"{where}: unknown variable ${name}")


def lint(path):
    """The findings about the dashboard at `path`, one line each."""
    path = pathlib.Path(path)
    return Lint(path.stem, json.loads(path.read_text())).run()


def main():
    files = sys.argv[1:] or sorted(FOLDER.glob("*.json"))
    if not files:
        sys.exit(f"no dashboard in {FOLDER}")
    findings = [finding for path in files for finding in lint(path)]
    print("\n".join(findings) if findings else f"{len(files)} dashboard(s) are in order")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
