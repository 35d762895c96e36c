#!/usr/bin/env bash
# Makes a kiosk of this machine: from power on to the mirror, without a desktop, a login or a keyboard.
#
# An upgrade is built beside the version in use and takes its place by one link; when it does not come up, the link
# goes back. Run it again at any time: what is there already stays.
set -euo pipefail
umask 022 # the service's user reads what root installs, whatever root keeps from others

SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly SOURCE
readonly VERSIONS=/opt/pose-mirror
readonly CURRENT=$VERSIONS/current
# What a version is made of.
readonly PARTS=(models index device systemd setup.cfg pyproject.toml constraints.txt README.md LICENSE)
readonly STATE=/var/lib/pose-mirror
readonly STARTER=$STATE/starter
readonly CONFIG=/etc/pose-mirror.toml
readonly UNIT=/etc/systemd/system/pose-mirror.service
readonly COMMAND=/usr/local/bin/pose-mirror
readonly JOURNAL=/etc/systemd/system/pose-mirror.service.d/quiet-journal.conf
readonly SYSUSERS=/etc/sysusers.d/pose-mirror.conf
readonly TMPFILES=/etc/tmpfiles.d/pose-mirror.conf
readonly RULES=/etc/udev/rules.d/60-pose-mirror.rules
readonly BOOT=/boot/firmware/cmdline.txt
readonly BOOT_BEFORE=$BOOT.before-pose-mirror
# No text, no cursor and no blanking from the kernel; and a Pi's kernel keeps account of memory only when told to.
readonly BOOT_WORDS="quiet loglevel=3 logo.nologo vt.global_cursor_default=0 consoleblank=0 cgroup_enable=memory"
# The mirror gives its GIFs, libraries and models one folder, as the unit does.
readonly FOLDERS=("HOME=$STATE" XDG_DATA_HOME=/var/lib XDG_CACHE_HOME=/var/lib "XDG_PICTURES_DIR=$STATE")

usage() {
    cat <<EOF
Usage: sudo systemd/install.sh [--check | --uninstall [--purge] | --help]

Without words: installs Pose Mirror as a service that has the display from power on, or upgrades it.

  --check       say whether all of it is in its place and the mirror is up; status 1 when something is not
  --uninstall   take the service away; configuration, libraries and GIFs stay
  --purge       with --uninstall: those, too, and the service's user

  $VERSIONS/current     the version in use; the one before stays beside it
  $CONFIG     the configuration, yours: upgrades keep it
  $STATE     libraries, models, GIFs

Without a network: pip's own settings count (PIP_NO_INDEX, PIP_FIND_LINKS), and a PoseNet that lies in
$STATE/models is used.
EOF
}

step() { printf '• %s\n' "$*" 2>/dev/null || true; } # a terminal that is gone keeps nothing from being done
fail() {
    printf 'install.sh: %s\n' "$*" >&2
    exit 1
}
booted() { [ -d /run/systemd/system ]; }
as_mirror() { (cd "$STATE" && runuser -u pose-mirror -- env "${FOLDERS[@]}" "$@"); }

main() {
    local wanted=install purge=no word
    for word in "$@"; do
        case $word in
        --check) wanted=check ;;
        --uninstall) wanted=uninstall ;;
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
    if [ "$purge" = yes ] && [ "$wanted" != uninstall ]; then
        usage >&2
        exit 2
    fi
    [ "$(id -u)" -eq 0 ] || fail "only root may do that: sudo $0 $*"
    case $wanted in
    install) install_all ;;
    check) check ;;
    uninstall) uninstall "$purge" ;;
    esac
}

install_all() {
    known_system
    packages
    people_and_folders
    local new before
    new=$VERSIONS/$(version)
    before=$(readlink -e "$CURRENT" || true)
    build "$new"
    if [ "$before" = "$new" ]; then
        step "${new##*/} is in use already."
        models_and_pictures "$new"
        activate "$new"
        ! booted || begin || fail "the mirror does not come up: journalctl -u pose-mirror -b says why"
    else
        replace "$before" "$new"
        forget_all_but "$before" "$new"
    fi
    quiet_boot
    sync # the plug may be pulled from now on
    step "Done: the mirror has the display after every start$(booted && echo ', and now')."
}

