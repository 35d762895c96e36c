#!/usr/bin/env bash
# The part of install.sh that makes the mirror's own Wi-Fi, for places without one, and removes it. install.sh reads it.
#
# NetworkManager makes the Wi-Fi (WPA2, with a fixed address and no way to anywhere). A service gives phones an address
# and answers every name with the mirror, behind a firewall that lets phones reach nothing else.

readonly HOTSPOT_FILE=/etc/pose-mirror-hotspot.json
readonly HOTSPOT_PROFILE=/etc/NetworkManager/system-connections/pose-mirror-hotspot.nmconnection
readonly UNITS=/etc/systemd/system
# The services, each for one interface.
readonly HOTSPOT_UNITS=(pose-mirror-firewall@.service pose-mirror-hotspot@.service)
readonly HOTSPOT_ADDRESS=10.41.0.1
# Keeps a NetworkManager that came with the hotspot from taking the machine's other networks from those who manage them.
readonly HOTSPOT_ONLY=/etc/NetworkManager/conf.d/pose-mirror-hotspot.conf
readonly HOTSPOT_PACKAGES=(network-manager wpasupplicant dnsmasq-base nftables iproute2)
readonly INTERFACES=/sys/class/net

# Make the Wi-Fi, or bring it up to date: its name and password stay as they are.
hotspot_on() {
    booted || fail "--hotspot needs a Wi-Fi device: run it on the machine itself, after its first start"
    local interface
    interface=$(hotspot_interface)
    [ -n "$interface" ] || interface=$(choose_wifi)
    check_wifi "$interface"
    install_hotspot_packages "$interface"
    write_hotspot_file
    write_hotspot_profile "$interface"
    start_hotspot "$interface"
    turn_on_sharing
    step "The mirror's own Wi-Fi is on: $(hotspot_value name), password $(hotspot_value password)."
}

# Fail with a sentence if an interface cannot be a hotspot.
check_wifi() {
    [ -n "$1" ] || fail "this machine has no Wi-Fi device: plug one in that can be an access point, and try again"
    ! is_blocked "$1" || fail "the Wi-Fi $1 is switched off: $(how_to_unblock), and try again"
    ! is_only_connection "$1" ||
        fail "the Wi-Fi $1 is the only connection, and a hotspot would end it: connect an Ethernet cable first"
}

# Print the interface of the hotspot that is already there.
hotspot_interface() { sed -n 's/^interface-name=//p' "$HOTSPOT_PROFILE" 2>/dev/null || true; }

# Print the first Wi-Fi interface without an address, else the first one.
choose_wifi() {
    local folder first=""
    for folder in "$INTERFACES"/*; do
        [ -e "$folder/phy80211" ] || continue
        [ -n "$first" ] || first=${folder##*/}
        if [ -z "$(addresses "${folder##*/}")" ]; then
            echo "${folder##*/}"
            return
        fi
    done
    echo "$first"
}

# Print an interface's addresses, without that of the hotspot.
addresses() {
    { ip -brief address show dev "$1" scope global 2>/dev/null || true; } | grep -oE '[0-9a-f:.]+/[0-9]+' |
        grep -v "^$HOTSPOT_ADDRESS/" || true
}

# Return whether the machine's only addresses are those of an interface.
is_only_connection() {
    local folder
    [ -n "$(addresses "$1")" ] || return 1
    for folder in "$INTERFACES"/*; do
        # Interfaces without a device are the kernel's own, such as bridges to containers.
        if [ -e "$folder/device" ] && [ "${folder##*/}" != "$1" ] && [ -n "$(addresses "${folder##*/}")" ]; then
            return 1
        fi
    done
}

# Return whether a Wi-Fi interface is switched off: by a key, or because no country is set.
is_blocked() {
    local switch
    for switch in "$INTERFACES/$1"/phy80211/rfkill*; do
        if grep -qsx 1 "$switch/soft" "$switch/hard"; then return 0; fi
    done
    return 1
}

