# shellcheck shell=bash
[ -n "${BASH_VERSION-}" ] || { echo "mas: lib/mas-message.sh is for bash" >&2 && return 1; }
# shellcheck source=lib/message.sh
source "${BASH_SOURCE[0]%mas-message.sh}message.sh"
