#!/system/bin/sh
# Starts the service manager, the system's services and the content providers of the test device, each under its own user
# id, and waits until all can be found. To be run as root in the device: as /system/etc/init.d/world.sh at boot, or by hand.
# Then apps are run: scripts/device shell --user com.example.leaky binder-world leaky
#
# BINDER_WORLD_API is the API level they speak; that of /system/build.prop unless told.
log=/data/local/tmp/binder-world.log
level=
[ -z "$BINDER_WORLD_API" ] || level="--api $BINDER_WORLD_API"

start_server() {
    # shellcheck disable=SC2086 # two words or none
    binder-world $level "$@" </dev/null >>"$log" 2>&1 &
}

start_server service-manager
start_server system-server
for kind in contacts call_log sms calendar media; do
    start_server provider $kind
done
start_server raw-server
# shellcheck disable=SC2086
if ! binder-world $level wait 60; then
    cat "$log"
    exit 1
fi
