#!/usr/bin/env bash
# Check for what pip cannot bring; install it when root, else say how.
# Usage: system_packages.sh PYTHON PACKAGE...
set -eu
python=$1
shift
ready() {
    command -v g++ >/dev/null && command -v make >/dev/null &&
        "$python" -c 'import ensurepip, sysconfig, pathlib, sys
sys.exit(not (pathlib.Path(sysconfig.get_path("include")) / "Python.h").exists())' 2>/dev/null
}
if ! ready; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "setup: apt-get install $*"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@"
    else
        echo "setup: missing system packages; run: sudo apt-get install $*" >&2
        exit 1
    fi
fi
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "setup: $python is older than 3.11; name a newer one: make PYTHON=python3.12 ..." >&2
    exit 1
}
