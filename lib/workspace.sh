# shellcheck shell=bash
#
# Workspaces for scripts: where they are, what stands in their .session, making and stopping them.
#
#     source "$(mas path lib)/workspace.sh"
#
# What only reads starts no process. What changes a session calls mas, which alone writes.

if [ -z "${BASH_VERSION-}" ]; then
    echo "mas: lib/workspace.sh is for bash" >&2
    return 1
fi
__mas_here=${BASH_SOURCE[0]%/*}
[[ ${BASH_SOURCE[0]} == */* ]] || __mas_here=.
# shellcheck source=lib/tmux.sh
source "$__mas_here/tmux.sh" || return
[[ -z ${__mas_loaded[9]-} ]] || return 0

# --- where they are ---

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

# --- making them ---

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

__mas_loaded[9]=workspace
if [[ ${DEBUG_MODULES-} == 1 ]]; then
    echo 'Loaded workspace.sh'
fi
