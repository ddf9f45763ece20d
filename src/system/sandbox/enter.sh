#!/bin/sh
# enter.sh INIT CGROUP... -- PORT... -- CMD...
# Joins the session's cgroups, then runs CMD in the namespaces of the sandbox whose init has the pid INIT, hardened like
# every program that the init started. CMD may bind the ports.
# --wdns and never --wd, which opens the folder before the namespaces are entered: from there, .. leads to the host.
set -eu
harden=$(cat "${0%/*}/harden.py") # its folder is not in the sandbox
init=$1
shift
while [ "$1" != -- ]; do
  echo $$ >"$1/cgroup.procs"
  shift
done
shift
# hardened after nsenter: Landlock keeps a process of another domain out of the init's namespaces
exec nsenter -t "$init" --mount --ipc --uts --pid --wdns=/ -- /usr/bin/python3 -I -S -c "$harden" "$@"
