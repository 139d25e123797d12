#!/usr/bin/env bash
# From nothing to a report: makes .venv, installs smallvision, runs an experiment on embedded data (no download).
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh
install .
exec .venv/bin/smallvision run digits "$@"
