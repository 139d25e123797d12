"""scripts/environment.sh: a virtual environment that was only half made is never left behind, nor in the way."""

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "environment.sh"
pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="needs the scripts of the repository")

# A Python whose venv makes .venv/bin/python, and pip in it unless the file "no-ensurepip" is there.
FAKE = """#!/bin/sh
[ "$1" = -c ] && exit 0
mkdir -p .venv/bin
printf '#!/bin/sh\\necho "$@" >> asked\\n[ -e .venv/pip ]\\n' > .venv/bin/python
chmod +x .venv/bin/python
[ -e no-ensurepip ] && exit 1
touch .venv/pip
"""


@pytest.fixture
def install(tmp_path):
    fake = tmp_path / "python"
    fake.write_text(FAKE)
    fake.chmod(0o755)

    def run():
        command = f"set -euo pipefail; . '{SCRIPT}'; install a-package"
        return subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "PYTHON": str(fake)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_it_is_made_once(tmp_path, install):
    assert install().returncode == 0
    assert (tmp_path / "asked").read_text().split("\n")[-2].endswith("a-package")
    (tmp_path / ".venv" / "mine").touch()
    (tmp_path / "no-ensurepip").touch()
    assert install().returncode == 0
    assert (tmp_path / ".venv" / "mine").exists()


def test_half_of_it_is_removed(tmp_path, install):
    (tmp_path / "no-ensurepip").touch()
    done = install()
    assert done.returncode == 2
    assert "apt-get install python3-venv" in done.stderr
    assert not (tmp_path / ".venv").exists()
    (tmp_path / "no-ensurepip").unlink()
    assert install().returncode == 0


def test_one_without_pip_is_mended_and_what_was_there_stays(tmp_path, install):
    (tmp_path / "no-ensurepip").touch()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / ".venv" / "bin" / "python").chmod(0o755)
    (tmp_path / ".venv" / "mine").touch()
    assert install().returncode == 2
    assert (tmp_path / ".venv" / "mine").exists()
    (tmp_path / "no-ensurepip").unlink()
    assert install().returncode == 0
    assert (tmp_path / ".venv" / "mine").exists()
