#!/bin/bash
# The least work that makes one confined live browser by hand: account, namespaces, Xvfb, Xpra, Chromium with an
# extension. What a creation is measured against, in turn with it. Prints "CREATE_MS DELETE_MS"; cleans up after itself.
#   floor.sh UID PORT      the display takes PORT, DevTools the one 1000 above; the folder is below /var/lib/ex10-test
set -u
uid=$1 port=$2 devtools=$(($2 + 1000)) name=ex10_floor_$1
dir=$(mktemp -d /var/lib/ex10-test/floor.XXXXXX)
home=$dir/home
chmod 711 "$dir"
now() { date +%s%N; }
since() { echo $((($(now) - $1) / 1000000)); }
# asks every 5 ms, for 15 s at most
until_ok() { for _ in $(seq 3000); do "$@" >/dev/null 2>&1 && return; sleep 0.005; done; echo "never: $*" >&2; exit 1; }
init=
remove() {
  [ -n "$init" ] && kill -9 "$init" 2>/dev/null
  for _ in $(seq 1000); do [ -z "$(ps -o stat= -u "$uid" | grep -v '^Z')" ] && break; sleep 0.005; done
  userdel "$name" 2>/dev/null
  rm -rf "$dir"
}
trap remove EXIT

start=$(now)
useradd --no-log-init -M -N -g nogroup -u "$uid" -d "$home" -s /usr/sbin/nologin -K SUB_UID_COUNT=0 -K SUB_GID_COUNT=0 "$name" || exit 1
mkdir -p "$home/ext"
echo '{"manifest_version":3,"name":"Floor","version":"1","background":{"service_worker":"b.js"}}' >"$home/ext/manifest.json"
echo 'self.up = 1' >"$home/ext/b.js"
chown -R "$uid:nogroup" "$home" && chmod 700 "$home"

cat >"$dir/init.sh" <<'INIT'
for at in /tmp /dev/shm /var/tmp; do mount -t tmpfs -o size=512m,mode=1777 tmpfs $at; done
mount -t tmpfs -o size=16m,mode=755 tmpfs /run
mount -t proc proc /proc
mkdir -m 1777 /tmp/.X11-unix
mkdir -p -m 700 "/run/user/$1" && chown "$1" "/run/user/$1"
touch /run/ready
exec sleep infinity
INIT
unshare --mount --ipc --uts --pid --fork --kill-child sh "$dir/init.sh" "$uid" 2>/dev/null &
until_ok pgrep -P $!
init=$(pgrep -P $!)
until_ok nsenter -t "$init" -m test -e /run/ready

enter() {
  nsenter -t "$init" --mount --ipc --uts --pid --wdns=/ setpriv --reuid="$uid" --regid=65534 --clear-groups --no-new-privs \
    --bounding-set=-all --inh-caps=-all --ambient-caps=-all env -i HOME="$home" PATH=/usr/bin:/bin LANG=C.UTF-8 \
    XDG_RUNTIME_DIR="/run/user/$uid" DISPLAY=:10 XAUTHORITY="$home/.Xauthority" XPRA_SYSTEM_CONF_DIRS=/nonexistent "$@"
}
mcookie | sed 's/^/add :10 . /' | enter xauth -q source - 2>/dev/null
enter Xvfb :10 +extension Composite -screen 0 3840x2160x24+32 -nolisten tcp -nolisten local -noreset -auth "$home/.Xauthority" >/dev/null 2>&1 &
until_ok nsenter -t "$init" -m test -S /tmp/.X11-unix/X10
enter xpra start :10 --use-display --daemon=no --bind-tcp=127.0.0.1:"$port" --html=on --mdns=no --pulseaudio=no --notifications=no \
  --printing=no --webcam=no --dbus-launch= --dbus-proxy=no --dbus-control=no --systemd-run=no --file-transfer=no --open-url=no \
  --start-new-commands=no --sharing=yes >/dev/null 2>&1 &
until_ok curl -sf "http://127.0.0.1:$port/index.html"
enter chromium --no-first-run --no-default-browser-check --disable-background-networking --disable-component-update --disable-sync \
  --disable-quic --load-extension="$home/ext" --remote-debugging-port="$devtools" --user-data-dir="$home/profile" about:blank >/dev/null 2>&1 &
until_ok sh -c "curl -sf http://127.0.0.1:$devtools/json/list | grep -q service_worker"
created=$(since "$start")

end=$(now)
trap - EXIT
remove
echo "$created $(since "$end")"
