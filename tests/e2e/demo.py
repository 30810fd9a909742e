#!/usr/bin/env python3
"""holdfast in under four minutes: a bad upgrade is paged and rolled back, a good one proven and closed.

The host is this one, the shop is a real process under probe, scrape, log and process collector, the
pages go through a real Alertmanager, and a real Prometheus scrapes holdfast. A business cycle lasts
one minute here instead of a week; nothing else is different.

usage: demo.py FOLDER_OF_BINARIES
"""

import contextlib
import pathlib
import shutil
import sys
import tempfile
import time

import harness
from harness import wait_for

CYCLE_SECONDS = 60
BASELINE_SECONDS = 70
TARGET = "shop"

RULES = [
    {"name": "shop-latency", "signal": "probe_latency_seconds", "match": {"probe": "shop"},
     "required": True, "tolerated": {"absolute": "50ms"}, "margin": {"absolute": "150ms"}},
    {"name": "shop-failures", "signal": "probe_failure_ratio", "match": {"probe": "shop"},
     "required": True, "tolerated": {"absolute": 0.02}, "margin": {"absolute": 0.10}},
    {"name": "shop-log-errors", "signal": "log_error_lines_per_second",
     "match": {"source": "shop"}, "required": True,
     "tolerated": {"absolute": 0.1}, "margin": {"absolute": 0.5}},
    {"name": "shop-errors", "signal": "shop_requests_per_second", "worse": "up",
     "match": {"source": "shop", "code": "500"}, "required": True,
     "tolerated": {"absolute": 0.2}, "margin": {"absolute": 1}},
    {"name": "shop-queue", "signal": "shop_queue_length", "match": {"source": "shop"},
     "worse": "up", "tolerated": {"relative": "50%"}, "margin": {"relative": "100%"}},
    {"name": "shop-cpu", "signal": "process_cpu_ratio", "match": {"group": "shop"},
     "required": True, "tolerated": {"absolute": 0.10}, "margin": {"absolute": 0.30}},
    {"name": "shop-memory", "signal": "process_resident_bytes", "match": {"group": "shop"},
     "required": True, "tolerated": {"absolute": "32MiB"}, "margin": {"absolute": "64MiB"}},
    # The host is shared with whatever else runs here: only what the shop could not be blamed for.
    {"name": "host-cpu", "signal": "cpu_busy_ratio",
     "tolerated": {"absolute": 0.80}, "margin": {"absolute": 0.90}},
    {"name": "host-space", "signal": "filesystem_used_ratio",
     "tolerated": {"absolute": 0.10}, "margin": {"absolute": 0.20}},
]


class Timeline:
    """Prints what happens, with the seconds since the beginning."""

    def __init__(self):
        self.began = time.monotonic()

    def now(self):
        return time.monotonic() - self.began

    def say(self, what, *more):
        print(f"{self.now():6.1f} s  {what}", flush=True)
        for line in more:
            print(f"          {line}", flush=True)


