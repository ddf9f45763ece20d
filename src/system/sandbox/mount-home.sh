#!/bin/sh
# mount-home.sh IMAGE FOLDER
# Mounts a home's image (system/accounts/homes.ts). Nothing in it outlives the session, so nothing waits for the disk: no barriers.
# noinit_itable: otherwise the kernel writes all inode tables in the background, and the image does not stay sparse.
set -e
mount -t ext4 -o loop,nosuid,nodev,noatime,nobarrier,noinit_itable -- "$1" "$2"
# past the host's page cache: otherwise the kernel copies everything that a session writes to its home, at the cost of the others' CPU time
losetup --direct-io=on "$(findmnt --noheadings --output SOURCE --mountpoint "$2")" 2>/dev/null || :
