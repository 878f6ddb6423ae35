# Builds a kernel as Android's generic kernel image is configured, from Debian's source of Linux. Sourced by make.sh, which has
# `unpack`, `cache`, `parts` and `staging`.
# shellcheck shell=bash disable=SC2154

# The release of Debian's source package. Android's own long-term kernels are of the same series.
android_source=linux-source-6.1

# build_android_kernel NAME: sets `kernel` to a directory with vmlinux and no modules. NAME is android (with type information,
# CONFIG_DEBUG_INFO_BTF) or android-no-btf. Built once, in some ten minutes on two processors; remove the directory to build anew.
# The directory's name holds a checksum of the configuration: a changed one is built.
build_android_kernel() {
    local name=$1 sum work source_tree archive
    sum=$(cat "$parts/android-kernel.config" "$parts/android-kernel.sh" | sha256sum | cut -c 1-8)
    kernel=$cache/$name-$sum
    [ ! -s "$kernel/vmlinux" ] || return 0
    need gcc=gcc make=make flex=flex bison=bison bc=bc pahole=dwarves xz=xz-utils
    [ -e /usr/include/libelf.h ] || need_packages libelf.h=libelf-dev
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/part.XXXXXX")
    staging+=("$work")
    archive=/usr/src/$android_source.tar.xz
    if [ ! -e "$archive" ]; then
        (
            local apt_options=()
            unpack "$work/unpacked" "$android_source"
        )
        archive=$work/unpacked$archive
    fi
    step "unpacking the source of Linux"
    mkdir "$work/source"
    tar -xf "$archive" -C "$work/source" --strip-components 1 || die "$android_source holds no archive where it is looked for"
    rm -rf "$work/unpacked"
    source_tree=$work/source
    step "building a kernel as Android has it, $name: some ten minutes"
    configure_android_kernel "$name" "$source_tree" >"$work/build.log" 2>&1 && make -s -C "$source_tree" -j "$(nproc)" vmlinux >>"$work/build.log" 2>&1 || {
        tail -n 30 "$work/build.log" >&2
        die "the kernel does not build"
    }
    mkdir -p "$work/made/modules"
    : >"$work/made/modules/order"
    # Only the type information is of use later, and the kernel keeps that in a part that is loaded.
    strip --strip-debug -o "$work/made/vmlinux" "$source_tree/vmlinux"
    mv -T "$work/made" "$kernel" 2>/dev/null || true
    rm -rf "$work"
    [ -s "$kernel/vmlinux" ] || die "$kernel is damaged: remove it and try again"
}

# configure_android_kernel NAME TREE: writes the configuration. Not under `set -e`, being part of a condition: each step is asked.
configure_android_kernel() {
    local option lost
    make -s -C "$2" tinyconfig || return
    cat "$parts/android-kernel.config" >>"$2/.config"
    if [ "$1" = android ]; then
        printf '%s\n' CONFIG_DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT=y CONFIG_DEBUG_INFO_BTF=y >>"$2/.config"
    fi
    echo "CONFIG_LOCALVERSION=\"-$1\"" >>"$2/.config"
    make -s -C "$2" olddefconfig || return
    # An option that depends on one that is off vanishes without a word.
    lost=$(grep '^CONFIG_' "$parts/android-kernel.config" | grep -vxFf "$2/.config")
    [ -z "$lost" ] || { echo "the configuration did not take $lost" && return 1; }
    for option in FTRACE_SYSCALLS FUNCTION_TRACER SECURITY_PATH BPF_LSM; do
        ! grep -qx "CONFIG_$option=y" "$2/.config" || { echo "the configuration has $option, which Android lacks" && return 1; }
    done
    [ "$1" != android ] || grep -qx CONFIG_DEBUG_INFO_BTF=y "$2/.config" || { echo "there would be no type information" && return 1; }
}
