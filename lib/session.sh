# shellcheck shell=bash
#
# Sessions for scripts: their workspaces, what is known about them, and which one is meant.
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
    [[ ! -d $1 ]] && (set -C && printf '%s' "$2" >"$aside") && command mv -f -- "$aside" "$1"
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

# --- which session ---

__mas_see() { # fills __mas_names, __mas_ids and __mas_attached with the sessions of this root, and those of no root
    # 1 where tmux runs for nobody, 2 where it gives no answer
    local attached name id root place lines
    __mas_names=() __mas_ids=() __mas_attached=()
    if ! lines=$(__mas_tmux list-sessions -F '#{session_attached}:#{session_name}:#{@mas_session}:#{@mas_root}' 2>&1); then
        case $lines in
            'no server running on '* | 'error connecting to '*'(No such file or directory)') return 1 ;;
        esac
        __mas_complain "it cannot be told which session is meant: ${lines:-tmux gave no answer}"
        return 2
    fi
    __mas_root
    place=$__mas_reply
    while IFS=: read -r attached name id root; do
        if __mas_same "$root" "$place" || [[ -n $name && -z $id$root && $name == "${TMUX_SESSION_PREFIX-mas-}"* ]]; then
            __mas_names+=("$name") __mas_ids+=("$id") __mas_attached+=("$attached")
        fi
    done <<<"$lines"
}

__mas_exactly() { # <tmux name, or nothing> <id, or nothing>: __mas_reply becomes the name of the seen session that is called so
    local at
    for at in "${!__mas_names[@]}"; do
        __mas_reply=${__mas_names[at]}
        [[ -z $1 || $__mas_reply != "$1" ]] || return 0
        [[ -z $2 || ${__mas_ids[at]} != "$2" ]] || return 0
    done
    return 1
}

__mas_labelled() { # <word>: __mas_reply becomes the id of the session with that label
    local row
    local -a __mas_found=()
    __mas_rows "$1" || return
    for row in "${__mas_found[@]}"; do
        [[ $row == '{"sessionId":"'*"\",\"label\":\"$1\","* ]] && __mas_value "$row" sessionId && return
    done
    return 1
}

__mas_seen() { # <id, label, tmux name, or beginning of an id>: __mas_reply becomes the name of the one seen session that it means
    local at word=$1 fitting=''
    if __mas_labelled "$word"; then
        __mas_exactly '' "$__mas_reply"
        return
    fi
    ! __mas_exactly "$word" "$word" || return 0
    word=${word#mas-}
    for at in "${!__mas_names[@]}"; do
        if [[ ${#word} -ge 4 && ${__mas_ids[at]} == "$word"* ]]; then
            [[ -z $fitting ]] || return 1
            fitting=${__mas_names[at]}
        fi
    done
    __mas_reply=$fitting
    [[ -n $fitting ]]
}

__mas_current() { # __mas_reply becomes the name of the tmux session this shell is in
    local socket=${TMUX-}
    socket=${socket%%,*}
    case ${MAS_TMUX_SOCKET-} in
        '') ;;
        */*) [[ $socket -ef $MAS_TMUX_SOCKET ]] || return ;;
        *) [[ ${socket##*/} == "$MAS_TMUX_SOCKET" ]] || return ;;
    esac
    [[ -n $socket && -n ${TMUX_PANE-} ]] || return
    __mas_reply=$(__mas_tmux display-message -p -t "$TMUX_PANE" '#{session_name}' 2>/dev/null)
}

__mas_inside() { # __mas_reply becomes the name of the session of ours that this shell is in
    local at
    __mas_current || return
    for at in "${!__mas_names[@]}"; do
        [[ ${__mas_names[at]} != "$__mas_reply" || -z ${__mas_ids[at]} ]] || return 0
    done
    return 1
}

__mas_noted() { # <directory>: __mas_reply becomes the session that the .mas_session there, or in the root, names
    local place
    local -A __mas_values=()
    __mas_root
    for place in "$1" "$__mas_reply"; do
        __mas_assignments "$place/.mas_session" && __mas_exactly "${__mas_values[SESSION_NAME]-}" '' && return
    done
    return 1
}

