#!/bin/sh
# launch.sh HERE CGROUP... -- ARGUMENTS OF init.sh...
# Joins the cgroups, then becomes the parent of the sandbox's init. When this process ends, the init ends, too. Both
# outlive the server.
set -eu
here=$1
shift
while [ "$1" != -- ]; do
  echo $$ >"$1/cgroup.procs"
  shift
done
shift
exec unshare --mount --ipc --uts --pid --fork --kill-child -- sh "$here/init.sh" "$here" "$@"
