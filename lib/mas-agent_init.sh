# shellcheck shell=bash
[ -n "${BASH_VERSION-}" ] || { echo "mas: lib/mas-agent_init.sh is for bash" >&2 && return 1; }
# shellcheck source=lib/agent_init.sh
source "${BASH_SOURCE[0]%mas-agent_init.sh}agent_init.sh"
