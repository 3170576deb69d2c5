# shellcheck shell=bash
#
# Sessions for scripts: what they are called, how they are, and their end; with their workspaces and which one is meant.
#
#     source "$(mas path lib)/session.sh"
#
# What only reads starts no process, or tmux where tmux is asked. What changes a session calls mas, which alone writes;
# MAS_BIN names it where it is neither found beside this directory nor on PATH.

if [ -z "${BASH_VERSION-}" ]; then
    echo "mas: lib/session.sh is for bash" >&2
    return 1
fi
__mas_here=${BASH_SOURCE[0]%/*}
[[ ${BASH_SOURCE[0]} == */* ]] || __mas_here=.
# shellcheck source=lib/http.sh
source "$__mas_here/http.sh" || return
# shellcheck source=lib/active.sh
source "$__mas_here/active.sh" || return
# shellcheck source=lib/workspace.sh
source "$__mas_here/workspace.sh" || return
[[ -z ${__mas_loaded[3]-} ]] || return 0

# --- names and ids ---

__mas_random() { # <bytes>: __mas_reply becomes so many of them, in hexadecimal
    __mas_reply=$(command od -An -v -tx1 -N "$1" /dev/urandom) || return
    __mas_reply=${__mas_reply//[!0123456789abcdef]/}
}

generate_session_id() { # [prefix]
    __mas_random 4 || return
    printf '%s-%(%Y%m%d-%H%M%S)T-%s\n' "${1:-mas}" -1 "$__mas_reply"
}

generate_session_name() { # [project]
    if [[ -n ${1-} ]]; then
        sanitize_session_name "mas-$1"
    else
        printf 'mas-tmux\n'
    fi
}

generate_uuid() {
    local hex variant
    __mas_random 16 || return
    hex=$__mas_reply
    printf -v variant '%x' $((0x${hex:16:1} & 3 | 8))
    printf '%s-%s-4%s-%s%s-%s\n' "${hex:0:8}" "${hex:8:4}" "${hex:13:3}" "$variant" "${hex:17:3}" "${hex:20:12}"
}

# --- .mas_session: a team that works in the root's own directories ---

__mas_quote() { # <text>: __mas_reply becomes the text as a shell reads it back, quoted only where it has to be
    __mas_reply=$1
    [[ $1 != *[!"$__mas_letters"@%+=:,./]* ]] || __mas_reply="'${1//\'/\'\"\'\"\'}'"
}

__mas_replace() { # <file> <text>: whole or not at all
    local aside="$1.$$-$RANDOM"
    [[ ! -d $1 ]] || { __mas_complain "$1 is a directory" && return 1; }
    (set -C && printf '%s' "$2" >"$aside") && command mv -f -- "$aside" "$1"
}

save_session_info() { # <session> [project directory]
    local directory=${2:-$PWD} root text='' now pair
    __mas_root
    root=${__mas_reply%/}
    printf -v now '%(%Y-%m-%d %H:%M:%S)T' -1
    for pair in "SESSION_NAME=${1-}" "STARTED_AT=$now" "PID=$$" "PROJECT_DIR=$directory" \
        "UNIT_DIR=${UNIT_DIR:-$root/unit}" "WORKFLOWS_DIR=${WORKFLOWS_DIR:-$root/workflows}"; do
        __mas_quote "${pair#*=}"
        text+=${pair%%=*}=$__mas_reply$'\n'
    done
    __mas_replace "$directory/.mas_session" "$text" || return
    print_info "Session '${1-}' is noted in $directory/.mas_session"
}

load_session_info() { # [project directory]
    local key
    local -A __mas_values=()
    __mas_assignments "${1:-$PWD}/.mas_session" || return
    for key in SESSION_NAME STARTED_AT PID PROJECT_DIR UNIT_DIR WORKFLOWS_DIR; do
        printf -v "$key" '%s' "${__mas_values[$key]-}"
    done
}

# --- how a session is ---

__mas_size() { # <tmux session>: __mas_reply becomes how many agents its team has
    local row size=13
    local -a __mas_found=()
    __mas_rows "$1" || :
    for row in "${__mas_found[@]}"; do
        ! __mas_value "$row" agentCount || size=$__mas_reply
        [[ $row != *'"status":"active"'* ]] || break
    done
    __mas_reply=$size
}

__mas_status() { # <tmux session>: __mas_reply becomes running, partial, stopped, or unknown where tmux gave no answer
    local at code=0 up=0
    local -a __mas_panes=()
    __mas_look "$1" 2>/dev/null || code=$?
    for ((at = 0; at < ${#__mas_panes[@]}; at += 8)); do
        [[ -n ${__mas_panes[at + 5]} || ${__mas_panes[at + 6]} == 1 ]] || up=$((up + 1))
    done
    __mas_size "$1"
    if ((code > 1)); then
        __mas_reply=unknown
    elif ((code == 1)); then
        __mas_reply=stopped
    elif ((up < __mas_reply)); then
        __mas_reply=partial
    else
        __mas_reply=running
    fi
}

get_session_status() { # <session>
    __mas_status "${1-}"
    printf '%s\n' "$__mas_reply"
    [[ $__mas_reply == running || $__mas_reply == partial ]]
}

show_session_details() { # <session> [project directory]
    local key
    local -A __mas_values=()
    __mas_status "${1-}"
    printf 'Session: %s\nStatus: %s\n' "${1-}" "$__mas_reply"
    if __mas_find "${1-}"; then
        printf 'Session ID: %s\nWorkspace: %s\n' "${__mas_values[SESSION_ID]}" "$__mas_reply"
    else
        __mas_assignments "${2:-$PWD}/.mas_session" && [[ ${__mas_values[SESSION_NAME]-} == "${1-}" ]] || return 0
    fi
    for key in STARTED_AT CREATED_AT UNIT_DIR WORKFLOWS_DIR; do
        [[ -z ${__mas_values[$key]-} ]] || printf '%s: %s\n' "$key" "${__mas_values[$key]}"
    done
}

show_session_stats() { # <session>
    local created windows attached panes
    __mas_exact "${1-}" || return
    panes=$(__mas_tmux list-panes -s -t "=${1-}:" -F '#{session_created} #{session_windows} #{session_attached}' \
        2>/dev/null) || return 1
    read -r created windows attached <<<"$panes"
    panes=${panes//[!$'\n']/}
    printf 'Session: %s\nCreated: %(%Y-%m-%d %H:%M:%S)T\nWindows: %s\nTotal panes: %s\nAttached clients: %s\n' \
        "${1-}" "$created" "$windows" "$((${#panes} + 1))" "$attached"
}

# --- ending ---

cleanup_session() { # <session> [project directory]
    local directory=${2:-$PWD} name=${1-}
    local -A __mas_values=()
    print_info "Cleaning up session '$name'"
    if session_exists "$name"; then
        kill_session "$name" || return
    elif __mas_find "$name" && [[ ${__mas_values[STATUS]-} != stopped ]]; then
        __mas_run stop --quiet "${__mas_values[SESSION_ID]}" >/dev/null || return
    fi
    if __mas_assignments "$directory/.mas_session" && [[ ${__mas_values[SESSION_NAME]-} == "$name" ]]; then
        command rm -f -- "$directory/.mas_session"
    fi
    print_success "Session '$name' is cleaned up"
}

# Only sessions of this root: another root's may be older and still be needed.
cleanup_old_sessions() { # [hours]
    local hours=${1:-24} now name id created root place lines code=0
    if [[ $hours == *[!0123456789]* ]]; then
        print_error "Not a number of hours: $hours"
        return 1
    fi
    lines=$(__mas_tmux list-sessions -F '#{session_created}:#{session_name}:#{@mas_session}:#{@mas_root}' 2>/dev/null) ||
        return 0
    __mas_root
    place=$__mas_reply
    printf -v now '%(%s)T' -1
    while IFS=: read -r created name id root; do
        [[ $name == "${TMUX_SESSION_PREFIX-mas-}"* ]] || continue
        __mas_same "$root" "$place" || continue
        ((now - created > 10#$hours * 3600)) || continue
        print_info "Ending session '$name', more than $hours hours old"
        kill_session "$name" || code=1
    done <<<"$lines"
    return "$code"
}

start_session_from_config() { # <config> <session>
    if [[ ! -f ${1-} ]]; then
        print_error "Configuration not found: ${1-}"
        return 1
    fi
    create_session "${2-}" && create_mas_windows "${2-}"
}

__mas_loaded[3]=session
if [[ ${DEBUG_MODULES-} == 1 ]]; then
    echo 'Loaded session.sh'
fi
