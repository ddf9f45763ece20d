#!/bin/sh
# launch.sh HERE DIR UID GID HOME NODE TEMPLATE [CGROUP...]
# Joins the cgroups, then becomes the parent of the sandbox's init. When this process dies, so does the init; when the
# server dies, neither does.
set -eu
here=$1 dir=$2 uid=$3 gid=$4 home=$5 node=$6 template=$7
shift 7
for group in "$@"; do echo $$ >"$group/cgroup.procs"; done
exec unshare --mount --ipc --uts --pid --fork --kill-child -- sh "$here/init.sh" "$dir" "$uid" "$gid" "$home" "$node" "$template"