class Demo:
    """The stage and the acts."""

    def __init__(self, programs, folder, stack):
        self.timeline = Timeline()
        self.pager = stack.enter_context(harness.WebhookReceiver())
        self.alertmanager = stack.enter_context(
            harness.Alertmanager(folder / "alertmanager", self.pager.url))
        self.shop = stack.enter_context(harness.Service(folder / "shop", "1.0"))
        self.daemon = stack.enter_context(
            harness.Daemon(programs, folder / "holdfast", self.config()))
        self.prometheus = stack.enter_context(
            harness.Prometheus(folder / "prometheus", [self.daemon.address]))

    def config(self):
        return {
            "defaults": {"interval": "1s"},
            "collectors": {**harness.host_collectors("1s"), **self.shop.collectors("500ms")},
            "upgrades": {"cycle": f"{CYCLE_SECONDS}s", "evaluation_interval": "500ms"},
            "default_rules": False,
            "rules": RULES,
            "alerting": {"alertmanagers": [{"url": self.alertmanager.url}]},
        }

    def play(self):
        self.timeline.say("everything is up", f"holdfast      {self.daemon.url}",
                          f"shop 1.0      {self.shop.url}/buy",
                          f"Prometheus    {self.prometheus.url}",
                          f"Alertmanager  {self.alertmanager.url}",
                          f"logs          {self.daemon.folder.parent}")
        self.check_pager()
        self.remember()
        self.bad_upgrade()
        self.good_upgrade()
        self.check_prometheus()

    def check_pager(self):
        self.daemon.run("alerts", "test")
        wait_for(lambda: self.pager.pages(alertname="HoldfastTest"), "the test page")
        self.timeline.say("a test alert has reached the pager")

    def remember(self):
        self.timeline.say(f"recording how things are, {BASELINE_SECONDS} s "
                          f"(a business cycle lasts {CYCLE_SECONDS} s here)")
        wait_for(lambda: self.daemon.recorded_ms('holdfast_probe_attempts_total{probe="shop"}')
                 >= BASELINE_SECONDS * 1000, "the baseline's samples", BASELINE_SECONDS + 30)
        baseline = self.daemon.run("baseline", "take", "--range", f"{BASELINE_SECONDS}s",
                                   "--cycle", f"{CYCLE_SECONDS}s")
        self.baseline = baseline["id"]
        self.timeline.say(f"baseline {self.baseline} taken: {baseline['signals']} signals, "
                          f"{baseline['rows']} rows, digest {baseline['digest'][:12]}…")

    def start(self, before, after):
        """Announces the upgrade and really carries it out."""
        upgrade = self.daemon.run("upgrade", "start", "--target", TARGET, "--from", before, "--to",
                                  after, "--baseline", self.baseline)["id"]
        self.timeline.say(f"upgrade {upgrade} started: shop {before} → {after}")
        self.shop.become(after)
        self.daemon.run("upgrade", "window-end", upgrade)
        self.timeline.say(f"shop {after} is up (pid {self.shop.pid}), the window is over: "
                          "holdfast compares")
        return upgrade

    def bad_upgrade(self):
        upgrade = self.start("1.0", "2.0-bad")
        changed_at = time.time()
        wait_for(lambda: self.pager.pages(upgrade=upgrade, alertname="HoldfastRegression"),
                 "a regression to be paged", 60)
        page = self.pager.pages(upgrade=upgrade, alertname="HoldfastRegression")[0]
        self.timeline.say(f"PAGED {page.at - changed_at:.1f} s after the change: "
                          f"{page.labels['rule']} ({page.labels['severity']})",
                          page.annotations["summary"])
        waited = self.daemon.client("upgrade", "wait", upgrade, "--timeout", "60s")
        assert waited.code == 2, f"upgrade wait: exit {waited.code} instead of 2 for rollback"
        wait_for(lambda: self.pager.pages(upgrade=upgrade, alertname="HoldfastRollbackRecommended"),
                 "the advice to roll back")
        advice = self.pager.pages(upgrade=upgrade, alertname="HoldfastRollbackRecommended")[0]
        broken = sorted({labels["rule"] for labels in map(dict, self.pager.firing(
            upgrade=upgrade, alertname="HoldfastRegression"))})
        self.timeline.say(f"PAGED {advice.at - changed_at:.1f} s after the change: roll back",
                          f"broken: {', '.join(broken)}")
        refused = self.daemon.client("upgrade", "close", upgrade)
        assert refused.code == 4, f"upgrade close: exit {refused.code} instead of 4 for unproven"
        self.timeline.say("closing it is refused")
        self.shop.become("1.0")
        self.daemon.run("upgrade", "rollback", upgrade)
        wait_for(lambda: not self.pager.firing(upgrade=upgrade), "all pages to be resolved")
        self.timeline.say("rolled back to shop 1.0; all pages are resolved")

    def good_upgrade(self):
        upgrade = self.start("1.0", "2.1")
        refused = self.daemon.client("upgrade", "close", upgrade)
        assert refused.code == 4, f"upgrade close: exit {refused.code} instead of 4 for unproven"
        self.timeline.say("closing it now is refused: nothing is proven yet, a whole business "
                          "cycle must pass")
        waited = self.daemon.client("upgrade", "wait", upgrade, "--timeout", "110s")
        assert waited.code == 0, (f"upgrade wait: exit {waited.code} instead of 0 for proven\n"
                                  f"{self.daemon.get(f'/upgrades/{upgrade}')}")
        proven = [judged for judged in self.daemon.get(f"/upgrades/{upgrade}")["judgements"]
                  if judged["judgement"] == "proven"]
        latency = next(judged for judged in proven if judged["rule"] == "shop-latency")
        self.timeline.say(f"PROVEN by {len(proven)} rules, such as shop-latency:",
                          latency["evidence"]["reason"])
        self.daemon.run("upgrade", "close", upgrade)
        wait_for(lambda: not self.pager.firing(upgrade=upgrade), "the watchdog to be resolved")
        paged = {page.labels["alertname"] for page in self.pager.pages(upgrade=upgrade)}
        assert paged == {"HoldfastWatchdog"}, f"the good upgrade has paged {paged}"
        self.timeline.say("closed; nothing but the watchdog was ever paged")

    def check_prometheus(self):
        wait_for(lambda: self.prometheus.query('holdfast_upgrade_phase{phase="closed"} == 1'),
                 "Prometheus to know the end")
        self.timeline.say("Prometheus has it all, for dashboards/grafana/upgrade.json")


def main():
    harness.require_programs("prometheus", "prometheus-alertmanager")
    programs = harness.binaries()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="holdfast-demo."))
    with contextlib.ExitStack() as stack:
        try:
            demo = Demo(programs, folder, stack)
            demo.play()
        except BaseException as failure:
            harness.show_logs(30)
            print(f"demo failed: {failure}\nits files are in {folder}", file=sys.stderr)
            if isinstance(failure, KeyboardInterrupt):
                return 130
            return 1
    print(f"done in {demo.timeline.now():.0f} s")
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
