#!/usr/bin/env bash
# Installs what the tests need and runs everything: formatting, lint, types, all tests, and prints the time by step.
# Arguments go to pytest, which then runs once with them; without any, it runs the fast tests and then the slow ones.
# Tests on real data need SMALLVISION_DATA to name the folder they are in; without it they skip and say so.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh
. scripts/steps.sh
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1                # one thread for each of pytest's workers
pytest=(.venv/bin/pytest -n "${SMALLVISION_TEST_WORKERS:-2}")

step install install -e ".[dev]"
step format .venv/bin/ruff format --check .
step lint .venv/bin/ruff check .
step types .venv/bin/mypy
if [ $# -gt 0 ]; then
    step tests "${pytest[@]}" "$@"
else
    step "fast tests" "${pytest[@]}" -m "not slow"
    step "slow tests" "${pytest[@]}" -m slow
fi
