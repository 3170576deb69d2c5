# shellcheck shell=bash
#
# Messages for scripts: to an agent, a unit, a group or all, in a session of mas or any other tmux session.
#
#     source "$(mas path lib)/message.sh"
#
# The session is SESSION_NAME, or the one that find_active_session finds. What goes to a session of mas is delivered and
# recorded by mas; into any other session it is typed. Enter follows only where `execute` is true or 1.

if [ -z "${BASH_VERSION-}" ]; then
    echo "mas: lib/message.sh is for bash" >&2
    return 1
fi
__mas_here=${BASH_SOURCE[0]%/*}
[[ ${BASH_SOURCE[0]} == */* ]] || __mas_here=.
# shellcheck source=lib/agent.sh
source "$__mas_here/agent.sh" || return
[[ -z ${__mas_loaded[5]-} ]] || return 0

# --- who is meant ---

__mas_expand() { # <target>: adds to __mas_targets the agents of the default team that a target means
    local member=$1
    while [[ $member == ["$__mas_blank"]* ]]; do member=${member:1}; done
    while [[ $member == *["$__mas_blank"] ]]; do member=${member%?}; done
    [ "$member" = "${member,,}" ] || [[ $member == *,* ]] || return 0 # whatever nocasematch says
    case $member in
        *,*)
            __mas_expand "${member%%,*}"
            __mas_expand "${member#*,}"
            ;;
        [0123][0123]) __mas_targets+=("$member") ;;
        agent-[0123][0123]) __mas_targets+=("${member#agent-}") ;;
        all) __mas_targets+=("${__mas_team[@]}") ;;
        managers) __mas_targets+=(00 10 20 30) ;;
        workers) __mas_targets+=(11 12 13 21 22 23 31 32 33) ;;
        *) __mas_expand_unit "$member" ;;
    esac
}

__mas_expand_unit() { # <unit>
    local id
    __mas_unit "$1" || return 0
    for id in "${__mas_team[@]}"; do
        __mas_seat "$id"
        [[ $__mas_seat_window != "$__mas_reply" ]] || __mas_targets+=("$id")
    done
}

expand_target() { # <target>
    local IFS=' '
    local -a __mas_targets=()
    __mas_expand "${1-}"
    printf '%s\n' "${__mas_targets[*]}"
}

get_unit_manager() { # <unit>
    local id=''
    ! __mas_unit "${1-}" || id=${UNIT_NAMES[$__mas_reply]%% *}
    printf '%s\n' "$id"
}

# --- sending ---

__mas_address() { # [session]: __mas_session becomes the id of a session of ours, or __mas_raw the name of any other one
    local name=${1:-${SESSION_NAME-}} code=0
    local -A __mas_values=()
    __mas_session='' __mas_raw=''
    if [[ -z $name ]]; then
        __mas_active || code=$?
        name=${__mas_reply-}
        case $code in
            0) ;;
            1) print_error 'No active session found' && return 1 ;;
            *) print_error 'It is not clear which session is meant' && return 1 ;;
        esac
    fi
    if session_exists "$name"; then
        __mas_stamp "$name" || return
        __mas_session=$__mas_reply
        [[ -n $__mas_session ]] || __mas_raw=$name
    elif __mas_find "$name"; then
        __mas_session=${__mas_values[SESSION_ID]}
    else
        print_error "Session not found: $name"
        return 1
    fi
}

