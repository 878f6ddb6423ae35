# A network and mount namespace with a small Internet and an Android-shaped file tree in it. Sourced by scripts that trace
# real programs there, after common.sh. Needs $work, a directory; keeps its processes in $background.
# shellcheck shell=bash

target=${CARGO_TARGET_DIR:-$repository/target}
candor=$target/debug/candor
candord=$target/debug/candord
background=()

# build_candor: what is needed to build and to make a world, and the two programs.
build_candor() {
    need_packages clang=clang gcc=gcc dnsmasq=dnsmasq-base curl=curl sqlite3=sqlite3 python3=python3 openssl=openssl \
        ip=iproute2 unshare=util-linux
    need_rust
    step "building candord and candor (a first build takes a few minutes)"
    (cd "$repository" && cargo build --locked --bins)
}

# enter_world SCRIPT ARGUMENTS...: runs SCRIPT in new namespaces. /data and /storage are mount points for them, and are
# removed again if they were not there before; then the command in $at_exit runs, if there is one.
enter_world() {
    # One at a time: taking away the mount points of one run takes the mounts of another along.
    exec 6>"${TMPDIR:-/tmp}/candor-world.lock"
    flock 6
    made=()
    for directory in /data /storage; do
        [ -d "$directory" ] || { mkdir "$directory" && made+=("$directory"); }
    done
    trap 'rmdir ${made[@]+"${made[@]}"} 2>/dev/null || true; ${at_exit:-:}' EXIT
    unshare --net --mount --propagation private bash "$@" 6>&-
}

# world_files: an interface with a hardware address, /sys of this namespace, and empty /data and /storage.
world_files() {
    ip link set lo up
    # As a phone has it; where the kernel has no such driver, lo's address is read.
    ip link add wlan0 type veth peer name wlan0-peer 2>/dev/null || ip link add wlan0 type dummy 2>/dev/null ||
        die "the kernel offers neither veth nor dummy network interfaces, which stand for the phone's Wi-Fi here"
    # /sys shows the network namespace of whoever mounts it.
    mount -t sysfs sysfs /sys
    mount -t tmpfs -o mode=755 tmpfs /data
    mount -t tmpfs -o mode=755 tmpfs /storage
}

# world_certificate NAMES: ca.pem and key.pem in $work, for a list as of subjectAltName; sets DEMO_CA.
world_certificate() {
    (
        cd "$work"
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout key.pem -out ca.pem -subj "/CN=Candor demo" \
            -addext "subjectAltName=$1" 2>/dev/null
    )
    chmod 644 "$work/ca.pem"
    export DEMO_CA=$work/ca.pem
}

# world_names OPTIONS...: a real DNS server at 127.0.0.53 that answers what dnsmasq's OPTIONS say, and nobody else does.
world_names() {
    dnsmasq --no-daemon --no-resolv --no-hosts --listen-address=127.0.0.53 --bind-interfaces --pid-file "$@" \
        >"$work/dnsmasq.log" 2>&1 &
    background+=($!)
    echo "nameserver 127.0.0.53" >"$work/resolv.conf"
    mount --bind "$work/resolv.conf" /etc/resolv.conf
    # Only files and DNS: no resolver daemon of the machine may answer for the namespace.
    printf 'hosts: files dns\n' >"$work/nsswitch.conf"
    mount --bind "$work/nsswitch.conf" /etc/nsswitch.conf
}

# world_servers ADDRESS...: HTTP and HTTPS at each address.
world_servers() {
    mkfifo "$work/servers.stdin"
    python3 "$repository/scripts/demo-parts/servers.py" "$work/ca.pem" "$work/key.pem" "$work/servers.ready" "$@" \
        <"$work/servers.stdin" >"$work/servers.log" 2>&1 &
    background+=($!)
    exec 8>"$work/servers.stdin"
    wait_for "the web servers" test -s "$work/servers.ready"
}

# world_daemon ARGUMENTS...: a daemon of our own, with these arguments; sets CANDOR_DAEMON.
world_daemon() {
    export CANDOR_DAEMON=unix:$work/candord.sock
    "$candord" serve "$@" --listen "$CANDOR_DAEMON" --spool-directory "$work/spool" 2>"$work/candord.log" &
    background+=($!)
    wait_for "the daemon" "$candor" info
}

# leave_world: ends what runs in it.
leave_world() {
    exec 8>&-
    [ ${#background[@]} -eq 0 ] || kill "${background[@]}" 2>/dev/null || true
    wait 2>/dev/null
}

# wait_for WHAT COMMAND...: until COMMAND succeeds, a minute at most.
wait_for() {
    local what=$1 deadline=$((SECONDS + 60))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $deadline ] || die "$what did not come up in a minute; see the logs in $work"
        sleep 0.1
    done
}
