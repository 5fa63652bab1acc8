"""Counts the results of a sweep from the raw files of its results tree.

Written from the format in the package comment of sweep/results alone, so that
it shares no mistake with orch: an independent judge of what counts.

    recount.py RESULTS/SWEEP      prints as JSON
        done     {run ID: {metric: value}}
        failed   {run ID: class}
        planned  how many runs the newest plan has
"""
import hashlib
import json
import os
import re
import sys


def crc32c(data, table=[]):
    if not table:
        for n in range(256):
            for _ in range(8):
                n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
            table.append(n)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def decode(line):
    """The object of an intact line without its newline, else None."""
    body, sep, end = line.rpartition(b',"sum":"')
    if not sep or not re.fullmatch(rb'[0-9a-f]{8}"}', end) or int(end[:8], 16) != crc32c(body):
        return None
    return json.loads(body + b"}")


def names(folder):
    return sorted(n for n in os.listdir(folder) if not n.startswith("."))


def whole(path):
    with open(path, "rb") as f:
        return decode(f.read().rstrip(b"\n"))


def number(x):
    return float(x)  # nan and infinities are strings


def blocks(segment, runs, head):
    """The blocks of a segment: name -> run IDs."""
    out = {}
    for g, group in enumerate(head["groups"]):
        work = [r["i"] for r in runs if r.get("w") and r.get("g", 0) == g]
        w, index = max(group["workers"], 1), 0
        while work:
            size = 1 if group["single"] else max(1, (len(work) + 2 * w - 1) // (2 * w))
            for _ in range(w):
                if work:
                    out["%d-%d-%d" % (segment, g, index)] = work[:size]
                    work, index = work[size:], index + 1
    return out


FINAL = ("failed", "out of memory", "bad setup", "no result", "timeout", "stall", "cancelled", "diverged")


def main(sweep):
    planned = set()
    tries, epoch = {}, {}  # by run: the blocks where it is work, and which is the first that counts
    for n in sorted(int(n) for n in names(sweep + "/plans") if n.isdigit()):
        with open("%s/plans/%d/plan.jsonl" % (sweep, n), "rb") as f:
            raw = f.readlines()
        lines = [json.loads(line) for line in raw]
        runs, head, end = lines[:-2], lines[-2], lines[-1]
        if end["sha256"] != hashlib.sha256(b"".join(raw[:-1])).hexdigest() or end["runs"] != len(runs):
            sys.exit("plan %d is damaged" % n)
        if head["kind"] == "plan":
            planned.clear()
        if head["kind"] in ("plan", "add"):
            planned.update(r["i"] for r in runs)
        for name, ids in blocks(n, runs, head).items():
            for run in ids:
                if head["kind"] == "rerun":
                    epoch[run] = len(tries.get(run, []))
                tries.setdefault(run, []).append(name)

    records, marks = {}, {}  # by generation: (journal, offset, record); (journal) -> upto
    for journal in names(sweep + "/journals"):
        at = 0
        with open(sweep + "/journals/" + journal, "rb") as f:
            data = f.read()
        for line in data.split(b"\n")[:-1]:
            record = decode(line) if len(line) <= 1 << 20 else None
            if record is not None and record["k"] == "mark":
                for g in record["bs"]:
                    upto = marks.setdefault(g, {})
                    upto[journal] = max(upto.get(journal, 0), record["x"])
            elif record is not None and "b" in record:
                records.setdefault(record["b"], []).append((journal, at, record))
            at += len(line) + 1

    seals, generations = {}, {}
    for n in names(sweep + "/claims"):
        g = n.removesuffix(".seal")
        block, gen = g.rsplit(".", 1)
        generations.setdefault(block, set()).add(int(gen))
        if n != g:
            seals[g] = whole(sweep + "/claims/" + n)

    def counted(g):
        seal = seals.get(g)
        if seal is None:
            upto = marks.get(g, {})
            return [r for j, at, r in records.get(g, []) if at < upto.get(j, 0)]
        out = []
        for part in seal["journals"] or []:
            out += [r for j, at, r in records.get(g, []) if j == part["name"] and at < part["upto"]]
            out += [decode(line.encode()) for line in part.get("tail", [])]
        return out

    done, failed = {}, {}
    for run, where in tries.items():
        for block in where[epoch.get(run, 0):]:
            for gen in sorted(generations.get(block, [])):
                ends = [r for r in counted("%s.%d" % (block, gen)) if r["k"] == "end" and r["r"] == run]
                if not ends:
                    continue
                if ends[0]["c"] == "done":
                    if run in done:
                        sys.exit("run %s has two results" % run)
                    done[run] = {k: number(v) for k, v in ends[0].get("m", {}).items()}
                elif block == where[-1] and (ends[0]["c"] in FINAL or ends[0].get("giveup")):
                    failed[run] = ends[0]["c"]
    failed = {run: c for run, c in failed.items() if run not in done}
    json.dump({"done": done, "failed": failed, "planned": len(planned)}, sys.stdout)


main(sys.argv[1])
