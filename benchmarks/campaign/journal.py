"""What is done already, a line each in a file outside the checkout: the campaign goes on where it stopped."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).parents[2] / "src"


class Journal:
    """Results as they come. Those of other source code or of another seed are passed over.

    Parameters
    ----------
    file : the journal.
    seed : of the campaign.
    """

    def __init__(self, file: Path, seed: int) -> None:
        self.file, self._of = file, {"seed": seed, "source": source_digest()}
        file.parent.mkdir(parents=True, exist_ok=True)

    def add(self, section: str, key: str, found: dict[str, Any]) -> None:
        """One result; the line is written at once, by whichever process."""
        line = json.dumps({**self._of, "section": section, "key": key, **found}).encode() + b"\n"
        descriptor = os.open(self.file, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)

    def read(self, section: str) -> dict[str, dict[str, Any]]:
        """The results of a section by their key."""
        out = {}
        if self.file.exists():
            for line in self.file.read_bytes().split(b"\n"):
                try:
                    found = json.loads(line)
                except ValueError:  # the campaign was killed while it wrote
                    continue
                if found["section"] == section and all(found[key] == value for key, value in self._of.items()):
                    out[found["key"]] = found
        return out


def source_digest() -> str:
    """Of the source code that is tested."""
    digest = hashlib.sha256()
    for path in sorted(SOURCE.rglob("*")):
        if path.is_file() and path.suffix in (".py", ".html", ".css", ".toml"):
            digest.update(path.relative_to(SOURCE).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]
