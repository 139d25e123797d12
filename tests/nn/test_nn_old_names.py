"""Former module paths, as people's own files import them: the same objects, a warning that names the new path, nothing
loaded early."""

import importlib
import subprocess
import sys

import pytest

from smallvision.nn import old_names
from smallvision.nn.autoencoders.mlp import MlpAutoencoder


@pytest.fixture
def fresh():
    """Former paths that nothing has imported yet; as before afterwards."""
    before = {old: sys.modules.pop(old) for old in old_names.MOVED if old in sys.modules}
    yield
    for old in old_names.MOVED:
        sys.modules.pop(old, None)
    sys.modules.update(before)


@pytest.mark.parametrize("old", old_names.MOVED)
def test_a_former_path_is_the_module_at_its_new_one(old, fresh):
    new = old_names.MOVED[old]
    with pytest.warns(DeprecationWarning, match=f"^{old} is now {new}; ") as caught:
        module = importlib.import_module(old)
    assert module is importlib.import_module(new)
    assert module.__spec__.name == new, "what finds modules by their spec still finds this one at its own path"
    assert len(caught) == 1


def test_names_are_imported_from_a_former_path_and_the_warning_is_at_that_line(fresh):
    with pytest.warns(DeprecationWarning, match="is now smallvision.nn.autoencoders.mlp") as caught:
        from smallvision.nn.mlp_autoencoder import MlpAutoencoder as Former
    assert Former is MlpAutoencoder
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.slow
def test_nothing_at_a_former_path_is_imported_before_it_is_asked_for_and_others_are_not_answered():
    program = (
        "import sys, smallvision.nn; from smallvision.nn.old_names import MOVED; "
        "assert not set(MOVED) & set(sys.modules); import smallvision.nn.nothing_of_the_kind"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr.strip().splitlines()[-1].startswith("ModuleNotFoundError: No module named 'smallvision.nn.no")
