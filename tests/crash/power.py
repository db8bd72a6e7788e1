"""What a disk may hold after the power failed: from trace's log of what was done, the part that was synced and any part of the rest.

A file's bytes and the entries of folders are apart. Bytes that were not synced may each be there or not, in pages. An entry's changes
that were not synced are there up to any one of them, whatever became of other entries; a rename changes both its entries or none, as every
file system that is in use has it. What a sync that failed should have written is lost."""
import os
import random

PAGE = 4096


class File:
    def __init__(self, data=b"", time=0, folder=False):
        self.data, self.time, self.folder = data, time, folder  # what is surely there
        self.entries = {}      # of a folder: name -> File
        self.loose = []        # of a file, not synced: ("write", offset, bytes) or ("truncate", size, None) or ("times", time, None)
        self.lost = 0          # so many of the first of them are lost


class Change:
    """Of entries: what stands under each (folder, name) after it."""

    def __init__(self, sets, times):
        self.sets, self.times = sets, times
        self.before = []       # the last change of each of its entries
        self.synced = self.lost = False


class Disk:
    def __init__(self, account):
        self.inodes = {}       # as the log names files
        self.root = self._load(account)
        self.changes, self.last, self.said = [], {}, []

    def _load(self, path):
        info = os.stat(path)
        if not os.path.isdir(path):
            with open(path, "rb") as file:
                made = File(file.read(), info.st_mtime_ns)
        else:
            made = File(time=info.st_mtime_ns, folder=True)
            for name in os.listdir(path):
                made.entries[name] = self._load(os.path.join(path, name))
        return self.inodes.setdefault(str(info.st_ino), made)

    # --- replaying the log ---

    def _change(self, sets, times):
        change = Change(sets, times)
        for key in sets:
            if key in self.last:
                change.before.append(self.last[key])
            self.last[key] = change
        self.changes.append(change)

    def _sync(self, file, lose):
        if lose:
            file.lost = len(file.loose)
        elif not file.folder:
            for n, effect in enumerate(file.loose):
                if n >= file.lost:
                    _apply(file, effect)
            file.loose, file.lost = [], 0
        if file.folder:
            for change in self.changes:
                if any(folder is file for folder, _ in change.sets):
                    self._settle(change, lose)

    def _settle(self, change, lose):
        if change.lost or change.synced:
            return
        change.lost, change.synced = lose, not lose
        if not lose:
            for before in change.before:
                self._settle(before, False)

    def replay(self, lines, data):
        """lines: of the log, up to where the power fails. Their files are found by the inode numbers of the copy that was traced."""
        at = 0
        for line in lines:
            kind, *f = line.split("\t")
            if kind == "said":
                self.said.append("\t".join(f))
            elif kind in ("make", "makedir"):
                made = self.inodes[f[0]] = File(folder=kind == "makedir", time=int(f[3]))
                self._change({(self.inodes[f[1]], f[2]): made}, {self.inodes[f[1]]: int(f[3])})
            elif kind == "remove":
                self._change({(self.inodes[f[1]], f[2]): None}, {self.inodes[f[1]]: int(f[3])})
            elif kind in ("rename", "link"):
                file, a, b = self.inodes[f[0]], self.inodes[f[1]], self.inodes[f[4]]
                sets = {(a, f[2]): None} if kind == "rename" else {}
                sets[b, f[5]] = file
                self._change(sets, {b: int(f[6])} if kind == "link" else {a: int(f[3]), b: int(f[6])})
            elif kind == "write":
                length = int(f[2])
                self.inodes[f[0]].loose.append(("write", int(f[1]), data[at:at + length]))
                self.inodes[f[0]].loose.append(("times", int(f[3]), None))
                at += length
            elif kind == "truncate":
                self.inodes[f[0]].loose.append(("truncate", int(f[1]), None))
            elif kind == "times":
                if self.inodes[f[0]].folder:
                    self._change({(self.inodes[f[0]], ""): None}, {self.inodes[f[0]]: int(f[2])})
                else:
                    self.inodes[f[0]].loose.append(("times", int(f[2]), None))
            elif kind == "syncfs":
                for file in set(self.inodes.values()):
                    self._sync(file, False)
            elif kind in ("sync", "lose"):
                self._sync(self.inodes[f[0]], kind == "lose")
            else:
                raise ValueError(f"a line of the log is not understood: {line}")

    # --- what is left ---

    def fail(self, rng, harsh):
        """Chooses. harsh: nothing survives that was not synced."""
        chance = 0 if harsh else rng.choice([0, 0.2, 0.5, 0.8, 0.95, 1])
        kept = set()
        for change in self.changes:
            if change.synced or (not change.lost and rng.random() < chance and all(b in kept for b in change.before)):
                kept.add(change)
                for (folder, name), file in change.sets.items():
                    if file is not None:
                        folder.entries[name] = file
                    elif name != "":
                        folder.entries.pop(name, None)
                for folder, time in change.times.items():
                    folder.time = time
        for file in set(self.inodes.values()):
            for n, effect in enumerate(file.loose):
                if n >= file.lost:
                    _apply_some(file, effect, rng, chance)

    def write(self, path):
        os.mkdir(path)
        self._write(self.root, path, {})

    def _write(self, folder, path, written):
        for name, file in folder.entries.items():
            inner = os.path.join(path, name)
            if file in written:
                os.link(written[file], inner)
                continue
            if file.folder:
                os.mkdir(inner, 0o700)
                self._write(file, inner, written)
            else:
                written[file] = inner
                with open(os.open(inner, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as out:
                    out.write(file.data)
            os.utime(inner, ns=(file.time, file.time))
        os.utime(path, ns=(folder.time, folder.time))


def _apply(file, effect):
    kind, at, data = effect
    if kind == "write":
        if len(file.data) < at:
            file.data += bytes(at - len(file.data))
        file.data = file.data[:at] + data + file.data[at + len(data):]
    elif kind == "truncate":
        file.data = file.data[:at] + bytes(max(0, at - len(file.data)))
    else:
        file.time = at


def _apply_some(file, effect, rng, chance):
    kind, at, data = effect
    if kind != "write":
        if rng.random() < chance:
            _apply(file, effect)
        return
    # The length may be there without the bytes.
    if rng.random() < chance and len(file.data) < at + len(data):
        _apply(file, ("truncate", at + len(data), None))
    while data:
        part = PAGE - at % PAGE
        if rng.random() < chance:
            _apply(file, ("write", at, data[:part]))
        at, data = at + len(data[:part]), data[part:]


def random_of(*words):
    return random.Random(" ".join(str(w) for w in words))
