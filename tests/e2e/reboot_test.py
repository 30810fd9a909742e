#!/usr/bin/env python3
"""An upgrade whose window holds a reboot loses nothing, sees no absurd rate, and ends proven.

usage: reboot_test.py FOLDER_OF_BINARIES [-v]
"""

import threading

import harness
from harness import wait_for

CYCLE_SECONDS = 18
TARGET = "db1"

RULES = [
    {"name": "cpu", "signal": "cpu_busy_ratio", "required": True,
     "tolerated": {"absolute": 0.05}, "margin": {"absolute": 0.10}},
    {"name": "stalls", "signal": "pressure_stalled_ratio", "required": True,
     "tolerated": {"absolute": 0.10}, "margin": {"absolute": 0.30}},
    {"name": "memory", "signal": "memory_used_ratio", "required": True,
     "tolerated": {"absolute": 0.02}, "margin": {"absolute": 0.05}},
    {"name": "disk-wait", "signal": "disk_wait_seconds", "required": True,
     "tolerated": {"absolute": "5ms"}, "margin": {"absolute": "20ms"}},
    {"name": "network", "signal": "network_bytes_per_second", "required": True,
     "tolerated": {"relative": "50%"}, "margin": {"relative": "100%"}},
    {"name": "faults", "signal": "major_faults_per_second", "required": True, "worse": "up",
     "tolerated": {"absolute": 10}, "margin": {"absolute": 40}},
]

# The largest that an honest rate of this host can be, late readings of a busy machine included.
LIMITS = {
    "cpu_busy_ratio": 1, "cpu_iowait_ratio": 1, "cpu_steal_ratio": 1, "memory_used_ratio": 1,
    "filesystem_used_ratio": 1, "pressure_stalled_ratio": 1, "disk_busy_ratio": 2,
    "disk_wait_seconds": 0.1, "major_faults_per_second": 40, "oom_kills_per_second": 0,
    "swap_used_bytes": 0, "network_errors_per_second": 0,
    "disk_bytes_per_second": 80e6, "network_bytes_per_second": 40e6,
}


class SignalWatcher:
    """Looks at all signals all the time and keeps what is beyond its limits."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.absurd = []
        self.seen = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _run(self):
        while not self._ended.wait(0.1):
            try:
                self._look(self.daemon.get("/signals"))
            except (OSError, ValueError, AttributeError, AssertionError):
                pass  # the daemon is down for the reboot

    def _look(self, signals):
        for item in signals:
            value = item.get("value")
            if value is None:
                continue
            self.seen.add(item["name"])
            if not 0 <= value <= LIMITS.get(item["name"], float("inf")):
                self.absurd.append(item)


class Reboot(harness.TestCase):
    @classmethod
    def prepare(cls):
        cls.host = cls.start(harness.HostTree(cls.folder / "host"))
        cls.daemon = cls.start(harness.Daemon(harness.binaries(), cls.folder / "holdfast", {
            "defaults": {"interval": "500ms"},
            "collectors": harness.host_collectors(),
            "upgrades": {"cycle": f"{CYCLE_SECONDS}s", "warmup": "500ms",
                         "evaluation_interval": "500ms"},
            "default_rules": False,
            "rules": RULES,
        }, cls.host.flags()))

    def everything_stored(self):
        """Series → all of its rows."""
        return {series: self.daemon.series_values(series)
                for series in self.daemon.series_names()}

    def test_upgrade_with_a_reboot_in_its_window_ends_proven(self):
        idle = 'holdfast_cpu_seconds_total{mode="idle"}'
        with SignalWatcher(self.daemon) as watcher:
            wait_for(lambda: self.daemon.recorded_ms(idle) > 2 * CYCLE_SECONDS * 1000 + 1000,
                     "two business cycles to be recorded", 90)
            upgrade = self.daemon.run("upgrade", "start", "--target", TARGET, "--from", "15",
                                      "--to", "16")["id"]
            before = self.everything_stored()
            self.reboot()
            self.assert_nothing_lost(before)
            self.assertEqual(self.daemon.run("upgrade", "show", upgrade)["phase"], "window")

            self.daemon.run("upgrade", "window-end", upgrade)
            waited = self.daemon.client("upgrade", "wait", upgrade, "--timeout", "90s")
            self.assertEqual(waited.code, 0, f"not proven: {waited.out}{waited.err}"
                                             f"{self.daemon.get(f'/upgrades/{upgrade}')}")
            self.assert_replayed(upgrade)
            self.assertEqual(self.daemon.run("upgrade", "close", upgrade)["phase"], "closed")
            self.assert_replayed(upgrade)
            self.assertIs(self.daemon.replayed(upgrade)["identical"], True)
        self.assert_nothing_lost(before)
        self.assert_counters_began_anew(idle)
        self.assertEqual(watcher.absurd, [])
        self.assertLessEqual({rule["signal"] for rule in RULES}, watcher.seen)

    def assert_replayed(self, upgrade):
        again = self.daemon.assert_replayed(upgrade)
        self.assertEqual({judged["rule"] for judged in again["judgements"]},
                         {rule["name"] for rule in RULES})

    def reboot(self):
        """holdfast ends with the host, and comes back with it."""
        self.assertEqual(self.daemon.stop(), 0, "holdfastd drains on SIGTERM")
        self.host.reboot()
        self.daemon.start()
        wait_for(lambda: self.daemon.signal("cpu_busy_ratio"), "signals after the reboot")

    def assert_nothing_lost(self, before):
        after = self.everything_stored()
        for series, rows in before.items():
            self.assertEqual(after.get(series, [])[:len(rows)], rows, f"rows of {series}")

    def assert_counters_began_anew(self, series):
        values = [value for _, value in self.daemon.series_values(series)]
        falls = sum(1 for earlier, later in zip(values, values[1:]) if later < earlier)
        self.assertEqual(falls, 1, f"{series} fell {falls} times over one reboot")


if __name__ == "__main__":
    harness.main()
