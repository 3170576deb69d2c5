"""What each pane begins with: the shell that looks after its agent, and the mark on all that runs there. Pure."""

MARKER = "MAS_LAUNCH"
"""Only the panes of a launch get this variable; whoever carries it is a process of that launch."""

WRAPPER = r"""
file=${MAS_SESSION_DIR:+$MAS_SESSION_DIR/logs/agent-$1.exit} agent=$1 own=$PATH
export PATH="${MAS_PANE_PATH:-$PATH}"
unset MAS_PANE_PATH
[ -e "$file" ] && rm -f -- "$file"
trap : INT QUIT TERM
[ -n "${BASH_VERSION-}" ] || set -m
run() {
    (
        kept=$1 left=$(($# - 1 - $1))
        shift
        while [ "$kept" -gt 0 ]; do
            set -- "$@" "$1"
            shift
            kept=$((kept - 1))
        done
        shift "$left"
        exec "$@"
    )
    code=$?
    while jobs %1 >/dev/null 2>&1; do
        sleep 1
        fg %1 >/dev/null 2>&1
        code=$?
    done
}
if cd -- "$2"; then
    words=$3
    shift 3
    [ "$words" -lt $# ] && late=$(($(date +%s) + 15))
    run "$words" "$@"
    shift "$words"
    if [ $# -gt 0 ] && [ "$code" -gt 0 ] && [ "$code" -lt 128 ] && [ "$(date +%s)" -lt "$late" ]; then
        printf 'mas: agent %s had nothing to go on with (exit %s); it begins anew\r\n' "$agent" "$code"
        PATH=$own tmux -u set-option -p -u -t "$TMUX_PANE" @mas_ready >/dev/null 2>&1 </dev/null
        (mas deliver --begin "$agent" -- "$MAS_SESSION_ID" >/dev/null 2>&1 </dev/null &)
        run $# "$@"
    fi
else
    code=126
fi
set +m
[ -d "${file%/*}" ] && (umask 077 && echo "$code" >"$file")
alternate=$(PATH=$own tmux -u set-option -p -t "$TMUX_PANE" @mas_exit "$code" \; \
    display-message -p -t "$TMUX_PANE" '#{alternate_on}' 2>/dev/null </dev/null)
[ "$alternate" = 1 ] && printf '\033[?1049l'
stty sane -icanon -echo min 0 time 1
cat >/dev/null
stty sane
printf '\0337\033[r\0338\033[0m\033(B\033>\033[4l\033[?1l\033[?7h\033[?25h\033[>4m'
printf '\033[?1000l\033[?1004l\033[?1005l\033[?1006l\033[?2004l'
printf '\r\nmas: agent %s has ended (exit %s); this is a shell now\r\n' "$agent" "$code"
trap - INT QUIT TERM
exec "${SHELL:-/bin/sh}"
"""
"""What each pane runs, as ``sh -c WRAPPER mas-pane AGENT DIRECTORY WORDS COMMAND… [ANOTHER…]``.

It keeps the signals of the keyboard to the agent, records the exit code on the pane and in the session's ``logs/``,
throws away what was typed for the agent and not read (as a command line it would run), and becomes a shell.

* Where the shell can, the agent is a job of its own: the terminal comes back from one that was killed while it held
  it, and ``kill 0`` does not reach the wrapper. bash leaves a script when a job in it dies of ^C, so there it is none.
* The command has so many words. Where it fails within 15 seconds the other one is run: it was to go on with a
  conversation, and there is none. Who was ended by a signal was not to go on.
* An agent that is stopped (^Z) goes on after a second, because nobody could bring it back.
* tmux starts a pane somewhere else where its directory is missing, so the wrapper goes there itself or runs nothing.
* The exit code is recorded first: from then on tmux refuses text for the agent, and what came before is thrown away.
* ``\033[?1049l`` also moves the cursor where there is no alternate screen to leave, so tmux is asked whether there is.
"""
