#!/usr/bin/env bash
# Turn this machine into a kiosk: from power on to the mirror, without a desktop, a login or a keyboard.
#
# An upgrade is built next to the version in use, and takes its place by moving one link. If the new version does not
# come up, the link moves back. You may run this again at any time: what is already done is kept.
set -euo pipefail
umask 022 # the service's user must read what root installs, even if root's own umask is stricter

SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly SOURCE
readonly VERSIONS=/opt/pose-mirror
readonly CURRENT=$VERSIONS/current
# The files that make up a version.
readonly PARTS=(models index device systemd setup.cfg pyproject.toml constraints.txt README.md LICENSE)
readonly STATE=/var/lib/pose-mirror
readonly STARTER=$STATE/starter
readonly CONFIG=/etc/pose-mirror.toml
readonly UNIT=/etc/systemd/system/pose-mirror.service
# The page for phones. `follow-sharing` starts it if the configuration says so.
readonly SHARE_UNITS=(pose-mirror-share.socket pose-mirror-share.service pose-mirror-follow-sharing.service)
readonly COMMAND=/usr/local/bin/pose-mirror
readonly JOURNAL=/etc/systemd/system/pose-mirror.service.d/quiet-journal.conf
readonly SYSUSERS=/etc/sysusers.d/pose-mirror.conf
readonly TMPFILES=/etc/tmpfiles.d/pose-mirror.conf
readonly RULES=/etc/udev/rules.d/60-pose-mirror.rules
readonly BOOT_FILE=/boot/firmware/cmdline.txt
readonly BOOT_BACKUP=$BOOT_FILE.before-pose-mirror
# The kernel shows no text and no cursor, and never blanks. On a Pi, the unit's memory limit needs cgroup_enable=memory.
readonly BOOT_OPTIONS="quiet loglevel=3 logo.nologo vt.global_cursor_default=0 consoleblank=0 cgroup_enable=memory"
# Titles and names of photos may be in any script: Latin and most others, Chinese and Korean, Japanese.
readonly FONTS=(fonts-noto-core fonts-wqy-microhei fonts-vlgothic)
# Keep GIFs, libraries and models in one folder, as the unit does.
readonly FOLDERS=("HOME=$STATE" XDG_DATA_HOME=/var/lib XDG_CACHE_HOME=/var/lib "XDG_PICTURES_DIR=$STATE")

# shellcheck source=systemd/hotspot.sh
. "$SOURCE/systemd/hotspot.sh"

usage() {
    cat <<EOF
Usage: sudo systemd/install.sh [--hotspot | --no-hotspot | --check | --uninstall [--purge] | --help]

Without options: install Pose Mirror as a service that takes over the display at power-on, or upgrade it.

  --hotspot     the same, and make a Wi-Fi of the mirror's own, over which visitors get their GIF where there is none;
                it leads nowhere else, and needs a Wi-Fi device that is not this machine's only connection
  --no-hotspot  remove that Wi-Fi; the mirror stays as it is
  --check       check that everything is in its place and the mirror is running; exit status 1 if not
  --uninstall   remove the service, but keep configuration, libraries and GIFs
  --purge       with --uninstall: also delete configuration, libraries, GIFs and the services' users
  --help        print this help

Files:
  $VERSIONS/current  the version in use; the previous version is next to it
  $CONFIG     your configuration; upgrades keep it
  $STATE      libraries, models and GIFs
  $HOTSPOT_FILE  name and password of the mirror's own Wi-Fi; upgrades keep them

Without a network: name the folder of the packages, as below. A PoseNet file in $STATE/models is used.

Examples:
  sudo systemd/install.sh
  sudo systemd/install.sh --check
  sudo systemd/install.sh --hotspot
  sudo PIP_NO_INDEX=1 PIP_FIND_LINKS=DIR systemd/install.sh
EOF
}

step() { printf '• %s\n' "$*" 2>/dev/null || true; } # go on even if the terminal is gone
fail() {
    printf 'install.sh: %s\n' "$*" >&2
    exit 1
}
# Return whether systemd runs this system. It does not in a chroot, such as when a disk image is built.
booted() { [ -d /run/systemd/system ]; }
as_mirror() { (cd "$STATE" && runuser -u pose-mirror -- env "${FOLDERS[@]}" "$@"); }

