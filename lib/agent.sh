# shellcheck shell=bash
#
# Agents for scripts: who they are, where they sit, starting and ending them, what they are doing.
#
#     source "$(mas path lib)/agent.sh"
#
# In a session of mas the team is brought up by mas, so starting an agent there means bringing back one that ended. In
# any other tmux session its command is typed into the shell of its pane: MAS_AGENT_COMMAND, by default
# `claude --model {model}`, where {model} and {agent_id} are filled in.

if [ -z "${BASH_VERSION-}" ]; then
    echo "mas: lib/agent.sh is for bash" >&2
    return 1
fi
__mas_here=${BASH_SOURCE[0]%/*}
[[ ${BASH_SOURCE[0]} == */* ]] || __mas_here=.
# shellcheck source=lib/session.sh
source "$__mas_here/session.sh" || return
[[ -z ${__mas_loaded[4]-} ]] || return 0

# --- who they are ---

: "${LIB_DIR:=$__mas_lib}"

declare -gA AGENT_NAMES=(
    [00]='Meta Manager'
    [10]='Design Manager' [11]='UI Designer' [12]='UX Designer' [13]='Visual Designer'
    [20]='Development Manager' [21]='Frontend Developer' [22]='Backend Developer' [23]='DevOps'
    [30]='Business Manager' [31]='Accounting' [32]='Strategy' [33]='Analytics'
)
declare -gA AGENT_MODELS=(
    [00]=opus [10]=opus [20]=opus [30]=opus
    [11]=sonnet [12]=sonnet [13]=sonnet [21]=sonnet [22]=sonnet [23]=sonnet [31]=sonnet [32]=sonnet [33]=sonnet
)
# shellcheck disable=SC2034  # for those who source this
declare -gA UNIT_NAMES=([meta]='00' [design]='10 11 12 13' [development]='20 21 22 23' [business]='30 31 32 33')

__mas_team=(00 10 11 12 13 20 21 22 23 30 31 32 33)

get_agent_responsibilities() { # <id>
    case ${1-} in
        00) printf -- '- %s\n' 'Turns what is asked for into goals for the units' \
            'Settles priorities and conflicts between the units' 'Reports the result of the whole team' ;;
        10) printf -- '- %s\n' 'Plans the design work and hands it out' \
            'Reviews what the designers deliver' 'Agrees interfaces with development and business' ;;
        11) printf -- '- %s\n' 'Designs screens and components' \
            'Keeps the interface consistent' 'Hands over what developers need to build it' ;;
        12) printf -- '- %s\n' 'Finds out what users need' \
            'Designs flows and tests them' 'Writes down what was learnt' ;;
        13) printf -- '- %s\n' 'Defines colours, type and imagery' \
            'Makes graphics and icons' 'Keeps the visual guide' ;;
        20) printf -- '- %s\n' 'Plans the development work and hands it out' \
            'Decides on architecture and reviews code' 'Agrees interfaces with design and business' ;;
        21) printf -- '- %s\n' 'Builds what users see' \
            'Connects it to the services behind' 'Tests it in the browser' ;;
        22) printf -- '- %s\n' 'Builds services and interfaces' \
            'Designs how data is stored' 'Tests and secures them' ;;
        23) printf -- '- %s\n' 'Builds and runs environments' \
            'Automates builds, tests and releases' 'Watches how things run' ;;
        30) printf -- '- %s\n' 'Plans the business work and hands it out' \
            'Reviews numbers and plans' 'Agrees goals with design and development' ;;
        31) printf -- '- %s\n' 'Keeps budgets and costs' \
            'Checks spending against plans' 'Prepares figures for decisions' ;;
        32) printf -- '- %s\n' 'Studies market and competitors' \
            'Proposes goals and plans' 'Measures progress against them' ;;
        33) printf -- '- %s\n' 'Collects and checks data' \
            'Finds what it says' 'Presents it for decisions' ;;
        *) printf -- '- Undefined role\n' ;;
    esac
}

get_agent_model() { # <id>
    printf '%s\n' "${AGENT_MODELS[${1:-none}]:-sonnet}"
}

is_manager() { # <id>
    [[ ${1-} == [0123]0 ]]
}

# --- their directories ---

