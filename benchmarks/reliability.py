"""What smallvision does when it is killed, given damaged files, out of disk, raced, or called by hostile names.

    python benchmarks/reliability.py                     all of it, about 40 minutes on two cores
    python benchmarks/reliability.py --share ci          a share of two minutes on one core
    python benchmarks/reliability.py --section inputs    kills, inputs, disks, writers or names
    python benchmarks/reliability.py --minutes 10        stop after so many minutes; the same command goes on
    python benchmarks/reliability.py --replay "kills:classify:17"                     one case again, with what it says
    python benchmarks/reliability.py --replay "inputs:IDX:truncated:3"

Everything random is decided by --seed and the number of a case. Results are kept in a journal (--state, outside the
checkout), so that a campaign that is stopped goes on; results of other source code are passed over. At the end of the
whole campaign benchmarks/results/reliability.json is written, of which `python benchmarks/tables.py` makes
docs/reliability.md. The exit status is 1 if there was a fault. Linux only.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from campaign import children
from campaign.bases import Bases
from campaign.disks import Filling
from campaign.inputs import Damaging
from campaign.journal import Journal
from campaign.kills import Killing
from campaign.names import Naming
from campaign.plan import SHARES, Share, chunks
from campaign.summary import summary
from campaign.warm import warm
from campaign.writers import Racing

SECTIONS = ("kills", "inputs", "disks", "writers", "names")
OF_SCENARIOS: dict[str, Callable[[str, Path], Any]] = {"kills": Killing, "disks": Filling, "writers": Racing}
RESULT = Path(__file__).parent / "results" / "reliability.json"
AT_A_TIME = 20  # cases of a scenario that are planned at once, before the kills are counted again

Unit = tuple[str, str, int, int]  # section, scenario or "row:kind", first number, how many


class Campaign:
    """The cases of some sections, each done once.

    Parameters
    ----------
    share : how many there are.
    journal : remembers those that are done.
    scratch : a folder for files, on a disk in memory where there is one.
    seed : the number of the first case of each kind, in millions.
    """

    def __init__(self, share: Share, journal: Journal, scratch: Path, seed: int) -> None:
        self.share, self.journal, self.scratch, self.first = share, journal, scratch, seed * 1_000_000
        self._made: dict[str, Path] = {}
        self._kept: dict[tuple[str, str], Any] = {}

    def waiting(self, sections: list[str]) -> list[Unit]:
        """The cases that are to be done next; empty when all are done."""
        units: list[Unit] = []
        for section in sections:
            done = self.journal.read(section)
            if section == "kills":
                units += self._kills(done)
            elif section == "inputs":
                units += [
                    (section, f"{row}:{kind}", first, number)
                    for row, kind, first, number in chunks(self.share.inputs)
                    if f"{row}:{kind}:{first}" not in done
                ]
            elif section == "names":
                units += [(section, "name", number, 1) for number in range(self.share.names)]
            else:
                counts = self.share.disks if section == "disks" else self.share.writers
                units += [(section, name, number, 1) for name in counts for number in range(counts[name])]
            units = [unit for unit in units if f"{unit[1]}:{unit[2]}" not in done or unit[0] != section]
        return units

    def _kills(self, done: dict[str, dict[str, Any]]) -> list[Unit]:
        """Cases of each scenario until it was killed often enough; each is killed about once."""
        units: list[Unit] = []
        for name, wanted in self.share.kills.items():
            own = [one for key, one in done.items() if key.rpartition(":")[0] == name]
            missing = wanted - sum(one["ways"]["byte"] + one["ways"]["moment"] for one in own)
            if missing > 0:
                units += [
                    ("kills", name, len(own) + number, 1)
                    for number in range(min(missing, max(AT_A_TIME, missing // 2)))
                ]
        return units

    def prepare(self, units: list[Unit]) -> None:
        """Make what the cases begin with, once for all processes."""
        if not self._made:
            self._made = warm(self.scratch / "warm")
        for section, name in dict.fromkeys((unit[0], unit[1]) for unit in units):
            key = (section, name if section in OF_SCENARIOS else "")
            if key in self._kept:
                continue
            if section in OF_SCENARIOS:
                self._kept[key] = OF_SCENARIOS[section](name, self.scratch / section / name)
            else:
                self._kept[key] = Bases(self.scratch / "bases", self._made) if section == "inputs" else Naming()

    def do(self, unit: Unit, folder: Path) -> dict[str, Any]:
        """Do a unit."""
        section, name, first, number = unit
        kept = self._kept[section, name if section in OF_SCENARIOS else ""]
        if section != "inputs":
            return dict(kept.case(self.first + first, folder / "case"))
        row, _, kind = name.rpartition(":")
        if (section, "here") not in self._kept:
            self._kept[section, "here"] = Damaging(kept, folder / "inputs")
        found = list(
            self._kept[section, "here"].read(row, kind, [self.first + first + place for place in range(number)])
        )
        counts = {ended: sum(one["ended"] == ended for one in found) for ended in ("refused", "read")}
        faults = [{key: one[key] for key in ("seed", "failure", "said")} for one in found if one["failure"]]
        return {"inputs": len(found), **counts, "faults": faults, "digests": [one["digest"] for one in found]}


def follow(campaign: Campaign, sections: list[str], jobs: int, until: float) -> None:
    """Do all cases in so many processes, and print how far they are. Stops at `until` on the monotonic clock."""
    while units := campaign.waiting(sections):
        campaign.prepare(units)
        pids = []
        sys.stdout.flush()
        for job in range(jobs):
            pid = os.fork()
            if not pid:
                _serve(campaign, units[job::jobs], campaign.scratch / f"job{job}", until)
            pids.append(pid)
        for number in _ends(pids):
            done = {section: len(campaign.journal.read(section)) for section in sections}
            if number:
                sys.exit(number)
            print(time.strftime("%H:%M:%S"), ", ".join(f"{count} {name}" for name, count in done.items()), flush=True)
        if time.monotonic() > until:
            return


def _serve(campaign: Campaign, units: list[Unit], folder: Path, until: float) -> None:
    """What a process does: its units, one after another."""
    status = 1
    try:
        children.die_with_parent()
        for unit in units:
            if time.monotonic() > until:
                break
            found = campaign.do(unit, folder)
            campaign.journal.add(unit[0], f"{unit[1]}:{unit[2]}", found)
        status = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(status)


def _ends(pids: list[int]) -> Iterator[int]:
    """The exit status of each process as it ends, and 0 once in half a minute."""
    left, last = set(pids), time.monotonic()
    while left:
        for pid in list(left):
            found, code = os.waitpid(pid, os.WNOHANG)
            if found:
                left.remove(pid)
                yield os.waitstatus_to_exitcode(code)
        time.sleep(0.2)
        if time.monotonic() - last > 30:
            last = time.monotonic()
            yield 0


def replay(campaign: Campaign, asked: str) -> int:
    """Do one case again and print what it says."""
    section, _, rest = asked.partition(":")
    name, _, number = rest.rpartition(":")
    unit: Unit = (section, name, int(number) - campaign.first * (int(number) >= campaign.first), 1)
    campaign.prepare([unit])
    found = campaign.do(unit, campaign.scratch / "replay")
    print(json.dumps(found, indent=1, ensure_ascii=True))
    return int(bool(found.get("failure") or found.get("faults")))


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", choices=list(SHARES), default="all")
    parser.add_argument("--section", choices=SECTIONS, action="append", help="several times for several")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at a time")
    parser.add_argument("--replay", metavar="SECTION:NAME:NUMBER")
    parser.add_argument("--state", type=Path, default=Path(tempfile.gettempdir()) / "smallvision-reliability")
    parser.add_argument("--out", type=Path, help="where the figures go (default: the committed file, for --share all)")
    asked = parser.parse_args(words)
    sections = list(asked.section or SECTIONS)
    memory = Path("/dev/shm")
    scratch = Path(tempfile.mkdtemp(prefix="smallvision-", dir=memory if memory.is_dir() else None))
    journal = Journal(asked.state / f"{asked.share}.jsonl", asked.seed)
    campaign = Campaign(SHARES[asked.share], journal, scratch, asked.seed)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the scratch folder is removed
    try:
        if asked.replay:
            return replay(campaign, asked.replay)
        follow(campaign, sections, asked.jobs, time.monotonic() + 60 * asked.minutes)
        found = summary(journal, campaign.share, asked.seed)
        out = asked.out or (RESULT if asked.share == "all" and not campaign.waiting(list(SECTIONS)) else None)
        if out is not None:
            out.write_text(json.dumps(found, indent=1) + "\n")
        for fault in found["faults"]:
            print(f"{fault['section']}:{fault['case']}  {fault['what']}".encode("ascii", "backslashreplace").decode())
        print(f"{found['fault_count']} faults" + (f"; {out}" if out else ""))
        return int(found["fault_count"] > 0)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
