#!/usr/bin/env bash
# Makes a kiosk of this machine: from power on to the mirror, without a desktop, a login or a keyboard.
#
# An upgrade is built beside the version in use and takes its place by one link; when it does not come up, the link
# goes back. Run it again at any time: what is there already stays.
set -euo pipefail

SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly SOURCE
readonly VERSIONS=/opt/pose-mirror
readonly CURRENT=$VERSIONS/current
# What a version is made of.
readonly PARTS=(models index device systemd setup.cfg pyproject.toml constraints.txt README.md LICENSE)
readonly STATE=/var/lib/pose-mirror
readonly CONFIG=/etc/pose-mirror.toml
readonly UNIT=/etc/systemd/system/pose-mirror.service
readonly COMMAND=/usr/local/bin/pose-mirror
readonly DELAY=/etc/systemd/system/pose-mirror.service.d/growing-delay.conf
readonly SYSUSERS=/etc/sysusers.d/pose-mirror.conf
readonly TMPFILES=/etc/tmpfiles.d/pose-mirror.conf
readonly RULES=/etc/udev/rules.d/60-pose-mirror.rules
readonly BOOT=/boot/firmware/cmdline.txt
readonly BOOT_BEFORE=$BOOT.before-pose-mirror
# No text, no cursor and no blanking from the kernel; and a Pi's kernel keeps account of memory only when told to.
readonly BOOT_WORDS="quiet loglevel=3 logo.nologo vt.global_cursor_default=0 consoleblank=0 cgroup_enable=memory"
# The mirror gives its GIFs, libraries and models one folder; the unit has the same words.
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

step() { printf '• %s\n' "$*"; }
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
    models_and_pictures "$new"
    if [ "$before" = "$new" ]; then
        step "${new##*/} is in use already."
        activate "$new"
        ! booted || begin || fail "the mirror does not come up: journalctl -u pose-mirror -b says why"
    else
        replace "$before" "$new"
    fi
    forget_older "$before"
    quiet_boot
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
    install -D -m 644 "$SOURCE/systemd/pose-mirror.sysusers" "$SYSUSERS"
    systemd-sysusers "$SYSUSERS"
    install -D -m 644 "$SOURCE/systemd/pose-mirror.tmpfiles" "$TMPFILES"
    systemd-tmpfiles --create "$TMPFILES"
    install -D -m 644 "$SOURCE/systemd/60-pose-mirror.rules" "$RULES"
    if booted; then
        udevadm control --reload
        udevadm trigger --action=change --subsystem-match=usb --subsystem-match=gpio --subsystem-match=dma_heap
    fi
    if [ ! -e "$CONFIG" ]; then
        step "Writing $CONFIG."
        install -m 644 "$SOURCE/systemd/pose-mirror.toml" "$CONFIG"
    fi
}

