#!/bin/sh
# enter.sh INIT CGROUP... -- PORT... -- CMD...
# Joins the session's cgroups, then runs CMD in the namespaces of the sandbox whose init has the pid INIT, hardened like
# all that the init started; the ports are those that it may bind.
# --wdns and never --wd, which opens the folder before the namespaces are entered: from there, .. leads to the host.
set -eu
harden=$(cat "${0%/*}/harden.py") # its folder may be hidden in there
init=$1
shift
while [ "$1" != -- ]; do
  echo $$ >"$1/cgroup.procs"
  shift
done
shift
# and not before nsenter: Landlock keeps whoever is in another domain out of the init's namespaces
exec nsenter -t "$init" --mount --ipc --uts --pid --wdns=/ -- /usr/bin/python3 -I -S -c "$harden" "$@"
