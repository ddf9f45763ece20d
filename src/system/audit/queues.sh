#!/bin/sh
# queues.sh [NAME...]
# Removes the named POSIX message queues of the host, then lists the queues that are left: "UID NAME", each ended by a NUL.
# Runs in a mount namespace of its own, because hosts without systemd mount message queues nowhere.
set -eu
mount -t mqueue mqueue /mnt
for name in "$@"; do rm -f -- "/mnt/$name"; done
exec find /mnt -type f -printf '%U %f\0'