main() {
    local actions=() purge=no option action
    for option in "$@"; do
        case $option in
        --check | --uninstall | --hotspot | --no-hotspot) actions+=("${option#--}") ;;
        --purge) purge=yes ;;
        -h | --help)
            usage
            exit 0
            ;;
        *)
            usage >&2
            exit 2
            ;;
        esac
    done
    action=${actions[0]:-install}
    if [ ${#actions[@]} -gt 1 ] || { [ "$purge" = yes ] && [ "$action" != uninstall ]; }; then
        usage >&2
        exit 2
    fi
    [ "$(id -u)" -eq 0 ] || fail "this needs root: run sudo $0 $*"
    case $action in
    install) install_all ;;
    hotspot)
        install_all
        hotspot_on
        ;;
    no-hotspot) hotspot_off ;;
    check) check ;;
    uninstall) uninstall "$purge" ;;
    esac
}

install_all() {
    check_system
    install_packages
    create_user_and_config
    local new before
    new=$VERSIONS/$(version)
    before=$(readlink -e "$CURRENT" || true)
    build "$new"
    if [ "$before" = "$new" ]; then
        step "${new##*/} is already in use."
        fetch_model_and_draw "$new"
        activate "$new"
        ! booted || start_mirror || fail "the mirror does not come up: run journalctl -u pose-mirror -b to see why"
    else
        switch_version "$before" "$new"
        delete_other_versions "$before" "$new"
    fi
    hide_boot_text
    sync # from now on, a power cut does no harm
    step "Done. The mirror $(! booted || echo 'is running, and ')starts whenever this machine does."
}

check_system() {
    local VERSION_CODENAME="" PRETTY_NAME="this system" # the names in the file
    # shellcheck source=/dev/null
    . /etc/os-release
    case $VERSION_CODENAME in
    bookworm | trixie) ;;
    *) fail "$PRETTY_NAME is not supported: install Debian or Raspberry Pi OS, Bookworm or Trixie" ;;
    esac
    case $(dpkg --print-architecture) in
    arm64 | amd64) ;;
    *) fail "this system is $(dpkg --print-architecture), but the mirror needs 64 bits: install the 64-bit image" ;;
    esac
    [ ! -e /etc/systemd/system/display-manager.service ] ||
        fail "a desktop uses this display: use a system without one (Lite), or sudo systemctl disable display-manager"
}

