# What a test device is made of: the kernel, busybox, the link, candord, and the archive of its first file system.
# Sourced by scripts/device, which sets repository, target, build, state_root, cache, triple, parts and link,
# and removes what is in `staging` when it is interrupted.
# shellcheck shell=bash disable=SC2154

# need COMMAND=PACKAGE...: as need_packages, with a better answer for those who cannot install.
need() {
    local missing=() pair
    for pair in "$@"; do
        command -v "${pair%%=*}" >/dev/null 2>&1 || missing+=("${pair#*=}")
    done
    [ ${#missing[@]} -eq 0 ] && return
    [ "$(id -u)" -eq 0 ] ||
        die "these Debian packages are needed: ${missing[*]}. Run: sudo apt-get install --no-install-recommends ${missing[*]}"
    need_packages "$@"
}

# unpack DIRECTORY PACKAGE...: downloads Debian packages by their names and unpacks them without installing them. Options
# for apt in `apt_options`.
unpack() (
    mkdir -p "$1"
    cd "$1" || exit 1
    shift
    step "downloading from Debian: $*"
    # apt drops its rights for downloading when it is root, and then cannot write here: that is only a warning.
    apt-get "${apt_options[@]}" download "$@" 2>download.log >&2 || {
        cat download.log >&2
        die "cannot download $*; try: apt-get update, then again"
    }
    for package in ./*.deb; do
        dpkg-deb -x "$package" . || die "$package is damaged"
    done
    rm -f ./*.deb download.log
)

# use_suite SUITE ARCHITECTURE: sets `apt_options` so that apt looks into another release of Debian, without changing what is set up here.
# The mirror is the one that this machine's own apt uses.
use_suite() {
    local directory=$cache/apt-$1-$2 uri keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    uri=$(apt-get indextargets 'Created-By: Packages' --format '$(REPO_URI) $(RELEASE)' |
        awk '$2 !~ /-/ && $1 !~ /security/ { print $1; exit }')
    [ -n "$uri" ] || die "apt has no source of Debian packages, so the kernel of $1 cannot be had"
    [ -r "$keyring" ] || need_packages debian-archive-keyring=debian-archive-keyring
    mkdir -p "$directory"/{lists/partial,archives/partial}
    echo "deb [signed-by=$keyring] $uri $1 main" >"$directory/sources.list"
    apt_options=(-o "Dir::Etc::sourcelist=$directory/sources.list" -o Dir::Etc::sourceparts=/dev/null
        -o "Dir::State::Lists=$directory/lists" -o "Dir::Cache=$directory" -o Dir::State::status=/dev/null
        -o APT::Sandbox::User=root -o Acquire::Languages=none
        -o "APT::Architecture=$2" -o "APT::Architectures=$2")
    step "asking Debian what its release $1 has"
    apt-get "${apt_options[@]}" update >"$directory/log" 2>&1 || {
        cat "$directory/log" >&2
        die "apt cannot read the list of Debian's release $1"
    }
}

# decompressed_kernel IMAGE FILE: writes the ELF file inside a boot image. Here once rather than in the emulated processor at
# every start, which takes three seconds each time. The magic number of the compression appears in the decompressor's own
# code as well, so the right place is the one that gives an ELF file.
decompressed_kernel() {
    local offset magic command
    for command in 'xz -dc --single-stream' 'zstd -dc'; do
        case $command in xz*) magic='\xfd7zXZ\x00' ;; *) magic='\x28\xb5\x2f\xfd' ;; esac
        while read -r offset; do
            # What follows the compressed kernel makes the decompressor complain after it has written everything.
            tail -c +$((offset + 1)) "$1" | $command >"$2" 2>/dev/null || true
            [ "$(head -c 4 "$2" | tail -c 3)" = ELF ] && return
        done < <(LC_ALL=C grep -aboP "$magic" "$1" | LC_ALL=C cut -d : -f 1)
    done
    return 1
}

# shellcheck source-path=SCRIPTDIR source=android-kernel.sh
. "$parts/android-kernel.sh"

# fetch_kernel [SUITE]: sets `kernel` to a directory with vmlinux and modules/, of this machine's own release of Debian or of
# another. Fetched once; remove the directory for a newer one.
fetch_kernel() {
    local suite=${1:-} prefix architecture=amd64
    case $suite in
    android | android-no-btf)
        [ "$machine" = x86_64 ] || die "the kernel $suite is built for x86_64 only"
        build_android_kernel "$suite"
        return
        ;;
    esac
    prefix=linux-${suite:+$suite-}
    if [ "$machine" = aarch64 ]; then
        architecture=arm64
        prefix=arm64-${suite:=bookworm}-
    fi
    mkdir -p "$cache"
    kernel=$(find "$cache" -maxdepth 1 -name "$prefix[0-9]*" | sort -V | tail -n 1)
    [ -z "$kernel" ] || return 0
    { command -v apt-get && command -v dpkg-deb; } >/dev/null ||
        die "the device's kernel is Debian's package linux-image-$architecture, and there is no apt-get or dpkg-deb to fetch it with"
    need xz=xz-utils zstd=zstd
    local package packages version work image module pattern apt_options=()
    [ -z "$suite" ] || use_suite "$suite" "$architecture"
    pattern='s/^ *Depends: \(linux-image-[0-9].*\)/\1/p'
    package=$(apt-cache "${apt_options[@]}" depends "linux-image-$architecture" 2>/dev/null | sed -n "$pattern" | head -n 1)
    [ -n "$package" ] || die "apt knows no package linux-image-$architecture; try: apt-get update (Debian's main archive has it)"
    version=${package#linux-image-}
    # From Linux 7 on the image is a package that only names others.
    mapfile -t packages < <(apt-cache "${apt_options[@]}" depends "$package" | sed -n "s/^ *Depends: \(linux-[a-z]*-$version\)\$/\1/p")
    work=$(mktemp -d "$cache/part.XXXXXX")
    staging+=("$work")
    unpack "$work/unpacked" "$package" "${packages[@]}"
    step "unpacking the kernel"
    image=$(find "$work/unpacked" -name 'vmlinuz*' -type f | head -n 1)
    [ -n "$image" ] || die "$package has no kernel image where it is looked for"
    if [ "$architecture" = arm64 ]; then
        # Not compressed, and not an ELF file.
        cp "$image" "$work/vmlinux"
    else
        decompressed_kernel "$image" "$work/vmlinux" || die "no kernel was found inside $package, which is not packed as expected"
    fi
    mkdir "$work/modules"
    while read -r module parameters; do
        image=$(find "$work/unpacked" "(" -name "$module.ko" -o -name "$module.ko.xz" -o -name "$module.ko.zst" ")" | head -n 1)
        case $image in
        '')
            # Which modules there are differs: newer kernels have some more, older ones have some built in.
            case $module in binder_linux | virtio_net | virtio_pci)
                grep -q "/$module\.ko" "$(find "$work/unpacked" -name modules.builtin)" ||
                    die "$package has no module $module, which the device needs" ;;
            esac
            continue
            ;;
        *.xz) xz -dc "$image" >"$work/modules/$module.ko" ;;
        *.zst) zstd -qdc "$image" >"$work/modules/$module.ko" ;;
        *) cp "$image" "$work/modules/" ;;
        esac
        echo "$module${parameters:+ $parameters}" >>"$work/modules/order"
    done <"$parts/modules"
    rm -rf "$work/unpacked"
    kernel=$cache/$prefix$version
    # Somebody else may have been faster; theirs is as good.
    chmod 755 "$work"
    mv -T "$work" "$kernel" 2>/dev/null || rm -rf "$work"
    [ -s "$kernel/vmlinux" ] || die "$kernel is damaged: remove it and try again"
}

# fetch_busybox: sets `busybox` to a static busybox. Unpacked, because the dynamic one may be installed.
fetch_busybox() {
    busybox=$cache/busybox
    [ "$machine" = x86_64 ] || busybox+=-$machine
    [ -x "$busybox" ] && return
    local work
    work=$(mktemp -d "$cache/part.XXXXXX")
    staging+=("$work")
    local apt_options=()
    if [ "$machine" != x86_64 ]; then
        # Our own is asked for the names of its commands.
        (machine=x86_64 && fetch_busybox)
        use_suite bookworm arm64
    fi
    unpack "$work" busybox-static
    mv "$work/bin/busybox" "$busybox" 2>/dev/null || mv "$work/usr/bin/busybox" "$busybox"
    rm -rf "$work"
}

# build_link: the host's end of the link, and the device's, which may be another machine; sets guest_link.
build_link() {
    guest_link=$link
    compile_link "$link" x86_64
    [ "$machine" = x86_64 ] || { guest_link=$link-$machine && compile_link "$guest_link" "$machine"; }
}

# compile_link FILE MACHINE
compile_link() {
    [ "$1" -nt "$parts/link.rs" ] && return
    need_rust
    step "building the link between host and device for $2"
    mkdir -p "$build"
    local made
    made=$(mktemp "$build/link.XXXXXX")
    staging+=("$made")
    (
        linker=()
        if [ "$2" != x86_64 ]; then
            need_cross_compiler "$2"
            linker=(-C "linker=$2-linux-gnu-gcc")
        fi
        "${RUSTC:-rustc}" --edition 2024 -O --target "$2-unknown-linux-gnu" -C target-feature=+crt-static -C strip=symbols \
            "${linker[@]}" -o "$made" "$parts/link.rs"
    ) || die "cannot build $parts/link.rs for $2"
    mv "$made" "$1"
}

# build_programs: the daemon for the device, the client for the host.
build_programs() {
    need_rust
    if [[ -z $candord && $machine != x86_64 ]]; then
        candord=$(CARGO_TARGET_DIR=$target "$repository/scripts/build-device" "$machine" --fast)
    elif [ -z "$candord" ]; then
        need clang=clang
        step "building candord for the device (a first build takes a few minutes)"
        # Optimised, because the emulated processor is slow enough; without the link-time optimisation of a release, which
        # takes long and changes little. Own directory: other flags would otherwise rebuild everything at each turn.
        (cd "$repository" &&
            RUSTFLAGS="-C target-feature=+crt-static" CARGO_TARGET_DIR=$build \
                CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_INCREMENTAL=true \
                cargo build --locked --release --bin candord --no-default-features --features device,ebpf --target "$triple") ||
            die "candord does not build"
    fi
    step "building candor for this machine"
    (cd "$repository" && cargo build --locked --bin candor) || die "candor does not build"
}

# make_archive FILE: everything that is the same for all devices, as the kernel wants its first file system.
make_archive() {
    local root directory name level=$sdk
    root=$(mktemp -d "$state_root/root.XXXXXX")
    staging+=("$root")
    (
        umask 022
        cp -R "$parts/root/." "$root"
        cd "$root"
        mkdir -p proc sys dev run sbin apex modules vendor product tmp \
            system/framework system/xbin system/etc/init.d system/etc/permissions \
            data/data data/user/0 data/user_de/0 data/app data/misc data/local/tmp \
            data/media/0/{Alarms,Android,DCIM/Camera,Documents,Download,Movies,Music,Pictures} storage/emulated/0 storage/self
        ln -s /system/bin bin
        ln -s /system/etc etc
        ln -s /storage/self/primary sdcard
        ln -s /storage/emulated/0 storage/self/primary
        cp "$busybox" system/bin/busybox
        # For another machine it cannot be asked: the list of our own, which is of the same package, has no more than it.
        "$cache/busybox" --list | while read -r name; do
            [ "$name" = busybox ] || ln -s busybox "system/bin/$name"
        done
        ln -sf /system/bin/busybox sbin/init
        cp "$kernel"/modules/* modules/
        cp "$guest_link" system/bin/device-link
        cp "$candord" system/bin/candord
        # Two photos: the magic number of a JPEG, then nothing of interest.
        { printf '\377\330\377\340' && head -c 20000 /dev/zero; } >data/media/0/DCIM/x.jpg
        { printf '\377\330\377\340' && head -c 200000 /dev/zero; } >data/media/0/DCIM/Camera/IMG_0001.jpg
        sed -e "s/@SDK@/$level/g" -e "s/@ABI@/$([ "$machine" = x86_64 ] && echo x86_64 || echo arm64-v8a)/" \
            "$parts/build.prop" >system/build.prop
        for directory in "${with[@]}"; do
            find "$directory" -mindepth 1 -maxdepth 1 -not -name init.d -exec cp -RL -t system/bin {} +
            [ ! -d "$directory/init.d" ] || cp -L "$directory"/init.d/*.sh system/etc/init.d/
        done
        for directory in "${overlays[@]}"; do
            cp -R "$directory/." .
        done
        chmod 755 .
        find . -mindepth 1 -print0 | LC_ALL=C sort -z | cpio --quiet --null --create --format newc --owner +0:+0 >"$1"
    ) || { rm -rf "$root"; die "cannot make the device's file system"; }
    rm -rf "$root"
}
