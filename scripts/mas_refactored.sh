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

listening() { # running where something answers on the server's port, else stopped
    local port=${MAS_API_PORT:-${MAS_HTTP_PORT:-8765}}
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
        echo running
    else
        echo stopped
    fi
}

status() { # [--detail | -d]
    local name state=stopped
    name=$(find_active_session) || name=none
    [[ $name == none ]] || state=$(get_session_status "$name") || :
    printf 'Session: %s\nStatus: %s\nHTTP Server: %s\n' "$name" "$state" "$(listening)"
    if [[ ${1-} == --detail || ${1-} == -d ]] && [[ $name != none ]]; then
        get_all_agent_status "$name"
    fi
}

stop() { # [--force | -f]
    local name answer=''
    if ! name=$(find_active_session); then
        print_warning 'No active session found'
        return
    fi
    if [[ ${1-} != --force && ${1-} != -f ]]; then
        read -r -p "Stop session '$name'? [y/N] " answer || :
        [[ $answer == [yY]* ]] || return 0
    fi
    cleanup_session "$name"
}

attach() { # [-w window]
    local name window=''
    [[ ${1-} != -w && ${1-} != --window ]] || window=${2-}
    if ! name=$(find_active_session); then
        print_error 'No active session found'
        return 1
    fi
    attach_session "$name" "$window" || return 1
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