# A version is called after what it is made of, so that the same is not built twice.
version() {
    cd "$SOURCE"
    local number digest
    number=$(sed -nE 's/^version = (.*)$/\1/p' setup.cfg)
    digest=$({
        find "${PARTS[@]}" -type f ! -path '*/__pycache__/*' -print0 | sort -z | xargs -0 sha256sum
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
    trap "rm -rf '$copy'; [ -e '$new/whole' ] || rm -rf '$new'" EXIT
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
}

models_and_pictures() {
    local program=$1/bin/pose-mirror
    step "Looking for PoseNet, which finds people better than the program's own network."
    as_mirror "$program" models fetch || step "Without it the program's own is used; try again at any time."
    step "Drawing the starter library, where it is not whole."
    as_mirror "$program" index starter || step "The mirror draws what is missing when it starts."
}

# From one version to another, and back where the other one is not READY in time.
replace() {
    local before=$1 new=$2
    trap '' HUP INT TERM # whoever asked may leave; half of this must not be
    if booted && [ -n "$before" ]; then
        systemctl stop pose-mirror
        local worse
        worse=$(comm -13 <(bad "$before") <(bad "$new"))
        if [ -n "$worse" ]; then
            begin || true
            fail "$(printf 'doctor finds in %s what is well in %s, which stays in use:\n%s' \
                "${new##*/}" "${before##*/}" "$(doctor "$new" | grep '^ bad')")"
        fi
    fi
    step "${new##*/} takes over."
    activate "$new"
    if booted && ! begin; then
        [ -n "$before" ] || fail "the mirror does not come up: journalctl -u pose-mirror -b says why"
        step "It does not come up: going back to ${before##*/}."
        activate "$before"
        begin || true
        fail "${new##*/} did not come up, and ${before##*/} is in use again: journalctl -u pose-mirror -b says why"
    fi
    trap - HUP INT TERM
}

doctor() { as_mirror "$1/bin/pose-mirror" doctor 2>/dev/null || true; }
bad() { doctor "$1" | sed -nE 's/^ bad  (.{12}).*/\1/p' | sort; }

# Puts a version's units into their places and the link on it. A power cut in between leaves one that starts.
activate() {
    local files=$1/systemd
    install -D -m 644 "$files/pose-mirror.service" "$UNIT"
    if [ "$(systemctl --version | sed -nE '1s/^systemd ([0-9]+).*/\1/p')" -ge 254 ]; then
        install -D -m 644 "$files/growing-delay.conf" "$DELAY"
    fi
    install -D -m 755 "$files/pose-mirror" "$COMMAND"
    ln -sfn "$1" "$CURRENT.new"
    mv -T "$CURRENT.new" "$CURRENT"
    sync -f "$VERSIONS"
    booted && systemctl daemon-reload
    systemctl --quiet enable pose-mirror
}

# Returns when the mirror is READY, which is when its first picture is on the display; else fails.
begin() {
    step "Starting the mirror."
    systemctl restart pose-mirror
}

forget_older() {
    local before=$1 folder
    for folder in "$VERSIONS"/*-*/; do
        folder=${folder%/}
        case $folder in "$(readlink -e "$CURRENT")" | "$before") ;; *) rm -rf "$folder" ;; esac
    done
}

quiet_boot() {
    [ -e "$BOOT" ] || return 0
    local words word
    words=$(cat "$BOOT")
    for word in $BOOT_WORDS; do
        case " $words " in *" $word "*) ;; *) words="$words $word" ;; esac
    done
    [ "$words" != "$(cat "$BOOT")" ] || return 0
    step "Keeping text off the display while the machine starts: $BOOT ($BOOT_BEFORE has it as it was)."
    [ -e "$BOOT_BEFORE" ] || cp "$BOOT" "$BOOT_BEFORE"
    printf '%s\n' "$words" >"$BOOT.new"
    mv "$BOOT.new" "$BOOT"
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
    expect "the program starts" "$CURRENT/bin/pose-mirror" --help
    expect "there is a configuration, $CONFIG" test -r "$CONFIG"
    expect "the user pose-mirror may use display, camera and button" in_groups video render input gpio plugdev
    expect "$STATE is the user's" as_mirror test -w "$STATE/gifs"
    expect "the unit is the version's" cmp "$UNIT" "$CURRENT/systemd/pose-mirror.service"
    expect "the unit is sound" systemd-analyze verify "$UNIT"
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
    rm -f "$UNIT" "$DELAY" "$SYSUSERS" "$TMPFILES" "$RULES" "$COMMAND"
    rmdir "$(dirname "$DELAY")" 2>/dev/null || true # somebody's own changes stay
    rm -rf "$VERSIONS"
    if [ -e "$BOOT_BEFORE" ]; then mv "$BOOT_BEFORE" "$BOOT"; fi
    if booted; then
        systemctl daemon-reload
        systemctl start getty@tty1 2>/dev/null || true
    fi
    if [ "$1" = yes ]; then
        step "Deleting $CONFIG, $STATE and the user pose-mirror."
        rm -rf "$CONFIG" "$STATE"
        if getent passwd pose-mirror >/dev/null; then userdel pose-mirror; fi
    else
        step "$CONFIG and $STATE stay; --uninstall --purge deletes them, too."
    fi
}

main "$@"