known_system() {
    local VERSION_CODENAME="" PRETTY_NAME="this system" # as the file has them
    # shellcheck source=/dev/null
    . /etc/os-release
    case $VERSION_CODENAME in
    bookworm | trixie) ;;
    *) fail "$PRETTY_NAME is not known here: Debian or Raspberry Pi OS is needed, Bookworm or Trixie" ;;
    esac
    case $(dpkg --print-architecture) in
    arm64 | amd64) ;;
    *) fail "this system is $(dpkg --print-architecture), and a 64-bit one is needed: install the 64-bit image" ;;
    esac
    [ ! -e /etc/systemd/system/display-manager.service ] ||
        fail "a desktop has this display: use a system without one (Lite), or sudo systemctl disable display-manager"
}

packages() {
    local wanted=(python3 python3-venv python3-dev g++ libgbm1 libdrm2 libegl1 libegl-mesa0 libgl1-mesa-dri libudev1 kbd)
    local missing=() package
    # A new system has no lists yet, and knows of no package.
    ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1 || apt-get update -qq || true
    for package in console-setup-linux python3-lgpio python3-picamera2; do # the last is Raspberry Pi OS's alone
        apt-cache show "$package" >/dev/null 2>&1 && wanted+=("$package")
    done
    for package in "${wanted[@]}"; do
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    step "Installing ${missing[*]} with apt."
    apt-get update -qq || true # what is in the lists already may do
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
        fail "apt cannot install ${missing[*]}: see to the network, or install them in another way"
}

people_and_folders() {
    getent passwd pose-mirror >/dev/null || step "Making the user pose-mirror."
    user_and_rules "$SOURCE/systemd"
    if [ ! -e "$CONFIG" ]; then
        step "Writing $CONFIG."
        put 644 "$SOURCE/systemd/pose-mirror.toml" "$CONFIG"
    fi
}

# The service's user, its folders, and what devices it may open, as a version has them.
user_and_rules() {
    put 644 "$1/pose-mirror.sysusers" "$SYSUSERS"
    systemd-sysusers "$SYSUSERS"
    put 644 "$1/pose-mirror.tmpfiles" "$TMPFILES"
    systemd-tmpfiles --create "$TMPFILES"
    put 644 "$1/60-pose-mirror.rules" "$RULES"
    if booted; then
        udevadm control --reload
        udevadm trigger --action=change --subsystem-match=usb --subsystem-match=gpio --subsystem-match=dma_heap
    fi
}

# put MODE FILE PLACE: a file into its place, all of it or, where the power goes, none.
put() {
    install -D -m "$1" "$2" "$3.new"
    sync "$3.new"
    mv "$3.new" "$3"
}

# A version is called after what it is made of, so that the same is not built twice.
version() {
    cd "$SOURCE"
    local number digest
    number=$(sed -nE 's/^version = (.*)$/\1/p' setup.cfg)
    digest=$({
        find "${PARTS[@]}" -type f ! -path '*/__pycache__/*' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
        python3 -VV
        limits
    } | sha256sum)
    echo "$number-${digest:0:12}"
}

# What pip is to keep to. Bookworm's picamera2 was built for NumPy 1, and then all of it stays with that.
limits() {
    if python3 -c 'import picamera2, numpy; exit(numpy.__version__ >= "2")' 2>/dev/null; then
        echo 'numpy<2'
    else
        cat "$SOURCE/constraints.txt"
    fi
}

build() {
    local new=$1
    [ ! -e "$new/whole" ] || return 0
    step "Building ${new##*/}$([ ! -e "$CURRENT" ] || echo '; the version in use goes on meanwhile')."
    rm -rf "$new" # half of one, from a run that was stopped
    local copy
    copy=$(mktemp -d)
    # shellcheck disable=SC2064
    trap "rm -rf '$copy' '$new'" EXIT
    (cd "$SOURCE" && cp -r "${PARTS[@]}" "$copy") # pip leaves things where it builds
    limits >"$copy/limits"
    python3 -m venv --system-site-packages "$new"
    # Annoy is compiled here, on a PC for this very processor unless told otherwise: a disk that is put into another one
    # is to run there, too. What pip has kept may have been compiled so.
    ANNOY_COMPILER_ARGS=-fpermissive,-O3,-ffast-math,-fno-associative-math,-std=c++14,-DANNOYLIB_MULTITHREADED_BUILD \
        "$new/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir \
        --constraint "$copy/limits" "${copy}[pi]" ||
        fail "pip cannot install what the mirror needs: see to the network, or see --help for doing without"
    cp -r "$SOURCE/systemd" "$new/systemd"
    ln -s "$(cd / && "$new/bin/python" -c 'import device; print(device.__path__[0])')/default.toml" "$new/default.toml"
    sync -f "$new"
    touch "$new/whole"
    sync -f "$new"
    trap - EXIT
    rm -rf "$copy"
}

