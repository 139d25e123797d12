# Sourced by the scripts that check: notes how long each step takes. A script that calls another one shares its notes
# with it, and the outermost one prints them when it ends, whether it succeeded or not.

# step NAME COMMAND...: runs the command and notes its seconds.
step() {
    local name=$1 start=$SECONDS status=0
    shift
    "$@" || status=$?
    printf '%-14s %5d s%s\n' "$name" $((SECONDS - start)) "$([ $status = 0 ] || echo "  failed")" \
        >> "$SMALLVISION_STEPS"
    return $status
}

show_steps() {
    printf '\nTime by step:\n'
    cat "$SMALLVISION_STEPS"
    printf '%-14s %5d s\n' total $SECONDS
    rm -f "$SMALLVISION_STEPS"
}

if [ -z "${SMALLVISION_STEPS:-}" ]; then
    SMALLVISION_STEPS=$(mktemp)
    export SMALLVISION_STEPS
    trap show_steps EXIT
fi
