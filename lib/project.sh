# shellcheck shell=bash
#
# Projects for scripts: a directory with a .masrc, whose settings are read here and never run.
#
#     source "$(mas path lib)/project.sh"

if [ -z "${BASH_VERSION-}" ]; then
    echo "mas: lib/project.sh is for bash" >&2
    return 1
fi
__mas_here=${BASH_SOURCE[0]%/*}
[[ ${BASH_SOURCE[0]} == */* ]] || __mas_here=.
# shellcheck source=lib/session.sh
source "$__mas_here/session.sh" || return
[[ -z ${__mas_loaded[6]-} ]] || return 0

# --- .masrc, as assignments or as JSON ---

__mas_json_text() { # <json> <key>: __mas_reply becomes the text that it has for that key; 1 where it has none
    local rest=${1#*"\"$2\""} part value=''
    [[ $rest != "$1" ]] || return 1
    rest=${rest#"${rest%%[!"$__mas_blank"]*}"}
    [[ $rest == :* ]] || return 1
    rest=${rest#:}
    rest=${rest#"${rest%%[!"$__mas_blank"]*}"}
    [[ $rest == \"* ]] || return 1
    rest=${rest#\"}
    while [[ $rest == *\"* && $rest != \"* ]]; do
        part=${rest%%[\"\\]*}
        value+=$part
        rest=${rest#"$part"}
        case $rest in
            \\[\"/]*) value+=${rest:1:1} ;;
            \\*) value+=${rest:0:2} ;;
            *) continue ;;
        esac
        rest=${rest:2}
    done
    [[ $rest == \"* ]] && printf -v __mas_reply '%b' "$value"
}

__mas_setting() { # <text of .masrc> <key of its assignments> <key of its JSON>...: __mas_reply becomes the value, or nothing
    local key text=$1 name=$2
    __mas_reply=''
    shift 2
    if [[ $text == '{'* ]]; then
        for key in "$@"; do
            ! __mas_json_text "$text" "$key" || return 0
        done
    else
        __mas_reply=${__mas_values[$name]-}
    fi
}

__mas_project() { # <root>: __mas_text becomes its .masrc, __mas_values what its assignments say
    [[ -f $1/.masrc && -r $1/.masrc ]] && __mas_assignments "$1/.masrc" || return 1
    IFS= read -r -d '' __mas_text <"$1/.masrc" || :
    __mas_text=${__mas_text#"${__mas_text%%[!"$__mas_blank"]*}"}
}

# --- which project ---

find_project_root() { # [directory]
    local place=${1:-$PWD}
    [[ $place == /* ]] || place=$PWD/$place
    while [[ ! -f $place/.masrc ]]; do
        [[ -n $place ]] || return 1
        place=${place%/*}
    done
    printf '%s\n' "${place:-/}"
}

is_project_initialized() { # [directory]
    [[ -f ${1:-$PWD}/.masrc ]]
}

detect_mode() {
    if find_project_root >/dev/null; then
        printf 'project\n'
    else
        printf 'legacy\n'
        return 1
    fi
}

show_current_mode() {
    local root
    if root=$(find_project_root); then
        print_info "Project mode: $root"
    else
        print_info 'Legacy mode: no project here'
    fi
}

# --- its settings ---

load_project_config() { # [root]
    local root=${1-} __mas_text=''
    local -A __mas_values=()
    [[ -n $root ]] || root=$(find_project_root) || root=$PWD
    if ! __mas_project "$root"; then
        print_error "Not a project: $root"
        return 1
    fi
    export PROJECT_ROOT=$root PROJECT_UNIT_DIR=$root/unit PROJECT_WORKFLOWS_DIR=$root/workflows
    __mas_setting "$__mas_text" PROJECT_NAME project_name projectName
    export PROJECT_NAME=${__mas_reply:-${root##*/}}
    __mas_setting "$__mas_text" PROJECT_SESSION_NAME session_name sessionName
    export PROJECT_SESSION_NAME=${__mas_reply:-mas-tmux}
    __mas_setting "$__mas_text" PROJECT_VERSION version
    export PROJECT_VERSION=$__mas_reply
    __mas_setting "$__mas_text" PROJECT_CREATED_AT created_at createdAt
    export PROJECT_CREATED_AT=$__mas_reply
}

# Every other setting of the file stays; one in JSON is somebody else's, and is left to them.
save_project_config() { # [root] [name] [session]
    local root=${1:-$PWD} name line text='' __mas_text=''
    local -a lines=()
    local -A __mas_values=()
    ! __mas_project "$root" || mapfile -t lines <"$root/.masrc"
    if [[ $__mas_text == '{'* ]]; then
        print_error "$root/.masrc is JSON; change it by hand"
        return 1
    fi
    [[ $root != . ]] || root=$PWD
    name=${2:-${root##*/}}
    for line in "${lines[@]}"; do
        [[ $line == PROJECT_NAME=* || $line == PROJECT_SESSION_NAME=* ]] || text+=$line$'\n'
    done
    __mas_quote "$name"
    text+="PROJECT_NAME=$__mas_reply"$'\n'
    __mas_quote "${3:-mas-$(sanitize_project_name "$name")}"
    __mas_replace "$root/.masrc" "${text}PROJECT_SESSION_NAME=$__mas_reply"$'\n'
}

show_project_info() { # [root]
    (
        load_project_config "${1-}" || exit
        printf 'Project: %s\nRoot: %s\nSession: %s\nUnits: %s\nWorkflows: %s\n' "$PROJECT_NAME" "$PROJECT_ROOT" \
            "$PROJECT_SESSION_NAME" "$PROJECT_UNIT_DIR" "$PROJECT_WORKFLOWS_DIR"
    )
}

validate_project() { # [root]
    local root=${1:-$PWD} part code=0
    for part in .masrc unit workflows; do
        if [[ ! -e $root/$part ]]; then
            print_error "Missing: $root/$part"
            code=1
        fi
    done
    return "$code"
}

sanitize_project_name() { # <name>
    local name=${1-}
    name=${name//[!"$__mas_letters"]/-}
    name=${name#"${name%%[!-]*}"}
    printf '%s\n' "${name%"${name##*[!-]}"}"
}

export PROJECT_LIB_LOADED=1 PROJECT_LIB_VERSION=2.0.0
__mas_loaded[6]=project
if [[ ${DEBUG_MODULES-} == 1 ]]; then
    echo 'Loaded project.sh'
fi
