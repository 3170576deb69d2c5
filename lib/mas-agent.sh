# shellcheck shell=bash
[ -n "${BASH_VERSION-}" ] || { echo "mas: lib/mas-agent.sh is for bash" >&2 && return 1; }
# shellcheck source=lib/agent.sh
source "${BASH_SOURCE[0]%mas-agent.sh}agent.sh"