# A long text goes by stdin, since a command line has its limits.
__mas_send() { # <session> <target> <text> <execute> [sender]: mas says a line for each agent: its id, its fate, and why
    local -a words=(--session "$1" --no-eof)
    [[ $4 == true || $4 == 1 ]] || words+=(-n)
    [[ ${5-} != [0123456789][0123456789] ]] || words+=(-s "$5")
    if ((${#3} < 20000)); then
        __mas_run send "${words[@]}" -- "$2" "$3"
    else
        printf '%s\n' "$3" | __mas_call send "${words[@]}" -- "$2"
    fi
}

__mas_send_raw() { # <session> <id> <text> <execute>
    local pane
    local -a __mas_panes=()
    __mas_look "$1" && __mas_agent_pane "$2" || return
    if [[ -n ${__mas_panes[__mas_reply + 5]} ]]; then # a shell is left, which would run it
        __mas_complain "agent $2 of session $1 has ended"
        return 1
    fi
    pane=${__mas_panes[__mas_reply + 3]}
    __mas_type "$pane" "$3" || return
    [[ $4 != true && $4 != 1 ]] || __mas_key "$pane" Enter
}

send_to_agent() { # <session> <id> <text> [execute]
    local id=${2-} code=0 __mas_session __mas_raw
    __mas_address "${1-}" || return
    if [[ $id != [0123456789][0123456789] ]] || { [[ -n $__mas_raw ]] && ! __mas_seat "$id"; }; then
        print_error "Invalid agent ID: $id"
        return 1
    fi
    if [[ -n $__mas_raw ]]; then
        __mas_send_raw "$__mas_raw" "$id" "${3-}" "${4:-false}"
        return
    fi
    __mas_send "$__mas_session" "$id" "${3-}" "${4:-false}" >/dev/null || code=$?
    ((code == 0)) || __mas_seat "$id" || print_error "Invalid agent ID: $id"
    return "$code"
}

__mas_count() { # <lines that mas said>: __mas_sent and __mas_all grow by the agents that got it, and that were to get it
    local id fate rest
    while IFS=$' \t' read -r id fate rest; do
        [[ $id == [0123456789][0123456789] ]] || continue
        __mas_all=$((__mas_all + 1))
        [[ $fate != submitted && $fate != queued ]] || __mas_sent=$((__mas_sent + 1))
    done <<<"$1"
}

__mas_leave_out() { # <sender>: takes it and those that do not exist out of __mas_targets, and counts them
    local id
    local -a kept=()
    for id in "${__mas_targets[@]}"; do
        if [[ $id != "$1" ]] && __mas_seat "$id"; then
            kept+=("$id")
            continue
        fi
        __mas_all=$((__mas_all + 1))
        if [[ $id == "$1" ]]; then
            print_info "Skipping sender: $id"
        else
            print_error "Invalid agent ID: $id"
        fi
    done
    __mas_targets=("${kept[@]}")
}

__mas_route_raw() { # <text> <execute>
    local id
    for id in "${__mas_targets[@]}"; do
        __mas_all=$((__mas_all + 1))
        ! __mas_send_raw "$__mas_raw" "$id" "$1" "$2" || __mas_sent=$((__mas_sent + 1))
    done
}

__mas_route() { # <target> <text> <execute> <sender>: in one call; 1 where mas refused it as a whole
    local lines code=0 before=$__mas_all
    lines=$(__mas_send "$__mas_session" "$@") || code=$?
    __mas_count "$lines"
    ((code == 0 || __mas_all > before))
}

__mas_in_team() { # <sender>: takes those out of __mas_targets who are not in the session's team, and counts them
    # __mas_reply becomes the sender, nothing where it is not in it either
    local unit id rest lines ids=' '
    local -a kept=()
    lines=$(__mas_run agents -- "$__mas_session") || return
    while IFS=$'\t' read -r unit id rest; do ids+="$id "; done <<<"$lines"
    for id in "${__mas_targets[@]}"; do
        if [[ $ids == *" $id "* ]]; then
            kept+=("$id")
        else
            __mas_all=$((__mas_all + 1))
            print_error "Invalid agent ID: $id"
        fi
    done
    __mas_targets=("${kept[@]}")
    __mas_reply=''
    [[ -z $1 || $ids != *" $1 "* ]] || __mas_reply=$1
}

# A team may lack one of those who are meant, or the sender, and mas refuses that. The others are to get it.
__mas_route_known() { # <target> <text> <execute> <sender>
    local to count
    ((${#__mas_targets[@]} > 0)) || return 0
    ! __mas_route "$@" 2>/dev/null || return 0
    __mas_in_team "$4" && ((${#__mas_targets[@]} > 0)) || return 0
    count=${#__mas_targets[@]}
    printf -v to '%s,' "${__mas_targets[@]}"
    __mas_route "${to%,}" "$2" "$3" "$__mas_reply" || __mas_all=$((__mas_all + count))
}

# A word that only the team of the session knows is left to mas.
route_message() { # <target> <text> [execute] [sender]
    local to=${1-} text=${2-} execute=${3:-false} known meant __mas_session __mas_raw __mas_sent=0 __mas_all=0
    local -a __mas_targets=()
    __mas_expand "$to"
    __mas_address || return
    known=${#__mas_targets[@]}
    if ((known == 0)) && [[ -z $to || $to == *,* || -n $__mas_raw ]]; then
        print_error "Invalid target: $to"
        return 1
    fi
    __mas_leave_out "${4-}"
    meant=${#__mas_targets[@]}
    if [[ $to == *,* ]]; then
        printf -v to '%s,' "${__mas_targets[@]}"
        to=${to%,}
    fi
    if [[ -n $__mas_raw ]]; then
        __mas_route_raw "$text" "$execute"
    elif ((known > 0)); then
        __mas_route_known "$to" "$text" "$execute" "${4-}"
    elif ! __mas_route "$to" "$text" "$execute" "${4-}"; then
        print_error "Invalid target: $to"
        return 1
    fi
    if ((meant > 0 && __mas_sent == 0)); then
        print_error "Message sent to 0/$__mas_all agents"
    else
        print_success "Message sent to $__mas_sent/$__mas_all agents"
    fi
}

broadcast_message() { # <text> [execute] [exclude]
    route_message all "${1-}" "${2:-false}" "${3-}"
}

send_unit_to_unit() { # <from unit> <to unit> <text> [execute]
    local sender
    sender=$(get_unit_manager "${1-}")
    if [[ -z $sender ]]; then
        print_error "Unknown unit: ${1-}"
        return 1
    fi
    route_message "${2-}" "${3-}" "${4:-false}" "$sender"
}

# --- many messages ---

send_batch_messages() { # <session> <target> <text>...
    local SESSION_NAME=${1:-${SESSION_NAME-}} target=${2-} text pause=''
    shift "$(($# < 2 ? $# : 2))"
    for text in "$@"; do
        [[ -z $pause ]] || command sleep "$pause"
        route_message "$target" "$text" || return
        pause=${BATCH_MESSAGE_DELAY:-1}
    done
}

send_messages_from_file() { # <file> <target> [session]
    local SESSION_NAME=${3:-${SESSION_NAME-}} text pause=''
    local -a lines=()
    if [[ ! -f ${1-} ]] || ! mapfile -t lines <"$1"; then
        print_error "File not found: ${1-}"
        return 1
    fi
    for text in "${lines[@]}"; do
        [[ -n $text && $text != '#'* ]] || continue
        [[ -z $pause ]] || command sleep "$pause"
        route_message "${2-}" "$text" || return
        pause=0.5
    done
}

# What agents are told when a team is started with that configuration; none is told twice what it was told before.
initialize_agents_from_config() { # <config> [session]
    local said __mas_session __mas_raw
    if [[ ! -f ${1-} ]]; then
        print_error "Configuration not found: ${1-}"
        return 1
    fi
    __mas_address "${2-}" || return
    if [[ -z $__mas_session ]]; then
        print_error "Session '$__mas_raw' was not started by mas, which alone reads configurations"
        return 1
    fi
    said=$(__mas_run deliver --config "$1" -- "$__mas_session") || return
    print_success "$said"
}

# --- texts ---

format_message() { # <sender> <target> <text>
    printf '[%(%Y-%m-%d %H:%M:%S)T] FROM: Unit-%s TO: %s | %s\n' -1 "${1-}" "${2-}" "${3-}"
}

create_prompt_message() { # <task> [context]
    printf 'タスク: %s\n' "${1-}"
    [[ -z ${2-} ]] || printf 'コンテキスト: %s\n' "$2"
    printf '実行してください。\n'
}

# --- a log of one's own; what was delivered is told by `mas messages` ---

__mas_log_file() { # __mas_reply becomes the file that MESSAGE_LOG_FILE names, or the one of the session we are in
    local session=${SESSION_DIR:-${MAS_SESSION_DIR-}}
    __mas_reply=${MESSAGE_LOG_FILE:-${session:+$session/logs/messages.log}}
    [[ -n $__mas_reply ]] || __mas_reply=${XDG_STATE_HOME:-~/.local/state}/mas/messages.log
}

log_message() { # <target> <text>
    __mas_log_file
    [[ -d ${__mas_reply%/*} || $__mas_reply != */* ]] || command mkdir -p -- "${__mas_reply%/*}" || return
    printf '[%(%Y-%m-%d %H:%M:%S)T] TO: %s | %s\n' -1 "${1-}" "${2-}" >>"$__mas_reply"
}

show_message_history() { # [lines]
    __mas_log_file
    if [[ ! -f $__mas_reply ]]; then
        print_warning "No messages are logged in $__mas_reply"
        return 0
    fi
    command tail -n "${1:-20}" -- "$__mas_reply"
}

__mas_loaded[5]=message
if [[ ${DEBUG_MODULES-} == 1 ]]; then
    echo 'Loaded message.sh'
fi