models_and_pictures() {
    local program=$1/bin/pose-mirror
    step "Looking for PoseNet, which finds people better than the bundled model."
    as_mirror "$program" models fetch || step "Without it the mirror uses the bundled model; try again at any time."
    step "Drawing the starter library, where it is not whole."
    as_mirror "$program" index starter || step "The mirror draws what is missing when it starts."
}

# From one version to another, and back where doctor finds it worse or it is not READY in time.
replace() {
    local before=$1 new=$2 was is worse
    if [ -n "$before" ]; then
        # Another version may draw other pictures: the one before is to have its own again.
        rm -rf "$STARTER.before"
        [ ! -e "$STARTER" ] || cp -a "$STARTER" "$STARTER.before"
        # shellcheck disable=SC2064
        trap "go_back '$before'" EXIT
    fi
    models_and_pictures "$new"
    trap '' HUP INT TERM PIPE # whoever asked may leave; half of this must not be
    if booted && [ -n "$before" ]; then
        systemctl stop pose-mirror || true # both doctors need its camera and display, one after the other
        was=$(bad "$before")
        is=$(bad "$new")
        worse=$(comm -13 <(echo "$was") <(echo "$is"))
        [ -z "$worse" ] || fail "$(printf 'doctor finds in %s what is well in %s:\n%s' \
            "${new##*/}" "${before##*/}" "$(doctor "$new" | grep '^ bad')")"
    fi
    step "${new##*/} takes over."
    activate "$new"
    ! booted || begin || fail "${new##*/} does not come up: journalctl -u pose-mirror -b says why"
    trap - EXIT
    rm -rf "$STARTER.before"
}

go_back() {
    trap '' HUP INT TERM PIPE
    step "${1##*/} stays in use."
    ! booted || systemctl stop pose-mirror || true # else what does not come up is tried again and again meanwhile
    if [ -e "$STARTER.before" ]; then
        rm -rf "$STARTER"
        mv "$STARTER.before" "$STARTER"
    fi
    activate "$1"
    ! booted || begin || true
}

doctor() { as_mirror timeout --kill-after 5 180 "$1/bin/pose-mirror" doctor 2>/dev/null || true; }
bad() { doctor "$1" | sed -nE 's/^ bad  (.{12}).*/\1/p' | LC_ALL=C sort; }

# Puts a version's files into their places and the link on it. A power cut in between leaves one that starts.
activate() {
    local files=$1/systemd
    user_and_rules "$files"
    put 644 "$files/pose-mirror.service" "$UNIT"
    ! filters || put 644 "$files/quiet-journal.conf" "$JOURNAL"
    put 755 "$files/pose-mirror" "$COMMAND"
    ln -sfn "$1" "$CURRENT.new"
    mv -T "$CURRENT.new" "$CURRENT"
    ! booted || systemctl daemon-reload
    systemctl --quiet enable pose-mirror
    sync -f "$VERSIONS" "$UNIT"
}

# Whether this systemd can leave lines out of the journal.
filters() { [ "$(systemctl --version | sed -nE '1s/^systemd ([0-9]+).*/\1/p')" -ge 253 ]; }

# Returns when the mirror is READY, which is when its first picture is on the display; else fails.
begin() {
    step "Starting the mirror."
    systemctl restart pose-mirror
}

forget_all_but() {
    local folder
    for folder in "$VERSIONS"/*-*/; do
        folder=${folder%/}
        case $folder in "$1" | "$2") continue ;; esac
        rm -f "$folder/whole" # a power cut in between leaves nothing that looks whole
        rm -rf "$folder"
    done
}

quiet_boot() {
    [ -e "$BOOT" ] || return 0
    local words word
    words=$(cat "$BOOT")
    for word in $BOOT_WORDS; do
        has "$words" "$word" || words="$words $word"
    done
    [ "$words" != "$(cat "$BOOT")" ] || return 0
    step "Keeping text off the display while the machine starts: $BOOT ($BOOT_BEFORE has it as it was)."
    [ -e "$BOOT_BEFORE" ] || cp "$BOOT" "$BOOT_BEFORE"
    write_boot "$words"
}

