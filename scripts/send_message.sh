#!/usr/bin/env bash
# Sends a text to agents, for scripts that call it by this name. What does the work is `mas send`.
set -euo pipefail
here=$(readlink -f -- "${BASH_SOURCE[0]}")
# shellcheck source=lib/state.sh
source "${here%/*}/../lib/state.sh"

target='' enter=-n
words=()
while (($# > 0)); do
    case $1 in
        -p | -t | --target)
            target=${2-}
            shift
            ;;
        -s | --sender)
            words+=(-s "${2-}")
            shift
            ;;
        -e | --execute) enter=-e ;;
        --)
            shift
            break
            ;;
        -*)
            set --
            break
            ;;
        *) break ;;
    esac
    shift "$(($# > 0))"
done
if (($# == 0)) || [[ -z $target ]]; then
    echo "usage: send_message.sh -p TARGET [-s SENDER] [-e] TEXT" >&2
    exit 1
fi
[[ $target != accounting ]] || target=business
__mas_run send "$enter" "${words[@]}" -- "$target" "$*" >/dev/null || exit 1
