# shellcheck shell=bash
[ -n "${BASH_VERSION-}" ] || { echo "mas: lib/mas-tmux.sh is for bash" >&2 && return 1; }
# shellcheck source=lib/tmux.sh
source "${BASH_SOURCE[0]%mas-tmux.sh}tmux.sh"
