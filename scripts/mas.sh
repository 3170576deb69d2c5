#!/usr/bin/env bash
# The commands of the first mas, for scripts that call it by this name. They are those of mas_refactored.sh but for a few.
set -euo pipefail
here=$(readlink -f -- "${BASH_SOURCE[0]}")
later=${here%/*}/mas_refactored.sh
# shellcheck source=lib/session.sh
source "${here%/*}/../lib/session.sh"

usage() {
    cat <<'TEXT'
usage: mas.sh [COMMAND]

  start [--config FILE] [--no-attach]                   start a team; so does no command at all
  init [--name NAME] [--template full|minimal]          make a project here
  send [-t TARGET] [-e] TEXT                            type a text to all, or to TARGET; -e presses Enter too
  status [-d]                                           the active session
  stop                                                  end it
  attach [meta|design|development|business|0-3]         go to its terminal
  list, ls                                              the agents
  -v, --version, -h, --help
TEXT
}

refuse() { # <text>
    print_error "$1"
    usage
    exit 1
}

init() { # [option]...
    local -a words=()
    [[ ! -e .masrc ]] || refuse 'This directory is a project already'
    while (($# > 0)); do
        case $1 in
            --name) words+=(--name "${2-}") ;;
            --template)
                case ${2-} in
                    full) words+=(--template default) ;;
                    minimal) words+=(--template solo) ;;
                    *) words+=(--template "${2-}") ;;
                esac
                ;;
            *) refuse "Unknown option: $1" ;;
        esac
        shift "$(($# > 1 ? 2 : 1))"
    done
    exec "$later" init "${words[@]}"
}

send() { # [option]... <text>
    local target=all enter=-n
    while [[ ${1-} == -* && ${1-} != - ]]; do
        case $1 in
            -t | --target)
                target=${2-}
                shift
                ;;
            -e | --execute) enter=-e ;;
            --)
                shift
                break
                ;;
            *) refuse "Unknown option: $1" ;;
        esac
        shift "$(($# > 0))"
    done
    (($# > 0)) || refuse 'No text was given'
    exec "$later" send "$target" "$*" "$enter"
}

status() { # [-d]
    local option
    for option in "$@"; do
        [[ $option == -d || $option == --detail ]] || refuse "Unknown option: $option"
    done
    __mas_active || (($? > 1)) || refuse 'No active session found'
    exec "$later" status "$@"
}

stop() { # [--force]
    local answer=''
    if [[ ${1-} != --force && ${1-} != -f ]]; then
        read -r -p "End the session? Type yes: " answer || :
        [[ $answer == yes ]] || exit 0
    fi
    exec "$later" stop --force
}

start() { # [option]...
    local option
    for option in "$@"; do
        case $option in
            --config | --no-attach | --skip-init) ;;
            -*) refuse "Unknown option: $option" ;;
        esac
    done
    exec "$later" start "$@"
}

attach() { # [window]
    case ${1-} in
        '') exec "$later" attach ;;
        managers) exec "$later" attach -w meta ;;
        *) exec "$later" attach -w "$1" ;;
    esac
}

command=${1-start}
if [[ ${2-} == -h || ${2-} == --help ]]; then
    command=help
fi
case $command in
    --skip-init | --no-attach) start "$@" ;;
    start | init | send | status | stop | attach) "$command" "${@:2}" ;;
    list | ls) exec "$later" list "${@:2}" ;;
    version | -v | --version) exec "$later" version ;;
    help | -h | --help) usage ;;
    -*) refuse "Unknown option: $command" ;;
    *) refuse "Unknown command: $command" ;;
esac