__mas_only() { # __mas_reply becomes the attached session, or the only one; 3 where several could be meant
    local at kind
    local -a fitting=()
    for kind in attached ours attached-stray stray; do # nobody registered a stray, so it is meant where none of ours is up
        for at in "${!__mas_names[@]}"; do
            [[ $kind != attached* || ${__mas_attached[at]} != 0 ]] || continue
            [[ $kind == *stray || -n ${__mas_ids[at]} ]] && fitting+=("${__mas_names[at]}")
        done
        ((${#fitting[@]} == 0)) || break
    done
    ((${#fitting[@]} > 0)) || return 1
    __mas_reply=${fitting[0]}
    ((${#fitting[@]} == 1)) && return
    __mas_complain "${#fitting[@]} sessions are active, name one of them: ${fitting[*]}"
    return 3
}

# Order: the one asked for, the one this environment speaks of, the one we are in, the project's, the attached one, the
# only one. A session that was named and is gone is not replaced by another.
__mas_active() { # [session | --session session | project directory]: __mas_reply becomes the tmux name of the session
    # 1 where there is none, 2 where tmux gave no answer, 3 where it could be several
    local directory=$PWD wanted=${1-} IFS=' '
    local -a __mas_names=() __mas_ids=() __mas_attached=()
    case $wanted in
        --session) wanted=${2-} ;;
        --session=*) wanted=${wanted#*=} ;;
        . | .. | */*) directory=$wanted wanted='' ;;
    esac
    __mas_see || return
    if [[ -n $wanted ]]; then
        __mas_seen "$wanted"
    elif [[ -n ${MAS_SESSION_NAME-} ]] && __mas_exactly "$MAS_SESSION_NAME" ''; then
        return 0
    elif [[ -n ${MAS_SESSION_NAME-}${MAS_SESSION_ID-} ]]; then
        __mas_exactly '' "${MAS_SESSION_ID-}"
    else
        __mas_inside || __mas_noted "$directory" || __mas_only
    fi
}

find_active_session() { # [session | --session session | project directory]
    __mas_active "$@" || return 1
    printf '%s\n' "$__mas_reply"
}

find_session_by_id() { # <id>
    local directory
    local -A __mas_values=()
    [[ ${1-} != */* ]] && __mas_session_directory "${1-}" || return 1
    directory=$__mas_reply
    [[ -d $directory && -f $directory/.session ]] && printf '%s\n' "$directory"
}

__mas_say_place() { # <unit, workflows or nothing> <id, beginning of one, tmux name, label, or directory>
    local key=${1^^}_DIR
    local -A __mas_values=()
    if ! __mas_find "$2"; then
        __mas_complain "'$2' is not one session"
        return 1
    fi
    if [[ -n $1 && ${__mas_values[MAS_SESSION_MODE]-} == legacy ]]; then
        __mas_reply=${__mas_values[$key]-}
    else
        __mas_reply+=${1:+/$1}
    fi
    printf '%s\n' "$__mas_reply"
}

get_session_workspace() { # <id>
    __mas_say_place '' "${1-}"
}

get_session_unit_dir() { # <id>
    __mas_say_place unit "${1-}"
}

get_session_workflows_dir() { # <id>
    __mas_say_place workflows "${1-}"
}

load_session_metadata() { # <id, or whatever else names a session>
    local key
    local -A __mas_values=()
    if ! __mas_find "${1-}"; then
        print_error "Session metadata not found: ${1-}"
        return 1
    fi
    for key in SESSION_ID TMUX_SESSION STATUS CREATED_AT UNIT_DIR WORKFLOWS_DIR SESSION_DIR; do
        export "$key=${__mas_values[$key]-}"
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

# --- workspaces ---

create_session_workspace() { # <id> [config]
    local directory
    local -a words=(--isolated --no-team --quiet --id "${1-}")
    if [[ ${1-} == */* ]] || ! __mas_session_directory "${1-}"; then
        __mas_complain "not an id for a session: '${1-}'"
        return 1
    fi
    directory=$__mas_reply
    [[ -z ${2-} ]] || words+=(--config "$2")
    __mas_run start "${words[@]}" >/dev/null || return 1
    printf '%s\n' "$directory"
}

# A workspace that mas made has all of it; this is for a directory that somebody made by hand.
initialize_session_units() { # <session directory>
    local directory=${1-} root id
    if [[ -z $directory || ! -d $directory ]]; then
        __mas_complain "not a directory: '$directory'"
        return 1
    fi
    [[ ! -f $directory/events.jsonl ]] || return 0
    __mas_root
    root=$__mas_reply
    [[ -d $root/unit ]] || root=$__mas_lib/../templates/default
    command mkdir -p -- "$directory/unit" "$directory/workflows" || return
    for id in 00 10 11 12 13 20 21 22 23 30 31 32 33; do
        [[ ! -d $root/unit/$id ]] || command cp -RP -- "$root/unit/$id" "$directory/unit/" || return
    done
    [[ ! -d $root/workflows ]] || command cp -RP -- "$root/workflows/." "$directory/workflows/"
}

__mas_registered() { # <id>: whether mas knows the session; what scripts read of it is made again where it is missing
    [[ ${1-} != */* ]] && __mas_session_directory "${1-}" || return 1
    [[ -f $__mas_reply/events.jsonl || -f $__mas_reply/metadata.json ]] || return 1
    __mas_read_session "$__mas_reply" || __mas_run doctor --fix -- "$1" >/dev/null
}

create_session_metadata() { # <id> <directory> [tmux session] [status]
    local -A __mas_values=()
    if ! __mas_registered "${1-}"; then
        __mas_complain "session '${1-}' was not made by mas; create_session_workspace makes one"
        return 1
    fi
    __mas_find "$1" || return
    if [[ -n ${3-} && $3 != "${__mas_values[TMUX_SESSION]-}" ]]; then
        __mas_complain "session $1 is called ${__mas_values[TMUX_SESSION]-} in tmux, not $3"
        return 1
    fi
}

update_sessions_index() { # add <id> [status] | update <id> status <status> | remove <id>
    local -A __mas_values=()
    case ${1-} in
        add)
            __mas_registered "${2-}" && return
            __mas_complain "session '${2-}' was not made by mas; create_session_workspace makes one"
            ;;
        update) __mas_update "${2-}" "${3-}" "${4-}" && return ;;
        remove)
            __mas_session_directory "${2-}" || return 1
            if [[ ! -d $__mas_reply ]]; then
                __mas_run rm --force --quiet -- "$2" >/dev/null
                return
            fi
            __mas_complain "session $2 has a workspace, which its row goes with; to remove both: mas rm $2"
            ;;
        *) __mas_complain "update_sessions_index knows add, update and remove, not '${1-}'" ;;
    esac
    return 1
}

# What a session is follows from what is seen of it. A script that says so is right or wrong; the one thing it can ask
# for is that a session be stopped.
__mas_update() { # <id> <field> <value>
    if [[ $2 != status ]]; then
        __mas_complain "only the status of a session can be updated, not '$2'"
        return 1
    fi
    case $3 in
        stopped | inactive | terminated) __mas_run stop --quiet -- "$1" >/dev/null ;;
        active)
            __mas_find "$1" && session_exists "${__mas_values[TMUX_SESSION]-}" && return
            __mas_complain "session $1 is not active; to bring it up: mas resume $1"
            return 1
            ;;
        *)
            __mas_complain "a session cannot be made '$3'; active and stopped can be said"
            return 1
            ;;
    esac
}

stop_isolated_session() { # <id>
    print_info "Stopping session ${1-}"
    if [[ -n ${1-} ]] && __mas_run stop --quiet -- "$1" >/dev/null; then
        print_success "Session ${1-} is stopped; its workspace is kept"
    else
        print_error "Session ${1-} could not be stopped"
        return 1
    fi
}

__mas_loaded[3]=session
if [[ ${DEBUG_MODULES-} == 1 ]]; then
    echo 'Loaded session.sh'
fi
