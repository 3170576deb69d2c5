# shellcheck shell=bash
#
# tmux for scripts: sessions, windows and panes by their exact names, and the lines that tell people what happens.
#
#     source "$(mas path lib)/tmux.sh"
#
# A window is named by its name, its index or an alias, a pane by its position in the window, counted from 0 whatever
# tmux itself begins with. MAS_TMUX_SOCKET names another tmux server than the user's own.

if [ -z "${BASH_VERSION-}" ]; then
    echo "mas: lib/tmux.sh is for bash" >&2
    return 1
fi
__mas_here=${BASH_SOURCE[0]%/*}
[[ ${BASH_SOURCE[0]} == */* ]] || __mas_here=.
# shellcheck source=lib/state.sh
source "$__mas_here/state.sh" || return
[[ -z ${__mas_loaded[2]-} ]] || return 0

# --- telling people ---

print_info() { # <text>
    printf '\033[1;34m[INFO]\033[0m %s\n' "${1-}"
}

print_success() { # <text>
    printf '\033[1;32m[SUCCESS]\033[0m %s\n' "${1-}"
}

print_error() { # <text>
    printf '\033[1;31m[ERROR]\033[0m %s\n' "${1-}"
}

print_warning() { # <text>
    printf '\033[1;33m[WARNING]\033[0m %s\n' "${1-}"
}

# --- the one door to tmux ---

__mas_tmux() { # <word>...: one client
    (__mas_become_tmux 10 "$@" </dev/null)
}

