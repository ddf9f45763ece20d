#!/bin/sh
# enter.sh INIT COUNT CGROUP{COUNT} CMD...
# Joins the session's cgroups, then runs CMD in the namespaces of the sandbox whose init has the pid INIT.
# --wdns and never --wd, which opens the folder before the namespaces are entered: from there, .. leads to the host.
set -eu
init=$1 count=$2
shift 2
while [ "$count" -gt 0 ]; do
  echo $$ >"$1/cgroup.procs"
  shift
  count=$((count - 1))
done
exec nsenter -t "$init" --mount --ipc --uts --pid --wdns=/ -- "$@"
