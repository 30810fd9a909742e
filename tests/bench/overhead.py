#!/usr/bin/env python3
"""What holdfastd costs beside node_exporter: processor time and memory, measured in the same run.

holdfastd runs its host collectors at 1 s with storage, and an open upgrade that is judged all the
time; its /metrics is scraped once a second like node_exporter's. The measuring, and the starting of
the others, is shared/bench/opponents_overhead.py. Exits with 1 when an arm could not be measured or,
with --gate, when a goal was missed.

usage: overhead.py FOLDER_OF_BINARIES [--seconds 60] [--warm 30] [--reps 3] [--gate] [ARM …]
"""

import argparse
import json
import os
import pathlib
import shutil
import socket
import statistics
import stat
import subprocess
import sys
import tempfile

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("HOLDFAST_SHARED", CHECKOUT.parent / "shared"))
SKIPPED = 77
CPU_GOAL = 0.5          # of node_exporter lean
RESIDENT_GOAL_MIB = 40
LEAN = "node_exporter_lean"
PROOF = "upgrade.json"

# A cycle of 10 s makes blocks of 1 s: every rule is judged anew each second, which is as often as
# holdfast ever does; with a cycle of a week it is once in five minutes.
CYCLE_SECONDS = 10
CONFIG = {
    "defaults": {"interval": "1s", "timeout": "500ms"},
    "upgrades": {"cycle": f"{CYCLE_SECONDS}s", "evaluation_interval": "1s"},
}

# The measured process is holdfastd itself; the helper that starts the upgrade is handed to init, so
# that its cost is not counted.
WRAPPER = """#!/bin/sh
state="$PWD/state"
( (
    until curl -sf http://{address}/-/ready && [ -s "$state/token" ]; do sleep 0.1; done
    sleep {patience}
    hf() {{ "{binaries}/holdfast" --url http://{address} --token-file "$state/token" -o json "$@"; }}
    hf upgrade start --target bench --from 1 --to 2 --cycle {cycle}s --no-window >/dev/null
    sleep 2
    hf upgrade show u1 >"{proof}"
) >/dev/null 2>&1 & )
exec "{binaries}/holdfastd" --config.file="{config}" --storage.path="$state" \\
    --web.listen-address={address} --log.level=warn
"""


def free_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def write_arm(folder, binaries, address):
    """The command of our arm; it leaves a proof that an upgrade was judged."""
    config = folder / "holdfast.yml"
    config.write_text(json.dumps(CONFIG) + "\n")
    wrapper = folder / "holdfast-arm"
    wrapper.write_text(WRAPPER.format(binaries=binaries, address=address, config=config,
                                      patience=CYCLE_SECONDS + 3, cycle=CYCLE_SECONDS,
                                      proof=folder / PROOF))
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    return wrapper


def measure(options, folder):
    """Runs all arms; the rows of the result."""
    address = free_address()
    wrapper = write_arm(folder, options.binaries.resolve(), address)
    results = folder / "results.json"
    subprocess.run(
        [sys.executable, str(SHARED / "bench" / "opponents_overhead.py"),
         "--seconds", str(options.seconds), "--warm", str(options.warm), "--reps",
         str(options.reps), "--out", str(results), "--extra", f"holdfast={wrapper}",
         "--extra-url", f"holdfast=http://{address}/metrics", *options.arms], check=True)
    return json.loads(results.read_text())


def judged(folder):
    """How many judgements the upgrade of the last run had that say more than 'learning'."""
    try:
        upgrade = json.loads((folder / PROOF).read_text())
    except (OSError, ValueError):
        return 0
    return sum(1 for j in upgrade.get("judgements", []) if j["judgement"] != "learning")


def medians(rows, key):
    """Arm → median of `key` over the repetitions that were measured."""
    by_arm = {}
    for row in rows:
        if "error" not in row:
            by_arm.setdefault(row["arm"], []).append(row[key])
    return {arm: statistics.median(values) for arm, values in by_arm.items()}


def report(rows):
    """Prints our figures beside node_exporter's; whether both goals were met."""
    cpu, resident = medians(rows, "cpu_pct"), medians(rows, "rss_mib_max")
    met = True
    print()
    for arm in sorted(cpu, key=cpu.get):
        share = f"{cpu[arm] / cpu[LEAN]:5.2f} × lean" if cpu.get(LEAN) else ""
        print(f"{arm:20s} {cpu[arm]:6.3f} % of a core  {resident[arm]:6.1f} MiB  {share}")
    if LEAN in cpu:
        ratio = cpu["holdfast"] / cpu[LEAN]
        met = ratio <= CPU_GOAL and met
        print(f"processor: {ratio:.2f} of {LEAN}, the goal is {CPU_GOAL}: "
              f"{'met' if ratio <= CPU_GOAL else 'MISSED'}")
    fits = resident["holdfast"] <= RESIDENT_GOAL_MIB
    print(f"resident:  {resident['holdfast']:.1f} MiB, the goal is {RESIDENT_GOAL_MIB} MiB: "
          f"{'met' if fits else 'MISSED'}")
    return met and fits


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binaries", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--warm", type=float, default=30)
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--gate", action="store_true", help="exit with 1 when a goal is missed")
    parser.add_argument("arms", nargs="*", default=["node_exporter", LEAN])
    options = parser.parse_args()
    if not (SHARED / "bench" / "opponents_overhead.py").exists():
        print(f"skipped: no bench/opponents_overhead.py in {SHARED}; set HOLDFAST_SHARED")
        return SKIPPED
    for program in ("prometheus-node-exporter", "curl"):
        if not shutil.which(program):
            print(f"skipped: {program} not installed; ./dev setup installs it")
            return SKIPPED
    if options.warm < CYCLE_SECONDS + 6:
        parser.error(f"--warm must be at least {CYCLE_SECONDS + 6}: the upgrade has to be judged")
    with tempfile.TemporaryDirectory(prefix="holdfast-bench.") as folder:
        rows = measure(options, pathlib.Path(folder))
        judgements = judged(pathlib.Path(folder))
    if not judgements:
        print("not measured: holdfast had no upgrade to judge", file=sys.stderr)
        return 1
    print(f"\nholdfast judged an open upgrade: {judgements} rules with a baseline")
    failed = [row for row in rows if "error" in row]
    if failed or "holdfast" not in {row["arm"] for row in rows}:
        print(f"not measured: {failed}", file=sys.stderr)
        return 1
    return 0 if report(rows) or not options.gate else 1


if __name__ == "__main__":
    sys.exit(main())
