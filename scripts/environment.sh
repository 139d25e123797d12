# Sourced by the other scripts: makes a virtual environment once and installs into it, quietly.
environment=.venv

make_environment() {
    if [ ! -x $environment/bin/python ] || ! $environment/bin/python -m pip --version > /dev/null 2>&1; then
        [ -e $environment ] && made= || made=$environment    # what was there before is mended, and never removed
        python=${PYTHON:-python3}
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (PYTHON=... names one)" >&2; exit 2; }
        "$python" -m venv $environment || { rm -rf $made; echo "python3 -m venv does not work here; on Debian: apt-get install python3-venv" >&2; exit 2; }
    fi
}

install() {
    make_environment
    echo "installing into $environment ..."
    $environment/bin/python -m pip install -qq --disable-pip-version-check "$@"
}
