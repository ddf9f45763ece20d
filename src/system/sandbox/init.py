#!/bin/sh
# init.sh HERE DIR UID GID HOME NODE TEMPLATE NPM_CACHE PORT...
# Runs in the new namespaces, as root and before any process of the session: makes the private mounts, then becomes
# s6-svscan, the sandbox's init, which supervises the services in DIR/services.
# Writes DIR/init (this process's line of /proc/PID/stat, as the host sees it), then one byte to descriptor 3.
set -eu
here=$1 dir=$2 uid=$3 gid=$4 home=$5 node=$6 template=$7 npm_cache=$8
shift 8
harden=$(cat "$here/harden.py") # the next mounts may hide its folder

# /proc is still the host's here: its line has the host's pid and the start time, by which a later server identifies this init
read -r stat </proc/self/stat
echo "$stat" >"$dir/init.new"
mv "$dir/init.new" "$dir/init"

# the private /run would hide /etc/resolv.conf where that is a link into /run: the session sees a copy, which the server
# keeps up to date (resolv-conf.ts)
resolv=$(readlink -f /etc/resolv.conf || :)
: >"$dir/resolv.conf"
if [ -f "$resolv" ]; then cat "$resolv" >"$dir/resolv.conf"; fi
chmod 644 "$dir/resolv.conf"

mkdir "$dir/home"
if [ -f "$home.img" ]; then
  sh "$here/mount-home.sh" "$home.img" "$dir/home"
  # only root has used the home yet: from here on, root opens nothing in it
  chmod 700 "$dir/home"
  rmdir "$dir/home/lost+found"
else
  mount --bind "$home" "$dir/home"
  mount -o remount,bind,nosuid,nodev "$dir/home"
fi

: >"$dir/node"
mount --bind "$node" "$dir/node" # the next mounts may hide the folder that it is in

mount -t tmpfs -o size=512m,nr_inodes=64k,mode=1777,nosuid,nodev tmpfs /tmp
mount -t tmpfs -o size=64m,nr_inodes=16k,mode=1777,nosuid,nodev tmpfs /var/tmp
mount -t tmpfs -o size=512m,nr_inodes=16k,mode=1777,nosuid,nodev tmpfs /dev/shm
mount -t tmpfs -o size=16m,nr_inodes=4k,mode=755,nosuid,nodev tmpfs /run
mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,max=64,nosuid,noexec devpts /dev/pts # the host has 4096 in all
mkdir -m 1777 /tmp/.X11-unix
mkdir -p /run/lock /run/user /run/ex10/template /run/ex10/npm-cache
mkdir -m 700 "/run/user/$uid"
chown "$uid:$gid" "/run/user/$uid"

case $resolv in /run/*)
  mkdir -p "${resolv%/*}"
  : >"$resolv"
  mount --bind "$dir/resolv.conf" "$resolv"
esac

: >/run/ex10/node
mount --bind -o ro,nosuid,nodev "$dir/node" /run/ex10/node
mount --bind -o ro,nosuid,nodev "$template" /run/ex10/template
if [ -d "$npm_cache" ]; then mount --bind -o ro,nosuid,nodev "$npm_cache" /run/ex10/npm-cache; fi

# the session can name no other home than its own
mount -t tmpfs -o size=64k,mode=711,nosuid,nodev tmpfs "${home%/*}"
mkdir "$home"
mount --move "$dir/home" "$home"

echo ex10 >/proc/sys/kernel/hostname

cd "$dir/services"
exec /usr/bin/python3 -I -S -c "$harden" "$@" -- s6-svscan -d 3 . </dev/null >"$dir/init.log" 2>&1
