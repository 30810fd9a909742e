#!/usr/bin/env python3
"""What holdfast reads of a host is what node_exporter reads of it.

usage: node_exporter_test.py <folder of the binaries>

Compares `holdfast collect --once` with Debian's prometheus-node-exporter, series by series:
- on tests/fixtures/host_typical, where both must agree exactly and on which series there are;
- on the live host, where each counter of node_exporter must lie between two runs of holdfast.
Exits with 77 (skipped) when node_exporter is not installed.
"""

import math
import os
import pathlib
import re
import select
import shutil
import subprocess
import sys
import time
import urllib.request

DEADLINE_SECONDS = 60
SKIPPED = 77
FIXTURE = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "host_typical"

# The defaults of holdfast's filters, so that both look at the same devices.
DISK_EXCLUDE = (
    r"^(z?ram|loop|fd|sr)\d+$|^(sd|vd|xvd|hd)[a-z]+\d+$|^nvme\d+n\d+p\d+$|^mmcblk\d+p\d+$"
)
NETWORK_EXCLUDE = r"^(veth|docker|br-|cali|cni|virbr|lo$).*"
FILESYSTEM_TYPES_EXCLUDE = (
    "^(autofs|binfmt_misc|bpf|cgroup|cgroup2|configfs|debugfs|devpts|devtmpfs|efivarfs|fusectl|"
    "hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|pstore|ramfs|rootfs|rpc_pipefs|selinuxfs|squashfs|"
    "securityfs|fuse.lxcfs|sysfs|tmpfs|tracefs)$"
)

# Idle and iowait are estimates that the kernel takes back now and then, by less than this.
ESTIMATE_SLACK_SECONDS = 3.0
# Space of a live disk moves between two looks at it.
SPACE_SLACK_RATIO = 0.02


class Series(dict):
    """Values by (metric, labels as a sorted tuple of pairs)."""

    def add(self, metric, value, **labels):
        key = (metric, tuple(sorted(labels.items())))
        self[key] = self.get(key, 0.0) + value


def parse_exposition(text):
    """[(metric, labels, value)] of the Prometheus text format 0.0.4."""
    line_pattern = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: \d+)?$")
    label_pattern = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)",?')
    unescaped = {"n": "\n", "\\": "\\", '"': '"'}
    samples = []
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        match = line_pattern.match(line)
        if not match:
            raise SystemExit(f"not a line of an exposition: {line!r}")
        labels = {
            name: re.sub(r"\\(.)", lambda m: unescaped.get(m.group(1), m.group(0)), value)
            for name, value in label_pattern.findall(match.group(2) or "")
        }
        samples.append((match.group(1), labels, float(match.group(3))))
    return samples


# node_exporter's name -> (holdfast's name, its labels, factor); device and mount labels are kept.
DISK = {
    "reads_completed_total": ("ops_total", "read", 1),
    "writes_completed_total": ("ops_total", "write", 1),
    "discards_completed_total": ("ops_total", "discard", 1),
    "flush_requests_total": ("ops_total", "flush", 1),
    "read_bytes_total": ("bytes_total", "read", 1),
    "written_bytes_total": ("bytes_total", "write", 1),
    "discarded_sectors_total": ("bytes_total", "discard", 512),
    "read_time_seconds_total": ("time_seconds_total", "read", 1),
    "write_time_seconds_total": ("time_seconds_total", "write", 1),
    "discard_time_seconds_total": ("time_seconds_total", "discard", 1),
    "flush_requests_time_seconds_total": ("time_seconds_total", "flush", 1),
    "io_time_seconds_total": ("io_time_seconds_total", None, 1),
    "io_time_weighted_seconds_total": ("io_time_weighted_seconds_total", None, 1),
    "io_now": ("in_flight", None, 1),
}
NETWORK = {
    f"node_network_{dir}_{theirs}_total": (f"holdfast_network_{ours}_total", dir)
    for dir in ("receive", "transmit")
    for theirs, ours in (
        ("bytes", "bytes"),
        ("packets", "packets"),
        ("errs", "errors"),
        ("drop", "drops"),
    )
}
PRESSURE = {
    f"node_pressure_{resource}_{theirs}_seconds_total": (resource, kind)
    for resource in ("cpu", "memory", "io")
    for theirs, kind in (("waiting", "some"), ("stalled", "full"))
}
PLAIN = {
    "node_memory_MemTotal_bytes": ("holdfast_memory_total_bytes", {}),
    "node_memory_MemAvailable_bytes": ("holdfast_memory_available_bytes", {}),
    "node_memory_Dirty_bytes": ("holdfast_memory_dirty_bytes", {}),
    "node_vmstat_pgmajfault": ("holdfast_major_faults_total", {}),
    "node_vmstat_pswpin": ("holdfast_swap_pages_total", {"dir": "in"}),
    "node_vmstat_pswpout": ("holdfast_swap_pages_total", {"dir": "out"}),
    "node_vmstat_oom_kill": ("holdfast_oom_kills_total", {}),
}
FILESYSTEM = {
    "node_filesystem_size_bytes": "holdfast_filesystem_size_bytes",
    "node_filesystem_avail_bytes": "holdfast_filesystem_avail_bytes",
    "node_filesystem_files": "holdfast_filesystem_inodes",
    "node_filesystem_files_free": "holdfast_filesystem_inodes_free",
    "node_filesystem_readonly": "holdfast_filesystem_readonly",
    "node_filesystem_device_error": "holdfast_filesystem_stuck",
}


