# shellcheck shell=bash
#
# Where mas keeps its sessions, read without starting any process, and the one door through which they are changed.
#
# The other files of this directory source this one; there is nothing in it for scripts to call. A function that finds
# something says it in __mas_reply, because a command substitution would be a process.

if [ -z "${BASH_VERSION-}" ]; then
    echo "mas: lib/state.sh is for bash" >&2
    return 1
fi
if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 404)); then
    echo "mas: lib/state.sh needs bash 4.4 or later, this is $BASH_VERSION" >&2
    return 1
fi
# An array never comes in by the environment, so a mark in one was made by this shell.
[[ -z ${__mas_loaded[1]-} ]] || return 0

__mas_lib=${BASH_SOURCE[0]}
[[ $__mas_lib == */* ]] || __mas_lib=./$__mas_lib
[[ $__mas_lib == /* ]] || __mas_lib=$PWD/$__mas_lib
__mas_lib=${__mas_lib%/*}

# Written out, because a range like a-z means other letters in some locales.
__mas_letters=ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-
__mas_special=$'\'"\\ \t\r\n'
__mas_blank=$' \t\r\n'

__mas_complain() { # <text>
    printf 'mas: %s\n' "$1" >&2
}

# --- where ---

__mas_named_root() { # __mas_reply becomes the root that a variable names, as it names it
    local name
    for name in MAS_ROOT MAS_WORKSPACE_ROOT MAS_PROJECT_ROOT PROJECT_ROOT; do
        __mas_reply=${!name-}
        [[ -z $__mas_reply ]] || return 0
    done
    return 1
}

__mas_root() { # __mas_reply becomes the root: the named one, the project around us, or the user's own
    local place=$PWD
    ! __mas_named_root || return 0
    while [[ ! -f $place/.masrc && ! -f $place/sessions/.sessions.index ]]; do
        if [[ -z $place ]]; then
            __mas_reply=${XDG_DATA_HOME:-~/.local/share}/mas
            [[ $OSTYPE != darwin* ]] || __mas_reply=~/Library/Application\ Support/mas
            return 0
        fi
        place=${place%/*}
    done
    __mas_reply=${place:-/}
}

__mas_same() { # <root> <root>: whether both are the same directory; one that is not there yet goes by its name
    [[ $1 == "$2" || $1 -ef $2 ]]
}

__mas_session_directory() { # <id or directory>: __mas_reply becomes the session's directory, whether or not it is there
    case $1 in
        */*) __mas_reply=${1%/} ;;
        '' | -* | *[!"$__mas_letters"]*) return 1 ;;
        *)
            __mas_root
            __mas_reply=${__mas_reply%/}/sessions/$1
            ;;
    esac
}

# --- files of assignments: .session, .mas_session, .masrc ---

# Agents work beside these files and could write anything into them, so they are read, never sourced.
__mas_assignments() { # <file>: fills __mas_values with what its plain assignments say; 1 where it is no regular file
    local line key text joining
    local -a lines=()
    [[ -f $1 && -r $1 ]] && mapfile -t lines <"$1" || return 1
    for joining in 1 ''; do # a quoted value may hold line breaks, unless a quote is left open at the end
        __mas_values=() text=''
        for line in "${lines[@]}"; do
            [[ -n $text || $line != '#'* ]] || continue
            text+=${text:+$'\n'}$line
            key=${text%%=*}
            if [[ $text == ?*=* && $key != *[!"$__mas_letters"]* ]]; then
                __mas_unquote "${text#*=}" || [[ -z $joining ]] || continue
                __mas_values["$key"]=$__mas_reply
            fi
            text=''
        done
        [[ -n $text ]] || return 0
    done
}

__mas_read_session() { # <directory>: fills __mas_values from its .session; 1 where it has none, or another session's
    [[ ! -L $1/.session ]] && __mas_assignments "$1/.session" || return 1
    __mas_reply=$1
    [[ ${__mas_values[SESSION_ID]-} == "${1##*/}" ]]
}

