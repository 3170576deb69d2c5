# shellcheck shell=bash
#
# Sourced in the shell of a pane by a person or by an agent's own start-up file: makes `mas` work there.
#
#     source "$(mas path lib)/agent_init.sh"

if [ -z "${BASH_VERSION-}" ]; then
    echo "mas: lib/agent_init.sh is for bash" >&2
    return 1
fi
__mas_here=${BASH_SOURCE[0]%/*}
[[ ${BASH_SOURCE[0]} == */* ]] || __mas_here=.
# shellcheck source=lib/state.sh
source "$__mas_here/state.sh" || return
__mas_program || return

[[ :$PATH: == *":${__mas_reply%/*}:"* ]] || export PATH="${__mas_reply%/*}:$PATH"
__mas_root
export MAS_PROJECT_ROOT=${MAS_PROJECT_ROOT:-$__mas_reply}
if [[ $- == *i* ]]; then
    printf 'mas: %s\n' "agent ${MAS_AGENT_ID:--} of session ${MAS_SESSION_ID:--}" "root $MAS_PROJECT_ROOT" \
        "send messages with: mas send TO TEXT"
fi