def in_our_terms(samples):
    """node_exporter's samples under the names that holdfast has for them."""
    out = Series()
    operstates = {
        labels["device"]: labels["operstate"]
        for metric, labels, _ in samples
        if metric == "node_network_info"
    }
    swap = {metric: value for metric, _, value in samples if metric.startswith("node_memory_Swap")}
    if "node_memory_SwapTotal_bytes" in swap:
        out.add(
            "holdfast_memory_swap_used_bytes",
            swap["node_memory_SwapTotal_bytes"] - swap["node_memory_SwapFree_bytes"],
        )
    for metric, labels, value in samples:
        if metric == "node_cpu_seconds_total":
            out.add("cpu", value, mode=labels["mode"])
        elif metric == "node_cpu_guest_seconds_total":
            mode = {"user": "guest", "nice": "guest_nice"}[labels["mode"]]
            out.add("cpu", value, mode=mode)
        elif metric in PRESSURE:
            resource, kind = PRESSURE[metric]
            out.add("holdfast_pressure_seconds_total", value, resource=resource, kind=kind)
        elif metric in PLAIN:
            name, ours = PLAIN[metric]
            out.add(name, value, **ours)
        elif metric.startswith("node_disk_") and metric[len("node_disk_") :] in DISK:
            name, dir, factor = DISK[metric[len("node_disk_") :]]
            ours = {"device": labels["device"]} | ({"dir": dir} if dir else {})
            out.add(f"holdfast_disk_{name}", value * factor, **ours)
        elif metric in NETWORK:
            name, dir = NETWORK[metric]
            out.add(name, value, device=labels["device"], dir=dir)
        elif metric == "node_network_up":
            device = labels["device"]
            excluded = re.match(NETWORK_EXCLUDE, device)
            # node_exporter calls an interface down that has no carrier to speak of.
            if not excluded and operstates.get(device) != "unknown":
                out.add("holdfast_network_up", value, device=device)
        elif metric in FILESYSTEM:
            # node_exporter decodes the escapes of mount points only.
            labels["device"] = re.sub(
                r"\\([0-7]{3})", lambda m: chr(int(m.group(1), 8)), labels["device"]
            )
            out.add(FILESYSTEM[metric], value, **labels)
    return out


def in_comparable_terms(samples):
    """holdfast's samples of the host; processor time as the kernel has it, guests in user."""
    out = Series()
    for metric, labels, value in samples:
        if metric == "holdfast_cpu_seconds_total":
            mode = labels["mode"]
            out.add("cpu", value, mode=mode)
            if mode in ("guest", "guest_nice"):
                out.add("cpu", value, mode="user" if mode == "guest" else "nice")
        elif re.match(
            r"holdfast_(pressure|memory|major_faults|swap_pages|oom_kills|disk|network|filesystem)_",
            metric,
        ):
            out.add(metric, value, **labels)
    return out


def only_ours(key, operstates):
    """What node_exporter 1.5 does not have."""
    metric, labels = key[0], dict(key[1])
    if metric == "holdfast_pressure_seconds_total":
        return labels["resource"] == "irq" or (labels["resource"], labels["kind"]) == (
            "cpu",
            "full",
        )
    return metric == "holdfast_network_up" and operstates.get(labels["device"]) == "unknown"


def text_of(key):
    labels = ",".join(f'{name}="{value}"' for name, value in key[1])
    return f"{key[0]}{{{labels}}}"


