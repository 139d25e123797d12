# Sourced by the other scripts: makes a virtual environment once and installs into it, quietly.
environment=.venv

make_environment() {
    if [ ! -x $environment/bin/python ] || ! $environment/bin/python -m pip --version > /dev/null 2>&1; then
        [ -e $environment ] && made= || made=$environment    # what was there before is mended, and never removed
        python=${PYTHON:-python3}
        if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            echo "Python 3.11 or newer is needed (PYTHON=... names one)" >&2
            exit 2
        fi
        if ! "$python" -m venv $environment; then
            rm -rf $made
            echo "python3 -m venv does not work here; on Debian: apt-get install python3-venv" >&2
            exit 2
        fi
    fi
}

install() {
    make_environment
    echo "installing into $environment ..."
    $environment/bin/python -m pip install -qq --disable-pip-version-check "$@"
}