# Takes out of the kernel's words those that were put in, and leaves what somebody changed since.
loud_boot() {
    [ -e "$BOOT_BEFORE" ] || return 0
    local now before words="" word
    now=$(cat "$BOOT") before=$(cat "$BOOT_BEFORE")
    for word in $now; do
        if has "$BOOT_WORDS" "$word" && ! has "$before" "$word"; then continue; fi
        words="$words $word"
    done
    write_boot "${words# }"
    rm -f "$BOOT_BEFORE"
}

has() { case " $1 " in *" $2 "*) true ;; *) false ;; esac }

# Without these words a Pi does not start, and its boot partition keeps no journal.
write_boot() {
    printf '%s\n' "$1" >"$BOOT.new"
    sync "$BOOT.new"
    mv "$BOOT.new" "$BOOT"
    sync -f "$BOOT"
}

check() {
    local faults=0 current
    current=$(readlink -e "$CURRENT" || true)
    expect() { # what is to be true, and the words that test it
        local what=$1
        shift
        if "$@" >/dev/null 2>&1; then printf '  ok  %s\n' "$what"; else
            printf ' bad  %s\n' "$what"
            faults=1
        fi
    }
    expect "a version is in use: ${current:-none}" test -e "$current/whole"
    expect "it is made of these files" test "$current" = "$VERSIONS/$(version)"
    expect "the program starts" as_mirror "$CURRENT/bin/pose-mirror" --help
    expect "it is called by its name, ${COMMAND##*/}" cmp "$COMMAND" "$CURRENT/systemd/pose-mirror"
    expect "there is a configuration, $CONFIG" test -r "$CONFIG"
    expect "the user pose-mirror may use display, camera and button" in_groups video render input gpio plugdev
    expect "$STATE is the user's" as_mirror test -w "$STATE/gifs"
    expect "the unit is the version's" cmp "$UNIT" "$CURRENT/systemd/pose-mirror.service"
    ! filters || expect "the journal stays quiet" cmp "$JOURNAL" "$CURRENT/systemd/quiet-journal.conf"
    expect "the unit is sound" systemd-analyze verify "$UNIT"
    expect "the user is described" cmp "$SYSUSERS" "$CURRENT/systemd/pose-mirror.sysusers"
    expect "the user's folders are described" cmp "$TMPFILES" "$CURRENT/systemd/pose-mirror.tmpfiles"
    expect "the rules for devices are there" cmp "$RULES" "$CURRENT/systemd/60-pose-mirror.rules"
    expect "it starts with the machine" systemctl is-enabled pose-mirror
    if booted; then
        expect "the mirror is up: $(systemctl show -P StatusText pose-mirror)" systemctl is-active pose-mirror
        as_mirror "$CURRENT/bin/pose-mirror" doctor || faults=1
    fi
    return $faults
}

in_groups() {
    local group
    for group; do id -nG pose-mirror | tr ' ' '\n' | grep -qx "$group" || return 1; done
}

uninstall() {
    step "Taking the service away."
    ! booted || systemctl stop pose-mirror 2>/dev/null || true
    systemctl --quiet disable pose-mirror 2>/dev/null || true
    rm -f "$UNIT" "$JOURNAL" "$SYSUSERS" "$TMPFILES" "$RULES" "$COMMAND"
    rmdir "$(dirname "$JOURNAL")" 2>/dev/null || true # somebody's own changes stay
    rm -rf "$VERSIONS"
    loud_boot
    if booted; then
        systemctl daemon-reload
        systemctl start getty@tty1 2>/dev/null || true
    fi
    if [ "$1" = yes ]; then
        step "Deleting $CONFIG, $STATE and the user pose-mirror."
        rm -f "$CONFIG"
        [ ! -e "$STATE" ] || find "$STATE" -mindepth 1 -delete
        rmdir "$STATE" 2>/dev/null || true # a partition of its own stays, empty
        if getent passwd pose-mirror >/dev/null; then userdel pose-mirror; fi
    else
        step "$CONFIG and $STATE stay; --uninstall --purge deletes them, too."
    fi
}

main "$@"
