# shellcheck shell=bash
#
# The HTTP server for scripts: starting it in the background, ending it, asking whether it runs.
#
#     source "$(mas path lib)/http.sh"
#
# One server serves all sessions of a root; ending it leaves them running. MAS_HTTP_HOST and MAS_HTTP_PORT say where it
# listens, by default 127.0.0.1:8765. `mas token` prints what it asks its clients for.

if [ -z "${BASH_VERSION-}" ]; then
    echo "mas: lib/http.sh is for bash" >&2
    return 1
fi
__mas_here=${BASH_SOURCE[0]%/*}
[[ ${BASH_SOURCE[0]} == */* ]] || __mas_here=.
# shellcheck source=lib/tmux.sh
source "$__mas_here/tmux.sh" || return
[[ -z ${__mas_loaded[7]-} ]] || return 0

__mas_root_from() { # <directory>: __mas_reply becomes the root that is meant there
    local PWD=$PWD
    case $1 in
        '') ;;
        /*) PWD=$1 ;;
        *) PWD=$PWD/$1 ;;
    esac
    __mas_root
}

# It is running only while the very process lives that wrote the file: a pid alone may be somebody else's by now.
__mas_http_runs() { # <root>
    local line pid='' start='' IFS=$' \t\n'
    local -a lines=() facts=()
    [[ -f $1/.mas_http/server.json && -r $1/.mas_http/server.json ]] || return 1
    mapfile -t lines <"$1/.mas_http/server.json" || return 1
    for line in "${lines[@]}"; do
        case $line in
            *'"pid": '*) pid=${line##* } ;;
            *'"start": '*) start=${line##* } ;;
        esac
    done
    pid=${pid%,}
    [[ -n $pid && $pid != *[!0123456789]* ]] || return 1
    { read -r line <"/proc/$pid/stat"; } 2>/dev/null || return 1
    read -ra facts <<<"${line##*) }"
    [[ ${facts[0]} != [ZX] && ${facts[19]} == "${start%,}" ]]
}

__mas_serve() { # <root> <option>...
    local -x MAS_ROOT=$1
    shift
    __mas_run serve --quiet "$@"
}

start_http_server() { # [session] [project directory]
    local root url
    local -a words=()
    __mas_root_from "${2-}"
    root=$__mas_reply
    if __mas_http_runs "$root"; then
        print_warning 'HTTP server is already running'
        return 0
    fi
    [[ -z ${MAS_HTTP_HOST-} ]] || words+=(--host "$MAS_HTTP_HOST")
    [[ -z ${MAS_HTTP_PORT-} ]] || words+=(--port "$MAS_HTTP_PORT")
    print_info 'Starting HTTP server...'
    if ! url=$(__mas_serve "$root" --background "${words[@]}"); then
        print_error 'HTTP server could not be started'
        return 1
    fi
    print_success "HTTP server is running on $url"
}

stop_http_server() { # [project directory]
    local root
    __mas_root_from "${1-}"
    root=$__mas_reply
    if ! __mas_http_runs "$root"; then
        print_warning 'HTTP server is not running'
        return 0
    fi
    __mas_serve "$root" --stop || return
    print_success 'HTTP server is stopped'
}

check_http_server() { # [project directory]
    __mas_root_from "${1-}"
    if __mas_http_runs "$__mas_reply"; then
        printf 'running\n'
    else
        printf 'stopped\n'
        return 1
    fi
}

__mas_loaded[7]=http
if [[ ${DEBUG_MODULES-} == 1 ]]; then
    echo 'Loaded http.sh'
fi