__mas_guide() { # <workflows directory> <id>: __mas_reply becomes the guide that is for the fewest agents, that one among them
    local file range best=100
    __mas_reply=''
    while IFS= read -r file; do
        range=${file##*/}
        range=${range%%_*}
        case $range in
            [0123456789][0123456789]) range=$range-$range ;;
            [0123456789][0123456789]-[0123456789][0123456789]) ;;
            *) continue ;;
        esac
        ((10#${range%-*} <= 10#$2 && 10#$2 <= 10#${range#*-})) || continue
        if ((10#${range#*-} - 10#${range%-*} < best)); then
            best=$((10#${range#*-} - 10#${range%-*}))
            __mas_reply=$file
        fi
    done <<<"$(set +f && shopt -u failglob && printf '%s\n' "$1"/*.md)"
}

__mas_write_readme() { # <file> <id>
    local unit=''
    ! __mas_seat "$2" || unit=$__mas_seat_window
    printf '# Agent %s: %s\n\nUnit: %s\nRole: %s\nModel: %s\n\n## Responsibilities\n\n%s\n' "$2" \
        "${AGENT_NAMES[$2]-}" "$unit" "$(is_manager "$2" && echo manager || echo worker)" \
        "${AGENT_MODELS[$2]:-sonnet}" "$(get_agent_responsibilities "$2")" >"$1"
}

# What is there already stays: an agent may have changed it.
init_agent_directory() { # <unit directory> <id> [workflows directory]
    local unit=${1-} workflows=${3:-${WORKFLOWS_DIR-}} directory
    [[ $unit == */* ]] || unit=./$unit
    directory=$unit/${2-}
    if [[ ${2-} != [0123456789][0123456789] ]]; then
        __mas_complain "an agent's id has two digits, not '${2-}'"
        return 1
    fi
    [[ -n $workflows || ! -d ${unit%/*}/workflows ]] || workflows=${unit%/*}/workflows
    workflows=${workflows:-$__mas_lib/../templates/default/workflows}
    command mkdir -p -- "$directory" || return
    __mas_guide "$workflows" "$2"
    if [[ -f $__mas_reply && ! -e $directory/WORKFLOW_INSTRUCTIONS.md ]]; then
        command cp -- "$__mas_reply" "$directory/WORKFLOW_INSTRUCTIONS.md" || return
    fi
    if ! is_manager "$2" && [[ -f $workflows/workers_common.md && ! -e $directory/WORKER_GUIDELINES.md ]]; then
        command cp -- "$workflows/workers_common.md" "$directory/WORKER_GUIDELINES.md" || return
    fi
    [[ -e $directory/README.md ]] || __mas_write_readme "$directory/README.md" "$2"
}

# --- where they sit ---

__mas_seat() { # <id>: __mas_seat_window becomes the window of an agent of the default team; 1 where it has no such agent
    case $1 in
        00) __mas_seat_window=meta ;;
        1[0123]) __mas_seat_window=design ;;
        2[0123]) __mas_seat_window=development ;;
        3[0123]) __mas_seat_window=business ;;
        *) return 1 ;;
    esac
}

get_agent_window_pane() { # <id>
    if __mas_seat "${1-}"; then
        printf '%s.%s\n' "$__mas_seat_window" "${1:1}"
    else
        printf '\n'
    fi
}

__mas_agent_pane() { # <id>: __mas_reply becomes where its pane stands among those looked at; 1 where it has none
    local at stamped=''
    for ((at = 0; at < ${#__mas_panes[@]}; at += 8)); do
        __mas_reply=$at
        [[ ${__mas_panes[at + 4]} != "$1" ]] || return 0
        stamped+=${__mas_panes[at + 4]}
    done
    [[ -z $stamped ]] && __mas_seat "$1" && __mas_pane "$__mas_seat_window" "${1:1}"
}

# --- starting and ending ---

__mas_is_shell() { # <command name>
    case ${1#-} in
        sh | bash | dash | ash | zsh | ksh | mksh | fish | busybox) ;;
        *) return 1 ;;
    esac
}

__mas_unit_directory() { # <session> [unit directory]: __mas_reply becomes where the agents of a session work
    local -A __mas_values=()
    __mas_reply=${2:-${UNIT_DIR-}}
    if [[ -z $__mas_reply ]]; then
        __mas_find "$1" && __mas_reply=${__mas_values[UNIT_DIR]-} || __mas_reply=./unit
    fi
    [[ $__mas_reply == /* ]] || __mas_reply=$PWD/${__mas_reply#./}
}

__mas_command_line() { # <id> <directory> <unit directory>: __mas_reply becomes what to type to a shell for it
    local command=${MAS_AGENT_COMMAND-} line pair
    command=${command:-'claude --model {model}'}
    command=${command//\{model\}/"${AGENT_MODELS[$1]:-sonnet}"}
    command=${command//\{agent_id\}/$1}
    __mas_quote "$2"
    line="cd -- $__mas_reply && env"
    for pair in "MAS_AGENT_ID=$1" "UNIT_DIR=$3" "WORKFLOWS_DIR=${WORKFLOWS_DIR:-${3%/*}/workflows}"; do
        __mas_quote "$pair"
        line+=" $__mas_reply"
    done
    __mas_reply="$line $command"
}

start_agent() { # <session> <window> <pane> <id> [unit directory]
    local at id=${4-} unit
    local -a __mas_panes=()
    print_info "Starting agent $id (${AGENT_NAMES[${id:-none}]-})"
    __mas_find_pane "${1-}" "${2-}" "${3-}" || return
    at=$__mas_reply
    if [[ -n ${__mas_panes[at + 4]} ]]; then
        __mas_bring_back "$1" "$at"
        return
    fi
    if ! __mas_is_shell "${__mas_panes[at + 7]}"; then
        print_warning "Pane $2.$3 is busy with ${__mas_panes[at + 7]}; agent $id was not started"
        return 1
    fi
    __mas_unit_directory "$1" "${5-}"
    unit=${__mas_reply%/}
    if [[ $id != [0123456789][0123456789] || ! -d $unit/$id ]]; then
        print_error "Agent '$id' has no directory in $unit"
        return 1
    fi
    __mas_command_line "$id" "$unit/$id" "$unit"
    __mas_type "${__mas_panes[at + 3]}" "$__mas_reply" && __mas_key "${__mas_panes[at + 3]}" Enter
}

__mas_bring_back() { # <session> <where its pane stands>: an agent of ours, unless it runs
    local agent=${__mas_panes[$2 + 4]}
    [[ -n ${__mas_panes[$2 + 5]} || ${__mas_panes[$2 + 6]} == 1 ]] || return 0
    __mas_stamp "$1" || return
    __mas_run restart-agent -- "$__mas_reply" "$agent" >/dev/null
}

start_all_agents() { # <session> [unit directory]
    local id code=0
    for id in "${__mas_team[@]}"; do
        __mas_seat "$id"
        start_agent "${1-}" "$__mas_seat_window" "${id:1}" "$id" "${2-}" || code=1
    done
    return "$code"
}

stop_agent() { # <session> <window> <pane>
    local -a __mas_panes=()
    __mas_find_pane "${1-}" "${2-}" "${3-}" && __mas_key "${__mas_panes[__mas_reply + 3]}" C-c
}

stop_all_agents() { # <session>
    local id code=0
    local -a __mas_panes=()
    print_info "Stopping all agents of session '${1-}'"
    __mas_look "${1-}" || return
    for id in "${__mas_team[@]}"; do
        ! __mas_agent_pane "$id" || __mas_key "${__mas_panes[__mas_reply + 3]}" C-c || code=1
    done
    return "$code"
}

# --- what they are doing ---

__mas_state() { # <id> <exit code of the look>: __mas_reply becomes running, stopped or unknown
    local at
    if (($2 > 1)); then
        __mas_reply=unknown
    elif ! __mas_agent_pane "$1"; then
        __mas_reply=stopped
    else
        at=$__mas_reply
        __mas_reply=running
        if [[ -n ${__mas_panes[at + 5]} || ${__mas_panes[at + 6]} == 1 ]] ||
            { [[ -z ${__mas_panes[at + 4]} ]] && __mas_is_shell "${__mas_panes[at + 7]}"; }; then
            __mas_reply=stopped
        fi
    fi
}

get_agent_status() { # <session> <id>
    local code=0
    local -a __mas_panes=()
    __mas_look "${1-}" 2>/dev/null || code=$?
    if ! __mas_seat "${2-}" && ! __mas_agent_pane "${2:-none}"; then
        printf 'unknown\n'
        return 1
    fi
    __mas_state "$2" "$code"
    printf '%s\n' "$__mas_reply"
}

get_all_agent_status() { # <session>
    local id code=0
    local -a __mas_panes=()
    __mas_look "${1-}" 2>/dev/null || code=$?
    for id in "${__mas_team[@]}"; do
        __mas_state "$id" "$code"
        printf '  Unit %s %-25s: %s\n' "$id" "(${AGENT_NAMES[$id]})" "$__mas_reply"
    done
}

__mas_loaded[4]=agent
if [[ ${DEBUG_MODULES-} == 1 ]]; then
    echo 'Loaded agent.sh'
fi
