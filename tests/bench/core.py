# SPDX-License-Identifier: ISC
# SPDX-FileCopyrightText: The Fourpost authors
"""What all rows share: the folder of a run, processes that end with it, processor time, and the table."""
import math
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

TICKS = os.sysconf("SC_CLK_TCK")


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def tree(pid):
    """The process and all below it."""
    found, todo = [], [pid]
    while todo:
        p = todo.pop()
        found.append(p)
        try:
            for task in os.listdir(f"/proc/{p}/task"):
                with open(f"/proc/{p}/task/{task}/children") as f:
                    todo += [int(c) for c in f.read().split()]
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def tree_cpu(pid):
    """Seconds of processor time of a process, all below it, and those of them that have ended."""
    total = 0
    for p in tree(pid):
        try:
            with open(f"/proc/{p}/stat") as f:
                total += sum(int(v) for v in f.read().rpartition(")")[2].split()[11:15])
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total / TICKS


def tree_memory(pid):
    """Bytes that belong to a process and all below it: shared pages are divided among those that share them."""
    total = 0
    for p in tree(pid):
        try:
            with open(f"/proc/{p}/smaps_rollup") as f:
                total += sum(int(line.split()[1]) for line in f if line.startswith("Pss:")) * 1024
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total


def wait_for(what, test, seconds=60, pause=0.05):
    end = time.monotonic() + seconds
    while not test():
        if time.monotonic() > end:
            raise RuntimeError(f"{what}: not within {seconds} s")
        time.sleep(pause)


def digits(value):
    """A figure as people read it."""
    if value == 0 or not math.isfinite(value):
        return str(value)
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{max(0, 2 - int(math.floor(math.log10(abs(value)))))}f}"


class Bench:
    COLUMNS = ("row", "work", "unit", "ours", "peer_name", "peer", "ratio", "target", "reached", "ours_min", "ours_cpu_s", "peer_cpu_s", "ours_runs", "peer_runs", "why")

    def __init__(self, build, out, full, folder):
        self.build, self.out, self.full = os.path.abspath(build), os.path.abspath(out), full
        self.bin, self.tools = f"{self.build}/bin", f"{self.build}/tests/bench"
        self.rows, self.stops, self.current = [], [], None
        os.makedirs(self.out, exist_ok=True)
        if folder is not None:
            os.makedirs(folder, exist_ok=True)
        # Roles with uids of their own must reach what is below.
        self.dir = tempfile.mkdtemp(prefix="fourpost-bench.", dir=folder)
        os.chmod(self.dir, 0o755)
        # See folder().
        subprocess.run(["chattr", "+T", self.dir], stderr=subprocess.DEVNULL, check=False)
        self.started = time.monotonic()

    def folder(self, name):
        """Where a server's files are: a part of the disk of its own where ext4 makes such parts, which it chooses by the name. For it looks
        at every inode that was removed near by some minutes ago before it gives one out: what one server or an earlier run removes would
        slow another down."""
        return f"{self.dir}/{name}.{os.getpid()}"

    # ---- processes

    def at_end(self, stop):
        """Called at the end, in reverse order, however the run ends."""
        self.stops.append(stop)
        return stop

    def end(self):
        for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(s, signal.SIG_IGN)
        for stop in reversed(self.stops):
            try:
                stop()
            except Exception as fault:
                print(f"bench: while ending: {fault}", file=sys.stderr)
        self.stops = []
        shutil.rmtree(self.dir, ignore_errors=True)

    def spawn(self, args, log, **more):
        """Starts a server, which is ended at the end."""
        with open(log, "ab") as f:
            process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=f, stderr=f, **more)

        def stop():
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    for p in tree(process.pid):
                        os.kill(p, signal.SIGKILL)
                    process.wait()
        process.stop = self.at_end(stop)
        return process

    def say(self, text):
        print(f"  {time.monotonic() - self.started:7.1f} s  {text}", flush=True)

    # ---- figures

    def settle(self):
        """What one side wrote must not be paid for by the other."""
        os.sync()

    def alternate(self, runs, *sides):
        """A B A B ...: each call returns a figure or (figure, processor seconds). A list of results for each side."""
        results = [[] for _ in sides]
        for _ in range(runs):
            for side, result in zip(sides, results):
                self.settle()
                result.append(side())
        return results

    def row(self, work, unit, ours, peer=None, peer_name="", target=None, rate=False, why=""):
        """One row. ours and peer are lists of figures or (figure, cpu). target: ("ratio", n): so many times better than the peer;
        ("most", n): the figure itself. rate: more is better. why: what stands in the way, told when the target is not reached."""
        def split(runs):
            pairs = [r if isinstance(r, tuple) else (r, None) for r in runs or []]
            cpu = [c for _, c in pairs if c is not None]
            return [v for v, _ in pairs], statistics.median(cpu) if cpu else None
        ours, ours_cpu = split(ours)
        peer, peer_cpu = split(peer)
        a, b = statistics.median(ours), statistics.median(peer) if peer else None
        ratio = None if not peer else (a / b if rate else b / a) if a and b else float("inf")
        reached = None
        if target is not None:
            reached = ratio >= target[1] if target[0] == "ratio" else a <= target[1]
        text = "" if target is None else f">= {target[1]:g} x" if target[0] == "ratio" else f"<= {target[1]:g} {unit}"
        row = dict(zip(self.COLUMNS, (self.current, work, unit, a, peer_name, b, ratio, text, reached, min(ours), ours_cpu, peer_cpu, ours, peer, why if reached is False else "")))
        self.rows.append(row)
        print(self.line(row), flush=True)

    @staticmethod
    def line(row):
        text = f"{row['work'][:66]:66} {digits(row['ours']):>9}"
        text += f" {digits(row['peer']) if row['peer'] is not None else '-':>9} {row['unit']:8}"
        text += f" {digits(row['ratio']) + ' x' if row['ratio'] is not None else '':>8} {row['target']:>14}"
        text += {None: "       ", True: "  yes  ", False: "  NO   "}[row["reached"]]
        if row["target"].startswith("<=") and len(row["ours_runs"]) > 1:
            text += f" min {digits(row['ours_min'])} {row['unit']}"
        if row["ours_cpu_s"] is not None or row["peer_cpu_s"] is not None:
            text += f" cpu {'-' if row['ours_cpu_s'] is None else digits(row['ours_cpu_s'])}"
            text += f" | {'-' if row['peer_cpu_s'] is None else digits(row['peer_cpu_s'])} s"
        text += f"  {row['peer_name']}" if row["peer_name"] else ""
        return text + (f"\n    not reached: {row['why']}" if row["why"] else "")

    HEAD = f"{'work':66} {'Fourpost':>9} {'peer':>9} {'':8} {'better':>8} {'target':>14} reached"

    def write(self):
        """build/bench/NAME.tsv for each row group that ran."""
        def cell(value):
            if value is None:
                return ""
            if isinstance(value, list):
                return " ".join(f"{v:.6g}" for v in value)
            return {True: "yes", False: "no"}[value] if isinstance(value, bool) else f"{value:.6g}" if isinstance(value, float) else str(value)
        for name in dict.fromkeys(r["row"] for r in self.rows):
            with open(f"{self.out}/{name}.tsv", "w") as f:
                print("\t".join(self.COLUMNS), file=f)
                for row in self.rows:
                    if row["row"] == name:
                        print("\t".join(cell(row[c]) for c in self.COLUMNS), file=f)
