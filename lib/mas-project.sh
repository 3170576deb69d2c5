# shellcheck shell=bash
[ -n "${BASH_VERSION-}" ] || { echo "mas: lib/mas-project.sh is for bash" >&2 && return 1; }
# shellcheck source=lib/project.sh
source "${BASH_SOURCE[0]%mas-project.sh}project.sh"
