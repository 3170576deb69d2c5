# shellcheck shell=bash
#
# Which session is meant, where scripts name none.
#
#     source "$(mas path lib)/active.sh"
#
# The order is the one that `mas` keeps to. A session that is gone is never meant, and of several that fit none is.

if [ -z "${BASH_VERSION-}" ]; then
    echo "mas: lib/active.sh is for bash" >&2
    return 1
fi
__mas_here=${BASH_SOURCE[0]%/*}
[[ ${BASH_SOURCE[0]} == */* ]] || __mas_here=.
# shellcheck source=lib/tmux.sh
source "$__mas_here/tmux.sh" || return
[[ -z ${__mas_loaded[8]-} ]] || return 0

# --- which there are ---

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
        [ "${1:-:}" != "$__mas_reply" ] || return 0 # no name is a colon; and in [[ capitals might not count
        [[ -z $2 || ${__mas_ids[at]} != "$2" ]] || return 0
    done
    return 1
}

__mas_labelled() { # <word>: __mas_reply becomes the id of the session with that label
    local row word
    local -a __mas_found=()
    __mas_rows "$1" || return
    __mas_json "$1"
    word=$__mas_reply
    for row in "${__mas_found[@]}"; do
        [[ $row == '{"sessionId":"'*"\",\"label\":\"$word\","* ]] && __mas_value "$row" sessionId && return
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

__mas_loaded[8]=active
if [[ ${DEBUG_MODULES-} == 1 ]]; then
    echo 'Loaded active.sh'
fi