__mas_unquote() { # <text>: __mas_reply becomes the one word a shell makes of it, or all of it where that is not one
    local rest=${1#"${1%%[!"$__mas_blank"]*}"} word='' part
    rest=${rest%"${rest##*[!"$__mas_blank"]}"}
    __mas_reply=$1
    [[ -n $rest ]] || return 0
    while [[ -n $rest ]]; do
        case $rest in
            \'*\'*)
                part=${rest#\'}
                rest=${part#*\'}
                part=${part%%\'*}
                ;;
            \"*\"*)
                part=${rest#\"}
                rest=${part#*\"}
                part=${part%%\"*}
                ;;
            \\?*)
                part=${rest:1:1}
                rest=${rest:2}
                ;;
            ["$__mas_special"]*)
                [[ $1 != \'* || $rest != [\'\"]* ]] # 1 where a text that begins with a quote lacks its end
                return
                ;;
            *)
                part=${rest%%["$__mas_special"]*}
                rest=${rest#"$part"}
                ;;
        esac
        word+=$part
    done
    __mas_reply=$word
}

# --- what is typed ---

# All of one byte but tab and line break; ESC could end a paste, and what follows would be keys.
__mas_controls=$'\001\002\003\004\005\006\007\010\013\014\016\017\020\021\022\023\024\025\026\027\030\031\032'
__mas_controls+=$'\033\034\035\036\037\177'

__mas_clean() { # <text>: __mas_reply becomes what of it is typed
    # Each byte is one character, also where the text is not valid.
    local LC_ALL=C
    __mas_reply=${1//$'\r\n'/$'\n'}
    __mas_reply=${__mas_reply//$'\r'/$'\n'}
    __mas_reply=${__mas_reply//["$__mas_controls"]/}
    while [[ $__mas_reply == *$'\xc2'[$'\x80'-$'\x9f']* ]]; do # what stood around one may make another
        __mas_reply=${__mas_reply//$'\xc2'[$'\x80'-$'\x9f']/}
    done
}

# --- .sessions.index ---

__mas_json() { # <text>: __mas_reply becomes the text as it stands in the index, where all is ASCII
    local at char code word=''
    for ((at = 0; at < ${#1}; at++)); do
        char=${1:at:1}
        printf -v code %d "'$char"
        case $char in
            [\"\\]) char=\\$char ;;
            $'\t') char='\t' ;;
            $'\n') char='\n' ;;
            *) if ((code > 65535)); then
                printf -v char '\\u%04x\\u%04x' "$((0xd7c0 + (code >> 10)))" "$((0xdc00 + (code & 1023)))"
            elif ((code < 32 || code > 127)); then
                printf -v char '\\u%04x' "$code"
            fi ;;
        esac
        word+=$char
    done
    __mas_reply=$word
}

__mas_rows() { # <word>: fills __mas_found with the rows whose id begins with it, or that have it for tmux name or label
    local line word beginning
    local -a lines=()
    __mas_found=()
    __mas_root
    [[ -n $1 && -f $__mas_reply/sessions/.sessions.index ]] || return 1
    mapfile -t lines <"$__mas_reply/sessions/.sessions.index" || return 1
    __mas_json "$1"
    word=$__mas_reply beginning=$__mas_reply
    ((${#1} >= 4)) || beginning+=\" # too short for a beginning, so it is all of an id
    for line in "${lines[@]}"; do
        case $line in
            "{\"sessionId\":\"$beginning"* | '{"sessionId":"'*"\",\"tmuxSession\":\"$word\","* | \
                '{"sessionId":"'*"\",\"label\":\"$word\","*) __mas_found+=("$line") ;;
        esac
    done
    ((${#__mas_found[@]} > 0))
}

__mas_value() { # <row> <key>: __mas_reply becomes the plain word or number that the row has for it
    __mas_reply=''
    [[ $1 == *"\"$2\":"* ]] || return 1
    __mas_reply=${1#*"\"$2\":"}
    __mas_reply=${__mas_reply#\"}
    __mas_reply=${__mas_reply%%[\",\}]*}
}

__mas_find() { # <id, its beginning, tmux name, label, or directory>: __mas_values and, in __mas_reply, the directory of the
    # one session that is meant; 1 where there is none, or several
    local row word=${1-}
    local -a __mas_found=() active=()
    if __mas_session_directory "$word" && __mas_read_session "$__mas_reply"; then
        return 0
    fi
    [[ $word != */* ]] && __mas_rows "$word" || return 1
    __mas_json "$word"
    word=$__mas_reply
    if ((${#__mas_found[@]} > 1)); then # a label comes first; a tmux name is used again once its session is stopped
        for row in "${__mas_found[@]}"; do
            case $row in
                *"\",\"label\":\"$word\","*)
                    active=("$row")
                    break
                    ;;
                *"\"tmuxSession\":\"$word\",\"status\":\"active\""*) active+=("$row") ;;
            esac
        done
        __mas_found=("${active[@]}")
    fi
    ((${#__mas_found[@]} == 1)) || return 1
    __mas_value "${__mas_found[0]}" sessionId
    __mas_session_directory "$__mas_reply" && __mas_read_session "$__mas_reply"
}

# --- changing ---

__mas_straight() { # <path>: __mas_reply becomes it without the steps down and up again; those by way of a link stay
    local down
    __mas_reply=${1//\/.\//\/}
    while [[ $__mas_reply == /*/../* ]]; do
        down=${__mas_reply%%/../*}
        [[ ! -L $down ]] || return 0
        __mas_reply=${down%/*}/${__mas_reply#*/../}
    done
}

__mas_program() { # __mas_reply becomes the program mas
    local place
    local -a places=("$__mas_lib/../scripts/mas" "$__mas_lib/../../../bin/mas" "$__mas_lib/../../../../../../bin/mas" mas)
    [[ -z ${MAS_BIN-} ]] || places=("$MAS_BIN")
    for place in "${places[@]}"; do
        [[ $place == */* ]] || place=$(type -P -- "$place") || continue
        __mas_straight "$place"
        [[ ! -f $place || ! -x $place ]] || return 0
    done
    __mas_complain 'the program mas was not found; set MAS_BIN to where it is'
    return 127
}

__mas_call() { # <verb> <word>...: run mas for the root of this shell
    local verb=$1 program
    shift
    __mas_program || return
    program=$__mas_reply
    if __mas_named_root; then
        set -- --root "$__mas_reply" "$@"
    fi
    "$program" "$verb" "$@"
}

__mas_run() { # <verb> <word>...: the same, without the caller's stdin
    __mas_call "$@" </dev/null
}

__mas_loaded[1]=state
if [[ ${DEBUG_MODULES-} == 1 ]]; then
    echo 'Loaded state.sh'
fi
