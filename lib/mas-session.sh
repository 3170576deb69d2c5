# shellcheck shell=bash
[ -n "${BASH_VERSION-}" ] || { echo "mas: lib/mas-session.sh is for bash" >&2 && return 1; }
# shellcheck source=lib/session.sh
source "${BASH_SOURCE[0]%mas-session.sh}session.sh"