# A server that is started here lives on: it must not keep a lock that the caller holds open, nor hand the variables of
# one session to the panes of every later one.
__mas_become_tmux() { # <seconds it may take, or nothing> <word>...
    local patience=$1 fd name
    local -a argv=(tmux -u)
    shift
    set +efu
    shopt -u failglob
    for fd in /dev/fd/*; do
        fd=${fd##*/}
        [[ $fd == *[!0123456789]* ]] || ((fd < 3)) || eval "exec $fd>&-"
    done
    for name in "${!MAS_@}" SESSION_ID TMUX_SESSION STATUS CREATED_AT UNIT_DIR WORKFLOWS_DIR SESSION_DIR; do
        export -n "${name?}"
    done
    case ${MAS_TMUX_SOCKET-} in
        '') ;;
        */*) argv+=(-S "$MAS_TMUX_SOCKET") ;;
        *) argv+=(-L "$MAS_TMUX_SOCKET") ;;
    esac
    if [[ -n $patience ]] && type -P timeout >/dev/null; then
        argv=(timeout "$patience" "${argv[@]}")
    fi
    exec "${argv[@]}" "$@"
}

# --- which pane ---

__mas_unit() { # <word>: __mas_reply becomes the name of the unit, which is its window's, that a word stands for
    # The caller's nocasematch is not for names.
    [ "$1" = "${1,,}" ] || return 1
    case $1 in
        meta | meta-manager | window0 | 0) __mas_reply=meta ;;
        design | unit1 | window1 | 1) __mas_reply=design ;;
        development | dev | unit2 | window2 | 2) __mas_reply=development ;;
        business | unit3 | window3 | 3) __mas_reply=business ;;
        *) return 1 ;;
    esac
}

# tmux takes no name at all for the session it likes best, and one that begins with $ for an id.
__mas_exact() { # <session>: whether tmux would take it for a name; whoever asked is told where it would not
    [[ -n $1 && $1 != '$'* ]] || { __mas_complain "'$1' cannot be the name of a tmux session" && return 1; }
}

# What runs in a pane chooses the command's name, so each field ends with a mark that it cannot know.
__mas_look() { # <session>: fills __mas_panes with eight fields for each of its panes, in order
    local mark="<$RANDOM$RANDOM$RANDOM>" text name format=''
    __mas_panes=()
    __mas_exact "$1" || return
    for name in window_id window_index window_name pane_id @mas_agent @mas_exit pane_dead pane_current_command; do
        format+="#{$name}$mark"
    done
    text=$(__mas_tmux list-panes -s -t "=$1:" -F "$format") || return
    while [[ $text == *"$mark"* ]]; do
        __mas_panes+=("${text%%"$mark"*}")
        text=${text#*"$mark"}
        ((${#__mas_panes[@]} % 8 != 0)) || text=${text#$'\n'}
    done
}

__mas_window() { # <window>: __mas_reply becomes the id of that window among the panes looked at; 1 where not one is meant
    local at wanted=$1
    for ((at = 0; at < ${#__mas_panes[@]}; at += 8)); do
        __mas_reply=${__mas_panes[at]}
        [[ ${__mas_panes[at + 1]} != "$wanted" ]] || return 0
    done
    __mas_reply=''
    for ((at = 0; at < ${#__mas_panes[@]}; at += 8)); do
        if [ "${__mas_panes[at + 2]}" = "$wanted" ]; then
            [[ ${__mas_reply:-"${__mas_panes[at]}"} == "${__mas_panes[at]}" ]] || return 1
            __mas_reply=${__mas_panes[at]}
        fi
    done
    [[ -z $__mas_reply ]] || return 0
    __mas_unit "$wanted" && [[ $__mas_reply != "$wanted" ]] && __mas_window "$__mas_reply"
}

# A pane that ended moves those behind it up. Where agents are stamped on their panes, the stamp tells the position.
__mas_position() { # <window name> <agent> <place in the window>: __mas_reply becomes the pane's position
    case $1$2 in
        meta00 | design1[0123] | development2[0123] | business3[0123]) __mas_reply=${2:1} ;;
        *) __mas_reply=$3 ;;
    esac
}

__mas_pane() { # <window> <pane>: __mas_reply becomes where that pane stands among those looked at; 1 where there is none
    local at window place=0
    __mas_window "$1" || return
    window=$__mas_reply
    for ((at = 0; at < ${#__mas_panes[@]}; at += 8)); do
        [[ ${__mas_panes[at]} == "$window" ]] || continue
        __mas_position "${__mas_panes[at + 2]}" "${__mas_panes[at + 4]}" "$place"
        if [[ $__mas_reply == "$2" ]]; then
            __mas_reply=$at
            return 0
        fi
        place=$((place + 1))
    done
    return 1
}

__mas_find_window() { # <session> <window>: looks, and __mas_reply becomes the window's id
    __mas_look "$1" || return
    __mas_window "$2" || { __mas_complain "session $1 has no window '$2', or several" && return 1; }
}

__mas_find_pane() { # <session> <window> <pane>: looks, and __mas_reply becomes where the pane stands
    __mas_look "$1" || return
    __mas_pane "$2" "$3" || { __mas_complain "session $1 has no pane '$2.$3'" && return 1; }
}

# --- typing ---

# A buffer takes any text of any length; as keys, text can be the name of a key, or too long for a command line. Pasting
# into a pane that is dead ends the server of tmux 3.3, so that is asked in the same call.
__mas_type() { # <pane id> <text>: as if somebody had typed it there
    local buffer="mas-$$-$RANDOM$RANDOM" text
    __mas_clean "$2" 2>/dev/null # bash may say that the caller's locale is not there
    text=$__mas_reply
    [[ -n $text ]] || return 0
    (
        set +o pipefail
        printf '%s' "$text" | __mas_become_tmux 10 load-buffer -b "$buffer" - ';' \
            if-shell -F -t "$1" '#{pane_in_mode}' "send-keys -t $1 -X cancel" ';' \
            if-shell -F -t "$1" '#{pane_dead}' "delete-buffer -b $buffer ; has-session -t =pane-is-dead:" \
            "paste-buffer -dp -b $buffer -t $1"
    )
}

__mas_key() { # <pane id> <key>
    __mas_tmux if-shell -F -t "$1" '#{pane_in_mode}' "send-keys -t $1 -X cancel" ';' send-keys -t "$1" "$2"
}

# --- sessions ---

__mas_stamp() { # <tmux session>: __mas_reply becomes the id of the session of ours that it is, nothing where it is nobody's
    # fails where it is another root's, whose mas alone may type into it and end it
    local stamp root
    stamp=$(__mas_tmux display-message -p -t "=$1:" '#{@mas_session}:#{@mas_root}') || return
    root=${stamp#*:}
    __mas_root
    if [[ ${stamp%%:*} == ?* ]] && ! __mas_same "$root" "$__mas_reply"; then
        __mas_complain "session $1 belongs to $root; to mean it: MAS_ROOT=$root"
        return 1
    fi
    __mas_reply=${stamp%%:*}
}

# The tmux session of one of our own sessions is built by mas, with its whole team, and recorded.
create_session() { # <name> [first window]
    local name=${1-} window=${2:-meta}
    local -A __mas_values=()
    if session_exists "$name"; then
        print_warning "Session '$name' already exists"
        return 1
    fi
    if [[ -z $name || $name == '$'* || $name == *[.:]* ]]; then
        print_error "'$name' cannot be the name of a tmux session"
        return 1
    fi
    if __mas_find "$name" && [[ ${__mas_values[MAS_SESSION_MODE]-}:${__mas_values[TMUX_SESSION]-} == "isolated:$name" ]]; then
        __mas_run resume --quiet "${__mas_values[SESSION_ID]}" >/dev/null
        return
    fi
    __mas_root
    [[ $__mas_reply == /* ]] || __mas_reply=$PWD/$__mas_reply
    __mas_tmux new-session -d -x 80 -y 24 -s "${name//#/##}" -n "${window//#/##}" ';' \
        set-option -t "=$name:" @mas_root "$__mas_reply"
}

session_exists() { # <name>
    __mas_exact "${1-}" 2>/dev/null && __mas_tmux has-session -t "=$1:" 2>/dev/null
}

# One of our own is ended by mas, which leaves no process of it behind and records that it was stopped.
kill_session() { # <name>
    local name=${1-}
    if ! session_exists "$name"; then
        print_warning "Session '$name' does not exist"
        return 1
    fi
    __mas_stamp "$name" || return
    if [[ -n $__mas_reply ]]; then
        __mas_run stop --quiet "$__mas_reply" >/dev/null
    else
        __mas_tmux kill-session -t "=$name:"
    fi
}

list_sessions() {
    local line lines
    lines=$(__mas_tmux list-sessions 2>/dev/null) || return 0
    while IFS= read -r line; do
        [[ $line != "${TMUX_SESSION_PREFIX-mas-}"* ]] || printf '%s\n' "$line"
    done <<<"$lines"
}

attach_session() { # <name> [window]
    local name=${1-} target="=${1-}:"
    local -a __mas_panes=()
    if ! session_exists "$name"; then
        print_error "Session '$name' does not exist"
        return 1
    fi
    if [[ -n ${2-} ]]; then
        __mas_find_window "$name" "$2" || return
        target+=$__mas_reply
    fi
    (__mas_become_tmux '' attach-session -t "$target")
}

sanitize_session_name() { # <name>
    local name=${1-}
    printf '%s\n' "${name//[!"$__mas_letters"]/-}"
}

# --- windows and panes ---

create_window() { # <session> <name> [index]
    local name=${2-}
    __mas_exact "${1-}" || return
    __mas_tmux new-window -t "=${1-}:${3-}" -n "${name//#/##}"
}

split_window_to_4panes() { # <session> <window>
    local at panes=0 window
    local -a words=() __mas_panes=()
    __mas_find_window "${1-}" "${2-}" || return
    window=$__mas_reply
    for ((at = 0; at < ${#__mas_panes[@]}; at += 8)); do
        [[ ${__mas_panes[at]} != "$window" ]] || panes=$((panes + 1))
    done
    for (( ; panes < 4; panes += 1)); do # evened out after each split, or the next one may find no room
        words+=(split-window -h -t "$window" ';' select-layout -t "$window" tiled ';')
    done
    __mas_tmux "${words[@]}" select-layout -t "$window" tiled
}

create_mas_windows() { # <session>
    local name
    local -a __mas_panes=()
    __mas_look "${1-}" || return
    for name in design development business; do
        __mas_window "$name" || create_window "$1" "$name" || return
        split_window_to_4panes "$1" "$name" || return
    done
}

get_pane_info() { # <session> <window> [pane]
    local at window place=0 found=1
    local -a __mas_panes=()
    __mas_find_window "${1-}" "${2-}" || return
    window=$__mas_reply
    for ((at = 0; at < ${#__mas_panes[@]}; at += 8)); do
        [[ ${__mas_panes[at]} == "$window" ]] || continue
        __mas_position "${__mas_panes[at + 2]}" "${__mas_panes[at + 4]}" "$place"
        place=$((place + 1))
        [[ ${3:-$__mas_reply} == "$__mas_reply" ]] || continue
        printf '%s %s\n' "$__mas_reply" "${__mas_panes[at + 7]}"
        found=0
    done
    return "$found"
}

send_to_pane() { # <session> <window> <pane> <text>
    local pane
    local -a __mas_panes=()
    __mas_find_pane "${1-}" "${2-}" "${3-}" || return
    pane=${__mas_panes[__mas_reply + 3]}
    __mas_type "$pane" "${4-}" && __mas_key "$pane" Enter
}

send_keys_to_pane() { # <session> <window> <pane> <text>
    local -a __mas_panes=()
    __mas_find_pane "${1-}" "${2-}" "${3-}" && __mas_type "${__mas_panes[__mas_reply + 3]}" "${4-}"
}

__mas_loaded[2]=tmux
if [[ ${DEBUG_MODULES-} == 1 ]]; then
    echo 'Loaded tmux.sh'
fi
