#!/usr/bin/env bash
# The commands of an earlier mas, for scripts that call it by this name. What does the work is `mas`.
set -euo pipefail
here=$(readlink -f -- "${BASH_SOURCE[0]}")
# shellcheck source=lib/message.sh
source "${here%/*}/../lib/message.sh"

usage() {
    cat <<'TEXT'
usage: mas_refactored.sh COMMAND

  init [--name NAME]                      make a project here
  start [--config FILE] [--no-attach]     start a team
  send TARGET TEXT [-e | -n]              type a text; -e presses Enter too
  status [--detail]                       the active session
  stop [-f | --force]                     end it
  attach [-w WINDOW]                      go to its terminal
  list [-u UNIT]                          the agents
  version, help
TEXT
}

refuse() { # <text>
    print_error "$1"
    usage
    exit 1
}

start() { # [option]...
    local attach=''
    local -a words=()
    [[ ! -t 0 || ! -t 1 ]] || attach=--attach
    while (($# > 0)); do
        case $1 in
            --config)
                words+=(--config "${2-}")
                shift
                ;;
            --no-attach) attach=--no-attach ;;
        esac
        shift "$(($# > 0))"
    done
    __mas_call start "${words[@]}" ${attach:+"$attach"}
}

send() { # <target> <text> [option]...
    local target=${1-} text=${2-} enter=-n
    (($# >= 2)) || exit 1
    shift 2
    for option in "$@"; do
        case $option in
            -e | --execute) enter=-e ;;
            -n | --no-execute) enter=-n ;;
        esac
    done
    __mas_run send "$enter" -- "$target" "$text" >/dev/null || exit 1
}

meant() { # name becomes the active session; 1 where there is none, more where it cannot be told, or could be several
    local code=0
    __mas_active || code=$?
    name=${__mas_reply-}
    return "$code"
}

status() { # [--detail | -d]
    local name='' state=stopped code=0
    meant || code=$?
    case $code in
        0) state=$(get_session_status "$name") || : ;;
        1) name=none ;;
        *) name=unknown state=unknown ;;
    esac
    printf 'Session: %s\nStatus: %s\nHTTP Server: %s\n' "$name" "$state" "$(check_http_server || :)"
    if [[ ${1-} == --detail || ${1-} == -d ]] && ((code == 0)); then
        get_all_agent_status "$name"
    fi
}

stop() { # [--force | -f]
    local name='' answer='' code=0
    meant || code=$?
    case $code in
        0) ;;
        1) print_warning 'No active session found' && return ;;
        *) print_error 'No session was stopped; to stop one: mas stop NAME' && return 1 ;;
    esac
    if [[ ${1-} != --force && ${1-} != -f ]]; then
        read -r -p "Stop session '$name'? [y/N] " answer || :
        [[ $answer == [yY]* ]] || return 0
    fi
    cleanup_session "$name"
}

attach() { # [-w window]
    local name='' window='' code=0
    [[ ${1-} != -w && ${1-} != --window ]] || window=${2-}
    meant || code=$?
    case $code in
        0) attach_session "$name" "$window" || return 1 ;;
        1) print_error 'No active session found' && return 1 ;;
        *) print_error 'No session was attached to; to go to one: mas attach NAME' && return 1 ;;
    esac
}

list() { # [-u unit]
    local id unit=all
    [[ ${1-} != -u && ${1-} != --unit ]] || unit=${2-}
    for id in $(expand_target "$unit"); do
        printf 'Unit %s: %s (Model: %s)\n' "$id" "${AGENT_NAMES[$id]-}" "$(get_agent_model "$id")"
    done
}

command=${1-help}
shift "$(($# > 0))"
case $command in
    init) __mas_call init "$@" ;;
    start | send | status | stop | attach | list) "$command" "$@" ;;
    version | -v | --version) __mas_run version ;;
    help | -h | --help) usage ;;
    *) refuse "Unknown command: $command" ;;
esac