how_to_unblock() {
    if command -v raspi-config >/dev/null; then
        echo "set its country (sudo raspi-config, Localisation Options)"
    else
        echo "switch it on (sudo rfkill unblock wlan)"
    fi
}

install_hotspot_packages() {
    local missing
    mapfile -t missing < <(list_missing "${HOTSPOT_PACKAGES[@]}")
    [ ${#missing[@]} -gt 0 ] || return 0
    case " ${missing[*]} " in
    *" network-manager "*)
        mkdir -p "${HOTSPOT_ONLY%/*}"
        printf '[keyfile]\nunmanaged-devices=*,except:interface-name:%s\n' "$1" >"$HOTSPOT_ONLY"
        ;;
    esac
    apt_install "${missing[@]}" ||
        fail "apt cannot install ${missing[*]}: check the network, or install them in another way"
}

# Write the Wi-Fi's name, password and address, for the page's server and the display.
write_hotspot_file() {
    [ -z "$(hotspot_value password)" ] || return 0
    local name password file=$HOTSPOT_FILE.new
    name="Pose Mirror $(random_characters 4 A-HJKMNP-Z2-9)"
    password=$(random_characters 12 a-hjkmnp-z2-9)
    printf '{"name": "%s", "password": "%s", "address": "%s"}\n' "$name" "$password" "$HOTSPOT_ADDRESS" >"$file"
    sync "$file"
    mv "$file" "$HOTSPOT_FILE"
}

# hotspot_value KEY: print a value of the hotspot's file.
hotspot_value() { sed -nE "s/.*\"$1\": \"([^\"]*)\".*/\1/p" "$HOTSPOT_FILE" 2>/dev/null || true; }

# random_characters COUNT SET: print some that nobody takes for each other when typing them.
random_characters() { head -c 2000 /dev/urandom | LC_ALL=C tr -dc "$2" | cut -c "1-$1"; }

# WPA2 alone, for old phones. pmf=1 switches protected frames off, with which a Pi's access point fails.
write_hotspot_profile() {
    mkdir -p "${HOTSPOT_PROFILE%/*}"
    (
        umask 077
        cat >"$HOTSPOT_PROFILE.new" <<EOF
[connection]
id=pose-mirror-hotspot
uuid=$(cat /proc/sys/kernel/random/uuid)
type=wifi
interface-name=$1
autoconnect=true
autoconnect-priority=999
autoconnect-retries=0

[wifi]
mode=ap
band=bg
ssid=$(hotspot_value name)
ap-isolation=1
powersave=2

[wifi-security]
key-mgmt=wpa-psk
proto=rsn;
pairwise=ccmp;
group=ccmp;
pmf=1
psk=$(hotspot_value password)

[ipv4]
method=manual
address1=$HOTSPOT_ADDRESS/24
never-default=true

[ipv6]
method=disabled
EOF
    )
    sync "$HOTSPOT_PROFILE.new"
    mv "$HOTSPOT_PROFILE.new" "$HOTSPOT_PROFILE"
}

# Start the firewall and dnsmasq, and then the Wi-Fi.
start_hotspot() {
    local services
    mapfile -t services < <(hotspot_services "$1")
    step "Starting the Wi-Fi $(hotspot_value name) on $1."
    install_hotspot_units "$CURRENT/systemd"
    systemctl daemon-reload
    systemctl --quiet enable "${services[@]}"
    systemctl restart "${services[0]}" ||
        fail "the firewall does not start: run journalctl -u ${services[0]} -b to see why"
    systemctl --quiet enable --now NetworkManager
    nmcli radio wifi on
    nmcli connection load "$HOTSPOT_PROFILE"
    nmcli --wait 60 connection up pose-mirror-hotspot ifname "$1" >/dev/null ||
        fail "$1 does not become an access point (journalctl -u NetworkManager -b says why): use another Wi-Fi device"
    systemctl restart "${services[1]}" ||
        fail "dnsmasq does not start: run journalctl -u ${services[1]} -b to see why"
}

# Print the names of the services for an interface.
hotspot_services() {
    local unit
    for unit in "${HOTSPOT_UNITS[@]}"; do systemd-escape --template="$unit" "$1"; done
}

# install_hotspot_units FOLDER
install_hotspot_units() {
    local unit
    for unit in "${HOTSPOT_UNITS[@]}"; do install_file 644 "$1/$unit" "$UNITS/$unit"; done
}

# Turn sharing on, for which the Wi-Fi is there, unless the owner has decided about it.
turn_on_sharing() {
    if "$CURRENT/systemd/follow-sharing" --ask "$CONFIG"; then return; fi
    if grep -qE '^[[:space:]]*\[?[[:space:]]*"?share\>' "$CONFIG"; then
        step "Sharing is off: set enabled = true under [share] in $CONFIG, and run sudo systemctl restart pose-mirror"
        return
    fi
    step "Turning sharing on in $CONFIG."
    printf '\n[share]\nenabled = true\n' >>"$CONFIG"
    start_mirror || fail "the mirror does not come up: run journalctl -u pose-mirror -b to see why"
}

# Remove the Wi-Fi. Its name and password go, too: the next one has others.
hotspot_off() {
    local interface
    interface=$(hotspot_interface)
    if [ -z "$interface" ] && [ ! -e "$HOTSPOT_FILE" ]; then return; fi
    step "Removing the mirror's own Wi-Fi."
    ! booted || nmcli connection delete pose-mirror-hotspot >/dev/null 2>&1 || true
    ! booted || systemctl stop "${HOTSPOT_UNITS[@]/.service/*}" || true
    systemctl --quiet disable "${HOTSPOT_UNITS[@]}" 2>/dev/null || true # for whatever interface
    rm -f "$HOTSPOT_PROFILE" "$HOTSPOT_FILE" "${HOTSPOT_UNITS[@]/#/$UNITS/}"
    ! booted || systemctl daemon-reload
    [ ! -e "$HOTSPOT_ONLY" ] || step "NetworkManager stays, and keeps to $interface: see $HOTSPOT_ONLY"
}

# Bring the hotspot's service up to date with a version, if there is a hotspot.
upgrade_hotspot() {
    if [ -e "$HOTSPOT_PROFILE" ] && [ -e "$1/${HOTSPOT_UNITS[0]}" ]; then install_hotspot_units "$1"; fi
}

# For --check: uses its `expect`.
check_hotspot() {
    local interface unit services
    interface=$(hotspot_interface)
    if [ -z "$interface" ] && [ ! -e "$HOTSPOT_FILE" ]; then return; fi
    mapfile -t services < <(hotspot_services "$interface")
    expect "own Wi-Fi $(hotspot_value name): its name and password in $HOTSPOT_FILE" test -n "$(hotspot_value password)"
    expect "own Wi-Fi: profile $HOTSPOT_PROFILE, which root alone reads" test "$(stat -c %a "$HOTSPOT_PROFILE")" = 600
    for unit in "${HOTSPOT_UNITS[@]}"; do
        expect "own Wi-Fi: unit $UNITS/$unit, compared with this version's" \
            cmp "$UNITS/$unit" "$CURRENT/systemd/$unit"
    done
    booted || return 0
    expect "own Wi-Fi: addresses and names for phones" systemctl is-active "${services[1]}"
    expect "own Wi-Fi: firewall at power-on" systemctl is-enabled "${services[0]}"
    expect "own Wi-Fi: firewall" nft list table inet pose_mirror_hotspot
    expect "own Wi-Fi: access point on $interface" hotspot_is_up
}

hotspot_is_up() { nmcli -t -f NAME connection show --active | grep -qx pose-mirror-hotspot; }
