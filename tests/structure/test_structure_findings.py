"""Every file in findings/ has the form that findings/README.md states; none is run here."""

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "findings"
README = ROOT / "README.md"
pytestmark = pytest.mark.skipif(not README.exists(), reason="needs the repository")
PINNED = re.compile(r"[\w.-]+(\[[\w,-]+\])?==\d[\w.+!]*")


def faults(path):
    """What a finding lacks of the form."""
    text = path.read_text()
    code = [
        line for line in text.replace("\\\n", " ").splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    comments = [line for line in text.splitlines()[1:] if line.startswith("#")]
    commands = [line.split("pip install")[1].split(" && ")[0] for line in code if "pip install" in line]
    installed = [word.strip("\"'") for command in commands for word in command.split() if not word.startswith("-")]
    checks = {
        "is not executable": os.access(path, os.X_OK),
        "does not begin with #!/usr/bin/env bash": text.startswith("#!/usr/bin/env bash\n"),
        "does not set -euo pipefail before anything else": code[:1] == ["set -euo pipefail"],
        "states nothing in comments at its top": bool(comments),
        "installs nothing": bool(installed),
        "installs a package without ==version": all(PINNED.fullmatch(word) for word in installed),
        "makes no temporary folder": "mktemp -d" in text,
        "uses smallvision": not any("smallvision" in line for line in code),
        # Python, given a text, prints it and ends with 1
        "cannot fail": any("exit 1" in line or re.search(r'raise SystemExit\(f?"', line) for line in code),
    }
    return [fault for fault, good in checks.items() if not good]


@pytest.mark.parametrize("path", sorted(ROOT.glob("*.sh")), ids=lambda path: path.name)
def test_a_finding_has_the_form(path):
    assert faults(path) == []


def test_the_readme_lists_every_finding_with_its_packages():
    rows = re.findall(r"^\| \[([\w-]+)\]\(([\w.-]+)\) \| (.+?) \| .+ \|$", README.read_text(), re.MULTILINE)
    assert [(name, file) for name, file, _ in rows] == [(path.stem, path.name) for path in sorted(ROOT.glob("*.sh"))]
    for name, file, packages in rows:
        for package, version in re.findall(r"([\w-]+) ([\d.]+)", packages):
            assert f"{package.lower()}=={version}" in (ROOT / file).read_text(), name


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(ROOT.glob("*.sh")) if "# In smallvision:" in path.read_text()],
    ids=lambda path: path.name,
)
def test_the_tests_that_a_finding_names_exist(path):
    said = path.read_text().split("# In smallvision:")[1].split("set -euo pipefail")[0]
    (file,) = re.findall(r"tests/[\w/]+\.py", said)
    named = re.findall(r"\btest_\w+(?!\w*\.py)\b", said.replace(file, ""))
    defined = re.findall(r"^def (test_\w+)", (ROOT.parent / file).read_text(), re.MULTILINE)
    assert named
    assert set(named) <= set(defined)


def test_there_is_nothing_else_beside_the_findings():
    assert {path.name for path in ROOT.iterdir() if path.suffix != ".sh"} == {"README.md"}


@pytest.fixture
def skeleton(tmp_path):
    """The README's own example as a file."""
    path = tmp_path / "a.sh"
    path.write_text(README.read_text().split("```bash\n")[1].split("```")[0])
    path.chmod(0o755)
    return path


def test_the_skeleton_in_the_readme_has_the_form(skeleton):
    assert faults(skeleton) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("set -euo pipefail\n", "", "does not set -euo pipefail before anything else"),
        ("set -euo pipefail", "set -e", "does not set -euo pipefail before anything else"),
        ("package==1.2.3", "package>=1.2.3", "installs a package without ==version"),
        ('"package==1.2.3"', '"package==1.2.3" other', "installs a package without ==version"),
        ("#!/usr/bin/env bash", "#!/bin/sh", "does not begin with #!/usr/bin/env bash"),
        ("import package", "import smallvision", "uses smallvision"),
        ("exit 1", "true", "cannot fail"),
    ],
)
def test_what_lacks_the_form_is_named(skeleton, old, new, fault):
    skeleton.write_text(skeleton.read_text().replace(old, new, 1))
    assert faults(skeleton) == [fault]


def test_a_finding_in_python_that_cannot_fail_is_named(skeleton):
    text = skeleton.read_text()
    skeleton.write_text(text.replace("exit 1", "python - <<< 'raise SystemExit(\"changed\")'"))
    assert faults(skeleton) == []
    skeleton.write_text(text.replace("exit 1", "python - <<< 'raise SystemExit(0)'"))
    assert faults(skeleton) == ["cannot fail"]


def test_a_finding_that_is_not_executable_is_named(skeleton):
    skeleton.chmod(0o644)
    assert faults(skeleton) == ["is not executable"]