class NodeExporter:
    """A node_exporter on a free port of 127.0.0.1, for the scope of a `with`."""

    def __init__(self, binary, procfs, sysfs, rootfs):
        collectors = (
            "cpu meminfo vmstat diskstats netdev netclass pressure filesystem".split()
        )
        self.command = [
            binary,
            "--web.listen-address=127.0.0.1:0",
            "--collector.disable-defaults",
            *(f"--collector.{name}" for name in collectors),
            "--no-collector.netdev.netlink",
            f"--collector.diskstats.device-exclude={DISK_EXCLUDE}",
            f"--collector.netdev.device-exclude={NETWORK_EXCLUDE}",
            f"--collector.filesystem.fs-types-exclude={FILESYSTEM_TYPES_EXCLUDE}",
            "--collector.filesystem.mount-points-exclude=^$",
            f"--path.procfs={procfs}",
            f"--path.sysfs={sysfs}",
            f"--path.rootfs={rootfs}",
        ]

    def __enter__(self):
        self.process = subprocess.Popen(
            self.command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            self.address = self.listening_on()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate()

    def listening_on(self):
        """Waits for the line of its log that says so."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        log = b""
        while True:
            ready, _, _ = select.select([self.process.stderr], [], [], deadline - time.monotonic())
            chunk = os.read(self.process.stderr.fileno(), 65536) if ready else b""
            log += chunk
            match = re.search(rb'msg="Listening on" address=(\S+)\n', log)
            if match:
                return match.group(1).decode()
            if not chunk:
                raise SystemExit(f"node_exporter does not listen:\n{log.decode()}")

    def samples(self):
        url = f"http://{self.address}/metrics"
        with urllib.request.urlopen(url, timeout=DEADLINE_SECONDS) as answer:
            return parse_exposition(answer.read().decode())


def holdfast_samples(binary, procfs, sysfs, rootfs):
    command = [binary, "collect", "--once"]
    command += ["--paths.procfs", procfs, "--paths.sysfs", sysfs, "--paths.rootfs", rootfs]
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=DEADLINE_SECONDS
    )
    if done.returncode != 0:
        raise SystemExit(f"holdfast collect --once exited with {done.returncode}:\n{done.stderr}")
    return parse_exposition(done.stdout)


def operstates_below(sysfs):
    return {
        path.parent.name: path.read_text().strip()
        for path in pathlib.Path(sysfs).glob("class/net/*/operstate")
    }


def is_of_a_live_disk(key):
    return key[0] in ("holdfast_filesystem_avail_bytes", "holdfast_filesystem_inodes_free")


def missing(ours, theirs, operstates):
    problems = [f"holdfast lacks {text_of(key)}" for key in theirs.keys() - ours.keys()]
    problems += [
        f"node_exporter lacks {text_of(key)}"
        for key in ours.keys() - theirs.keys()
        if not only_ours(key, operstates)
    ]
    return problems


def differences_on_fixture(ours, theirs, operstates):
    """The same series with the same values; fixtures do not move, but the disk below them does."""
    problems = missing(ours, theirs, operstates)
    for key in ours.keys() & theirs.keys():
        slack = SPACE_SLACK_RATIO if is_of_a_live_disk(key) else 1e-9
        if not math.isclose(ours[key], theirs[key], rel_tol=slack, abs_tol=1e-9):
            problems.append(f"{text_of(key)}: holdfast {ours[key]}, node_exporter {theirs[key]}")
    return problems


def differences_on_live_host(before, theirs, after, operstates):
    """Counters only: a gauge may have any value between two looks at it."""

    def is_counter(key):
        return key[0] == "cpu" or key[0].endswith("_total")

    before, theirs, after = (
        {key: value for key, value in series.items() if is_counter(key)}
        for series in (before, theirs, after)
    )
    problems = missing(before, theirs, operstates)
    for key in before.keys() & theirs.keys() & after.keys():
        estimate = key[0] == "cpu" and dict(key[1])["mode"] in ("idle", "iowait")
        slack = ESTIMATE_SLACK_SECONDS if estimate else 1e-6
        if not before[key] - slack <= theirs[key] <= after[key] + slack:
            problems.append(
                f"{text_of(key)}: node_exporter {theirs[key]} is not between holdfast's "
                f"{before[key]} and {after[key]}"
            )
    return problems


def report(what, compared, problems):
    print(f"{what}: {compared} series compared, {len(problems)} differ")
    for problem in sorted(problems):
        print(f"  {problem}")
    # An empty comparison proves nothing.
    return not problems and compared > 20


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    holdfast = pathlib.Path(sys.argv[1]) / "holdfast"
    node_exporter = shutil.which("prometheus-node-exporter") or shutil.which("node_exporter")
    if node_exporter is None:
        print("skipped: node_exporter is not installed; apt-get install prometheus-node-exporter")
        return SKIPPED

    tree = (FIXTURE / "proc", FIXTURE / "sys", FIXTURE / "root")
    states = operstates_below(tree[1])
    with NodeExporter(node_exporter, *tree) as oracle:
        theirs = in_our_terms(oracle.samples())
    ours = in_comparable_terms(holdfast_samples(holdfast, *tree))
    good = report("fixture", len(ours), differences_on_fixture(ours, theirs, states))

    live = ("/proc", "/sys", "/")
    states = operstates_below(live[1])
    with NodeExporter(node_exporter, *live) as oracle:
        before = in_comparable_terms(holdfast_samples(holdfast, *live))
        theirs = in_our_terms(oracle.samples())
        after = in_comparable_terms(holdfast_samples(holdfast, *live))
    problems = differences_on_live_host(before, theirs, after, states)
    good = report("live host", len(before), problems) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
