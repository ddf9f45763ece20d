#!/bin/sh
# launch.sh HERE CGROUP... -- ARGUMENTS OF init.py...
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
exec unshare --mount --ipc --uts --pid --fork --kill-child -- /usr/bin/python3 -I -S "$here/init.py" "$@"