install_packages() {
    local needed=(
        python3 python3-venv python3-dev g++ kbd
        libgbm1 libdrm2 libegl1 libegl-mesa0 libgl1-mesa-dri libudev1
    )
    local missing package
    # A new system has no package lists yet, so apt-cache would find nothing.
    ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1 || apt-get update -qq || true
    for package in console-setup-linux python3-picamera2; do # only Raspberry Pi OS has the last
        apt-cache show "$package" >/dev/null 2>&1 && needed+=("$package")
    done
    # lgpio reads the button. Only Raspberry Pi OS has a package of it. Elsewhere pip installs it, and from Python 3.13
    # on compiles it, which needs swig.
    if apt-cache show python3-lgpio >/dev/null 2>&1; then needed+=(python3-lgpio); else needed+=(swig); fi
    mapfile -t missing < <(list_missing "${needed[@]}")
    [ ${#missing[@]} -eq 0 ] || apt_install "${missing[@]}" ||
        fail "apt cannot install ${missing[*]}: check the network, or install them in another way"
    mapfile -t missing < <(list_missing "${FONTS[@]}")
    [ ${#missing[@]} -eq 0 ] || apt_install "${missing[@]}" ||
        step "Without them, the mirror cannot draw some scripts. To try again, run this again at any time."
}

# Print those of the packages that are not installed.
list_missing() {
    local package
    for package in "$@"; do
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || echo "$package"
    done
}

apt_install() {
    step "Installing $* with apt."
    apt-get update -qq || true # without a network, old lists may do
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

create_user_and_config() {
    getent passwd pose-mirror >/dev/null || step "Creating the user pose-mirror."
    install_user_and_rules "$SOURCE/systemd"
    if [ ! -e "$CONFIG" ]; then
        step "Writing $CONFIG."
        install_file 644 "$SOURCE/systemd/pose-mirror.toml" "$CONFIG"
    fi
}

# Install a version's user, its folders, and the rules for the devices it may open.
install_user_and_rules() {
    install_file 644 "$1/pose-mirror.sysusers" "$SYSUSERS"
    systemd-sysusers "$SYSUSERS"
    install_file 644 "$1/pose-mirror.tmpfiles" "$TMPFILES"
    systemd-tmpfiles --create "$TMPFILES"
    install_file 644 "$1/60-pose-mirror.rules" "$RULES"
    if booted; then
        udevadm control --reload
        udevadm trigger --action=change --subsystem-match=usb --subsystem-match=gpio --subsystem-match=dma_heap
    fi
}

# install_file MODE FILE PLACE: copy a file into its place. After a power cut it is there completely or not at all.
install_file() {
    install -D -m "$1" "$2" "$3.new"
    sync "$3.new"
    mv "$3.new" "$3"
}

# Print the version's name: its number, and a checksum of its files, so that no version is built twice.
version() {
    cd "$SOURCE"
    local number digest
    number=$(sed -nE 's/^version = (.*)$/\1/p' setup.cfg)
    digest=$({
        find "${PARTS[@]}" -type f ! -path '*/__pycache__/*' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
        python3 -VV
        constraints
    } | sha256sum)
    echo "$number-${digest:0:12}"
}

# Print pip's constraints. Bookworm's picamera2 was built for NumPy 1, so there everything must use NumPy 1.
# constraints.txt cannot be used with it: it pins NumPy 2, and versions of other packages that need NumPy 2.
constraints() {
    if python3 -c 'import picamera2, numpy; exit(numpy.__version__ >= "2")' 2>/dev/null; then
        echo 'numpy<2'
    else
        cat "$SOURCE/constraints.txt"
    fi
}

build() {
    local new=$1
    [ ! -e "$new/whole" ] || return 0
    step "Building ${new##*/}$([ ! -e "$CURRENT" ] || echo ', while the version in use keeps running')."
    rm -rf "$new" # an unfinished one, from a run that was stopped
    local copy
    copy=$(mktemp -d)
    # shellcheck disable=SC2064
    trap "rm -rf '$copy' '$new'" EXIT
    (cd "$SOURCE" && cp -r "${PARTS[@]}" "$copy") # pip leaves files in the folder it builds from
    constraints >"$copy/constraints"
    python3 -m venv --system-site-packages "$new"
    # On a PC, Annoy would be compiled for this very processor. With these options it runs on any, in case the disk is
    # moved to another machine. --no-cache-dir: a cached Annoy may have been compiled without them.
    # PYPI=1: lgpio is compiled with the C library that it needs.
    PYPI=1 ANNOY_COMPILER_ARGS=-fpermissive,-O3,-ffast-math,-fno-associative-math,-std=c++14,-DANNOYLIB_MULTITHREADED_BUILD \
        "$new/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir \
        --constraint "$copy/constraints" "${copy}[pi]" ||
        fail "pip cannot install what the mirror needs: check the network, or see --help for installing without one"
    cp -r "$SOURCE/systemd" "$new/systemd"
    ln -s "$(cd / && "$new/bin/python" -c 'import device; print(device.__path__[0])')/default.toml" "$new/default.toml"
    sync -f "$new"
    touch "$new/whole"
    sync -f "$new"
    trap - EXIT
    rm -rf "$copy"
}

fetch_model_and_draw() {
    local program=$1/bin/pose-mirror
    step "Looking for PoseNet, which finds people better than the bundled model."
    as_mirror "$program" models fetch ||
        step "Without PoseNet the mirror uses the bundled model. To try again, run this again at any time."
    step "Drawing the missing starter pictures."
    as_mirror "$program" index starter || step "The mirror draws the rest while it runs."
}

# Switch from one version to another, and back if its doctor finds new faults or it is not READY in time.
switch_version() {
    local before=$1 new=$2 report new_faults
    if [ -n "$before" ]; then
        # Another version may draw other pictures. Keep the old ones, in case the old version comes back.
        rm -rf "$STARTER.before"
        [ ! -e "$STARTER" ] || cp -a "$STARTER" "$STARTER.before"
        # shellcheck disable=SC2064
        trap "roll_back '$before'" EXIT
    fi
    fetch_model_and_draw "$new"
    trap '' HUP INT TERM PIPE # finish this even if the terminal goes: half a switch would leave no mirror
    if booted && [ -n "$before" ]; then
        systemctl stop pose-mirror || true # both doctors need its camera and display
        report=$(doctor "$new")
        new_faults=$(comm -13 <(doctor "$before" | faulty_parts) <(faulty_parts <<<"$report"))
        [ -z "$new_faults" ] ||
            fail "$(printf '%s has new faults:\n%s' "${new##*/}" "$(grep -F "$new_faults" <<<"$report")")"
    fi
    step "${new##*/} takes over."
    activate "$new"
    ! booted || start_mirror || fail "${new##*/} does not come up: run journalctl -u pose-mirror -b to see why"
    trap - EXIT
    rm -rf "$STARTER.before"
}

roll_back() {
    trap '' HUP INT TERM PIPE
    step "Keeping ${1##*/} in use."
    ! booted || systemctl stop pose-mirror || true # otherwise systemd keeps restarting the new version meanwhile
    if [ -e "$STARTER.before" ]; then
        rm -rf "$STARTER"
        mv "$STARTER.before" "$STARTER"
    fi
    activate "$1"
    ! booted || start_mirror || true
}

# Print the doctor's report on a version: a line for each part, which device/cli/doctor.py writes.
doctor() { as_mirror timeout --kill-after 5 180 "$1/bin/pose-mirror" doctor 2>/dev/null || true; }
# Of the doctor's report on stdin, print the beginning of each bad line, with the part's name (12 columns) but no more.
faulty_parts() { sed -nE 's/^( bad  .{12}).*/\1/p' | LC_ALL=C sort; }

# Copy a version's files into their places, and move the link to it. After a power cut, one of the versions starts.
activate() {
    local files=$1/systemd
    install_user_and_rules "$files"
    install_file 644 "$files/pose-mirror.service" "$UNIT"
    install_share_units "$files"
    upgrade_hotspot "$files"
    ! can_filter_journal || install_file 644 "$files/quiet-journal.conf" "$JOURNAL"
    install_file 755 "$files/pose-mirror" "$COMMAND"
    ln -sfn "$1" "$CURRENT.new"
    mv -T "$CURRENT.new" "$CURRENT"
    ! booted || systemctl daemon-reload
    systemctl --quiet enable pose-mirror
    # What runs, runs with this version; the mirror itself is started by the caller.
    ! booted || systemctl --no-block reload 'pose-mirror-firewall@*' 2>/dev/null || true
    ! booted || systemctl --no-block try-restart pose-mirror-share.service 'pose-mirror-hotspot@*' 2>/dev/null || true
    sync -f "$VERSIONS" "$UNIT"
}

# Install a version's units for the page for phones. One from before there was a page has none.
install_share_units() {
    local unit
    for unit in "${SHARE_UNITS[@]}"; do
        if [ -e "$1/$unit" ]; then
            install_file 644 "$1/$unit" "$UNITS/$unit"
        elif [ -e "$UNITS/$unit" ]; then
            ! booted || systemctl stop "$unit" || true
            rm -f "$UNITS/$unit"
        fi
    done
}

# Return whether this systemd can keep lines out of the journal.
can_filter_journal() { [ "$(systemctl --version | sed -nE '1s/^systemd ([0-9]+).*/\1/p')" -ge 253 ]; }

# Start the mirror. Return when it is READY: it shows what the camera sees, or a fault. Fail if that takes too long.
start_mirror() {
    step "Starting the mirror."
    systemctl restart pose-mirror
}

delete_other_versions() {
    local folder
    for folder in "$VERSIONS"/*-*/; do
        folder=${folder%/}
        case $folder in "$1" | "$2") continue ;; esac
        rm -f "$folder/whole" # first, so that a power cut leaves nothing that looks complete
        rm -rf "$folder"
    done
}

hide_boot_text() {
    [ -e "$BOOT_FILE" ] || return 0
    local options option
    options=$(cat "$BOOT_FILE")
    for option in $BOOT_OPTIONS; do
        has_word "$options" "$option" || options="$options $option"
    done
    [ "$options" != "$(cat "$BOOT_FILE")" ] || return 0
    step "Hiding the text that the kernel shows at start: changing $BOOT_FILE, with a copy in $BOOT_BACKUP."
    [ -e "$BOOT_BACKUP" ] || cp "$BOOT_FILE" "$BOOT_BACKUP"
    write_boot_options "$options"
}

# Remove the kernel options that were added, and keep what somebody changed since.
restore_boot_text() {
    [ -e "$BOOT_BACKUP" ] || return 0
    local current original options="" option
    current=$(cat "$BOOT_FILE") original=$(cat "$BOOT_BACKUP")
    for option in $current; do
        if has_word "$BOOT_OPTIONS" "$option" && ! has_word "$original" "$option"; then continue; fi
        options="$options $option"
    done
    write_boot_options "${options# }"
    rm -f "$BOOT_BACKUP"
}

# has_word TEXT WORD
has_word() { case " $1 " in *" $2 "*) true ;; *) false ;; esac }

# Without this file a Pi does not start, and its boot partition has no journal to repair it.
write_boot_options() {
    printf '%s\n' "$1" >"$BOOT_FILE.new"
    sync "$BOOT_FILE.new"
    mv "$BOOT_FILE.new" "$BOOT_FILE"
    sync -f "$BOOT_FILE"
}

check() {
    local faults=0 current
    current=$(readlink -e "$CURRENT" || true)
    expect() { # NAME COMMAND...: print whether what is named passes the command
        local name=$1
        shift
        if "$@" >/dev/null 2>&1; then printf '  ok  %s\n' "$name"; else
            printf ' bad  %s\n' "$name"
            faults=1
        fi
    }
    expect "installed version: ${current:-none}" test -e "$current/whole"
    expect "comparison of the installed version with the files in $SOURCE" test "$current" = "$VERSIONS/$(version)"
    expect "start of the program" as_mirror "$CURRENT/bin/pose-mirror" --help
    expect "command $COMMAND" cmp "$COMMAND" "$CURRENT/systemd/pose-mirror"
    expect "configuration $CONFIG" test -r "$CONFIG"
    expect "access of pose-mirror to display, camera, button, Coral and sound" in_groups video render input gpio plugdev audio
    expect "write access of pose-mirror to $STATE" as_mirror test -w "$STATE/gifs"
    expect "unit $UNIT, compared with this version's" cmp "$UNIT" "$CURRENT/systemd/pose-mirror.service"
    ! can_filter_journal ||
        expect "journal filter for camera warnings $JOURNAL" cmp "$JOURNAL" "$CURRENT/systemd/quiet-journal.conf"
    local unit
    for unit in "${SHARE_UNITS[@]}"; do
        expect "unit $UNITS/$unit, compared with this version's" cmp "$UNITS/$unit" "$CURRENT/systemd/$unit"
    done
    expect "systemd's own check of the units" systemd-analyze verify "$UNIT" "$UNITS/pose-mirror-share.service"
    expect "user for the page for phones" getent passwd pose-mirror-share
    expect "user declaration $SYSUSERS" cmp "$SYSUSERS" "$CURRENT/systemd/pose-mirror.sysusers"
    expect "folder declaration $TMPFILES" cmp "$TMPFILES" "$CURRENT/systemd/pose-mirror.tmpfiles"
    expect "device rules $RULES" cmp "$RULES" "$CURRENT/systemd/60-pose-mirror.rules"
    expect "start at power-on" systemctl is-enabled pose-mirror
    check_hotspot
    if booted; then
        expect "running mirror: $(systemctl show -P StatusText pose-mirror)" systemctl is-active pose-mirror
        if "$CURRENT/systemd/follow-sharing" --ask "$CONFIG"; then
            expect "port of the page for phones" systemctl is-active pose-mirror-share.socket
            expect "page for phones" systemctl is-active pose-mirror-share.service
        fi
        as_mirror "$CURRENT/bin/pose-mirror" doctor || faults=1
    fi
    return $faults
}

in_groups() {
    local group
    for group; do id -nG pose-mirror | tr ' ' '\n' | grep -qx "$group" || return 1; done
}

uninstall() {
    hotspot_off
    step "Removing the service."
    ! booted || systemctl stop pose-mirror "${SHARE_UNITS[@]}" 2>/dev/null || true
    systemctl --quiet disable pose-mirror 2>/dev/null || true
    rm -f "${SHARE_UNITS[@]/#/$UNITS/}"
    rm -f "$UNIT" "$JOURNAL" "$SYSUSERS" "$TMPFILES" "$RULES" "$COMMAND"
    rmdir "$(dirname "$JOURNAL")" 2>/dev/null || true # stays if somebody added files
    rm -rf "$VERSIONS"
    restore_boot_text
    if booted; then
        systemctl daemon-reload
        systemctl start getty@tty1 2>/dev/null || true
    fi
    if [ "$1" = yes ]; then
        step "Deleting $CONFIG, $STATE and the users pose-mirror and pose-mirror-share."
        rm -f "$CONFIG"
        [ ! -e "$STATE" ] || find "$STATE" -mindepth 1 -delete
        rmdir "$STATE" 2>/dev/null || true # stays, empty, if it is a partition of its own
        local user
        for user in pose-mirror pose-mirror-share; do
            if getent passwd "$user" >/dev/null; then userdel "$user"; fi
        done
    else
        step "$CONFIG and $STATE stay. --uninstall --purge deletes them too."
    fi
}

main "$@"
