#!/usr/bin/env bash
# Installs what the tests need and runs them all: lint, types, tests. Arguments go to pytest.
# Tests on real data need SMALLVISION_DATA to name the folder they are in; without it they skip and say so.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh
install -e ".[dev]"
.venv/bin/ruff check .
.venv/bin/mypy
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1                # one thread for each of pytest's workers
exec .venv/bin/pytest -n "${SMALLVISION_TEST_WORKERS:-2}" "$@"
